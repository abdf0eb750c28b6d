"""Whole messages that leave before anything was answered: what was sent, and what each reply, each
refusal and each cut means for each recipient."""

import pytest

from pillarbox.errors import LocalProtocolError
from pillarbox.explain.failures import FailureKind
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Recipient
from pillarbox.smtp.client import ClientSettings
from pillarbox.smtp.client_ahead import AheadProtocol, Parcel

OFFER = b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE\r\n250 CHUNKING\r\n"
CONTENT = b"Subject: x\r\n\r\n.Hi\r\n"
OK = b"250 2.0.0 ok\r\n"
BYE = b"421 4.3.2 going\r\n"


def parcel(recipients: int = 1) -> Parcel:
    """A message to so many recipients."""
    paths = [Recipient(n, parse_mailbox(f"r{n}@t2.test")) for n in range(recipients)]
    return Parcel(Envelope(parse_mailbox("u1@t1.test"), body=Body.EIGHT_BIT), paths, CONTENT)


def opened(offer: bytes = OFFER) -> AheadProtocol:
    """A session that is ready."""
    core = AheadProtocol(ClientSettings("me.test"))
    core.receive(b"220 hi\r\n")
    core.receive(offer)
    core.data_to_send()
    return core


def sent(*parcels: Parcel) -> AheadProtocol:
    """A session in which these messages left."""
    core = opened()
    core.begin_whole(parcels)
    return core


def codes(core: AheadProtocol) -> list[list[int | None]]:
    """The codes that decided, for each message and recipient."""
    return [[each.code if each else None for each in outcome] for outcome in core.outcomes()]


def kind(core: AheadProtocol) -> FailureKind | None:
    """The kind of failure."""
    return None if core.failure is None else core.failure.kind


def test_commands_and_content_leave_in_one_piece() -> None:
    """RFC 3030 section 4.2; content is not dot-stuffed."""
    assert opened().begin_whole([parcel(2)]) == [
        b"MAIL FROM:<u1@t1.test> SIZE=19 BODY=8BITMIME\r\n"
        b"RCPT TO:<r0@t2.test>\r\nRCPT TO:<r1@t2.test>\r\nBDAT 19 LAST\r\n",
        CONTENT,
    ]


def test_rset_stands_before_each_message_that_follows() -> None:
    """A refusal of the first one, which is not known yet, must not spoil the second."""
    pieces = opened().begin_whole([parcel(), parcel()])

    assert pieces[0].startswith(b"MAIL")
    assert pieces[2].startswith(b"RSET\r\nMAIL")


@pytest.mark.parametrize("offer", [b"250-mx.test\r\n250 PIPELINING\r\n", b"250 CHUNKING\r\n"])
def test_nothing_is_sent_ahead_without_both_extensions(offer: bytes) -> None:
    """A server that knows only one of them would take content for commands."""
    core = opened(offer)

    assert not core.takes_whole
    with pytest.raises(LocalProtocolError):
        core.begin_whole([parcel()])


def test_each_message_has_its_own_replies() -> None:
    """The second sender is refused, and with him all the rest of his message."""
    core = sent(parcel(2), parcel(), parcel())
    core.receive(OK + OK + b"550 5.1.1 nobody\r\n" + OK)
    core.receive(OK + b"550 5.7.1 not you\r\n" + b"503 5.5.1 no\r\n" * 2)
    core.receive(OK * 3)

    assert core.is_waiting
    core.receive(OK)
    assert codes(core) == [[250, 550], [550], [250]]
    assert core.is_ready


@pytest.mark.parametrize(
    "replies",
    [b"550 no\r\n503 no\r\n503 no\r\n", b"250 ok\r\n550 no\r\n503 no\r\n", OK * 2 + b"451 x\r\n"],
    ids=["sender", "recipient", "content"],
)
def test_after_a_refusal_the_next_message_begins_with_rset(replies: bytes) -> None:
    """RFC 3030 section 2: the transaction may still stand there."""
    core = sent(parcel())
    core.receive(replies)

    assert core.begin_whole([parcel()])[0].startswith(b"RSET\r\n")


def test_content_taken_for_nobody_is_not_accepted() -> None:
    """All recipients were refused, and the content is answered by 250 all the same."""
    core = sent(parcel(2))
    core.receive(OK + b"550 no\r\n" + b"451 later\r\n" + OK)

    assert codes(core) == [[550, 451]]
    assert core.is_ready


def test_a_cut_leaves_what_was_sent_in_doubt() -> None:
    """Of the first message all is known, of the others nothing."""
    core = sent(parcel(), parcel(2), parcel())
    core.receive(OK * 3 + OK * 2)
    core.connection_lost()

    assert codes(core) == [[250], [None, None], [None]]
    assert kind(core) is FailureKind.CONFIRMATION_LOST
    assert core.content_ended


@pytest.mark.parametrize(
    "replies", [b"", OK, OK * 2, b"250-"], ids=["no", "sender's", "recipient's", "half"]
)
@pytest.mark.parametrize("is_timeout", [False, True])
def test_a_message_without_its_confirmation_is_in_doubt(
    replies: bytes, *, is_timeout: bool
) -> None:
    """It left with its commands, so however little was answered, the server may have it."""
    core = sent(parcel())
    core.receive(replies)
    if is_timeout:
        core.timed_out()
    else:
        core.connection_lost()

    assert codes(core) == [[None]]
    assert core.content_ended
    assert kind(core) is FailureKind.CONFIRMATION_LOST
    assert not core.was_stale


@pytest.mark.parametrize("answered", [0, 1, 2, 3], ids=["rset", "sender", "recipient", "content"])
def test_a_server_that_says_421_and_goes_has_nothing_more(answered: int) -> None:
    """RFC 5321 section 3.8: the second message was refused, the third not looked at."""
    core = sent(parcel(), parcel(), parcel())
    core.receive(OK * 3 + OK * answered + BYE)
    core.connection_lost()

    expected = [[250], [421], [None]] if answered else [[250], [None], [None]]
    assert codes(core) == expected
    assert not core.content_ended
    assert kind(core) is FailureKind.SHUT_DOWN


def test_a_server_that_says_421_and_stays_may_have_the_rest() -> None:
    """Some say it about one recipient and go on."""
    core = sent(parcel(2), parcel())
    core.receive(OK + BYE + OK)
    assert core.is_waiting

    core.connection_lost()
    assert codes(core) == [[421, None], [None]]
    assert core.content_ended


def test_421_is_heeded_when_all_is_answered() -> None:
    """All replies count, and nothing more is sent there."""
    core = sent(parcel(2), parcel())
    core.receive(OK + BYE + OK * 2 + OK * 4)

    assert codes(core) == [[421, 250], [250]]
    assert kind(core) is FailureKind.SHUT_DOWN


def test_a_session_that_ended_with_421_to_the_first_sender_was_stale() -> None:
    """It took nothing: the same may go by another session."""
    core = sent(parcel(), parcel())
    core.receive(BYE)
    core.connection_lost()

    assert core.was_stale


def test_a_session_that_took_a_later_message_was_not_stale() -> None:
    """Some say 421 to one sender and go on: what was taken must not be sent again."""
    core = sent(parcel(), parcel())
    core.receive(BYE + b"503 no\r\n" * 2 + OK * 4)

    assert codes(core) == [[421], [250]]
    assert core.is_closed
    assert not core.was_stale


@pytest.mark.parametrize(
    "replies", [OK * 4, b"354 go\r\n", OK + OK + b"354 go\r\n"], ids=["more", "early", "late"]
)
def test_row_65_replies_out_of_step_are_not_believed(replies: bytes) -> None:
    """One reply too many may be the one that seemed to confirm (row 65)."""
    core = sent(parcel())
    core.receive(replies)

    assert codes(core) == [[None]]
    assert core.content_ended
    assert kind(core) is FailureKind.PROTOCOL_BROKEN


def test_a_reply_too_many_behind_a_refusal_leaves_the_others_in_doubt() -> None:
    """The first message seemed to be taken; it is not said to be refused now."""
    core = sent(parcel(), parcel())
    core.receive(OK * 3 + OK + b"550 5.7.1 no\r\n" + b"503 no\r\n" * 2 + OK)

    assert codes(core) == [[None], [550]]
    assert core.content_ended


def test_a_server_that_wants_a_login_has_refused_all() -> None:
    """It is the session that is refused, as where every reply is waited for."""
    core = sent(parcel())
    core.receive(b"530 5.7.0 log in\r\n503 no\r\n503 no\r\n")

    assert kind(core) is FailureKind.LOGIN_NEEDED
    assert codes(core) == [[None]]
    assert not core.content_ended


def test_a_message_can_follow_in_the_old_way() -> None:
    """The same session sends what is too large to leave at once."""
    core = sent(parcel())
    core.receive(OK * 3)
    one = parcel()
    core.begin(one.envelope, one.recipients, size=5, whole=(b"X: y\r\n",))
    core.receive(OK * 2 + b"354 go\r\n")
    core.connection_lost()

    assert [each.code if each else None for each in core.verdicts()] == [None]
    assert kind(core) is FailureKind.CONFIRMATION_LOST
