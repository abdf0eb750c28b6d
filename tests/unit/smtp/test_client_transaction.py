"""Mail transactions as a client: groups, replies and what they mean for each recipient."""

import pytest

from pillarbox.explain.failures import FailureKind
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Recipient
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_phase import Phase
from pillarbox.smtp.client_transaction import GROUP_COMMANDS

ENVELOPE = Envelope(parse_mailbox("u1@t1.test"))
PIPELINING = b"250-mx.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"
BARE = b"250 mx.test\r\n"


def recipients(count: int) -> list[Recipient]:
    """So many recipients."""
    return [Recipient(n, parse_mailbox(f"r{n}@t2.test")) for n in range(count)]


def opened(ehlo: bytes = PIPELINING) -> ClientProtocol:
    """A session that is ready."""
    core = ClientProtocol(ClientSettings("me.test"))
    core.receive(b"220 hi\r\n")
    core.receive(ehlo)
    core.data_to_send()
    assert core.is_ready
    return core


def begun(count: int = 1, ehlo: bytes = PIPELINING) -> ClientProtocol:
    """A session in which a message was offered."""
    core = opened(ehlo)
    core.begin(ENVELOPE, recipients(count), size=10)
    return core


def say(core: ClientProtocol, octets: bytes) -> bytes:
    """What the client answers to this."""
    core.receive(octets)
    return core.data_to_send()


def codes(core: ClientProtocol) -> list[int | None]:
    """The code that decided about each recipient."""
    return [None if reply is None else reply.code for reply in core.verdicts()]


def kind(core: ClientProtocol) -> FailureKind | None:
    """The kind of failure."""
    return None if core.failure is None else core.failure.kind


def test_a_group_goes_out_in_one_piece() -> None:
    """RFC 2920: MAIL, every RCPT and DATA without waiting."""
    core = begun(2)

    assert core.data_to_send() == (
        b"MAIL FROM:<u1@t1.test>\r\nRCPT TO:<r0@t2.test>\r\nRCPT TO:<r1@t2.test>\r\nDATA\r\n"
    )
    core.receive(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert core.phase is Phase.CONTENT
    assert core.content(b"a\r\n.b\r\n") + core.end_content() == b"a\r\n..b\r\n.\r\n"
    assert core.is_waiting
    core.receive(b"250 2.0.0 queued as X\r\n")
    assert core.is_ready
    assert [str(reply) for reply in core.verdicts()] == ["250 2.0.0 queued as X"] * 2
    assert core.transactions == 1


def test_without_pipelining_each_command_waits() -> None:
    """RFC 2920 section 3.1: a group only where it is offered."""
    core = begun(2, BARE)

    assert core.data_to_send() == b"MAIL FROM:<u1@t1.test>\r\n"
    assert say(core, b"250 ok\r\n") == b"RCPT TO:<r0@t2.test>\r\n"
    assert say(core, b"550 no\r\n") == b"RCPT TO:<r1@t2.test>\r\n"
    assert say(core, b"250 ok\r\n") == b"DATA\r\n"
    assert say(core, b"354 go\r\n") == b""
    assert core.phase is Phase.CONTENT


def test_without_pipelining_nothing_follows_a_refusal() -> None:
    """No RCPT after a refused MAIL, no DATA after all RCPT were refused."""
    core = begun(1, BARE)
    core.data_to_send()
    assert say(core, b"550 no\r\n") == b""
    assert codes(core) == [550]

    core = begun(2, BARE)
    say(core, b"250 ok\r\n")
    say(core, b"550 no\r\n")
    assert say(core, b"450 no\r\n") == b""
    assert codes(core) == [550, 450]
    assert core.is_ready


def test_replies_in_any_splitting() -> None:
    """The replies of a group, one octet at a time."""
    core = begun(2)
    for octet in b"250-a\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n354 go\r\n":
        assert core.phase is not Phase.CONTENT
        core.receive(bytes([octet]))

    assert core.phase is Phase.CONTENT


def test_many_recipients_go_in_several_groups() -> None:
    """A group is bounded; DATA goes with the last of them."""
    core = begun(GROUP_COMMANDS * 2)
    first = core.data_to_send()
    assert first.count(b"\r\n") == GROUP_COMMANDS
    assert b"DATA" not in first

    second = say(core, b"250 ok\r\n" * GROUP_COMMANDS)
    assert second.count(b"\r\n") == GROUP_COMMANDS
    third = say(core, b"250 ok\r\n" * GROUP_COMMANDS)

    assert third == b"RCPT TO:<r199@t2.test>\r\nDATA\r\n"
    core.receive(b"250 ok\r\n354 go\r\n")
    assert core.phase is Phase.CONTENT


def test_a_group_that_is_full_takes_data_along() -> None:
    """One command more costs less than one more round trip."""
    core = begun(GROUP_COMMANDS - 1)

    assert core.data_to_send().endswith(b"\r\nDATA\r\n")


def test_a_refused_mail_stops_the_groups() -> None:
    """No further recipient is named for a message that is refused."""
    core = begun(GROUP_COMMANDS * 2)
    core.data_to_send()

    assert say(core, b"550 no\r\n" + b"503 no\r\n" * (GROUP_COMMANDS - 1)) == b""
    assert codes(core) == [550] * (GROUP_COMMANDS * 2)


def test_some_recipients_are_refused() -> None:
    """Each has its own reply; the content's reply is for those that were taken."""
    core = begun(3)
    core.receive(b"250 ok\r\n550 5.1.1 no\r\n250 ok\r\n450 4.2.1 later\r\n354 go\r\n")
    core.end_content()
    core.receive(b"250 done\r\n")

    assert codes(core) == [550, 250, 450]


def test_row_65_354_although_everybody_was_refused_gets_a_lone_dot() -> None:
    """RFC 2920 section 3.1; the reply to it is nobody's."""
    core = begun(2)
    core.data_to_send()

    assert say(core, b"250 ok\r\n550 no\r\n451 no\r\n354 go\r\n") == b".\r\n"
    assert core.is_waiting
    core.receive(b"250 queued nothing\r\n")
    assert core.is_ready
    assert codes(core) == [550, 451]


def test_354_although_mail_was_refused_gets_a_lone_dot() -> None:
    """The same, and the refusal of MAIL is everybody's."""
    core = begun(2)
    core.data_to_send()

    assert say(core, b"552 no\r\n250 ok\r\n250 ok\r\n354 go\r\n") == b".\r\n"
    core.receive(b"554 nothing\r\n")
    assert codes(core) == [552, 552]


def test_a_refused_data_is_for_those_that_were_taken() -> None:
    """4yz or 5yz to DATA itself."""
    core = begun(2)
    core.receive(b"250 ok\r\n250 ok\r\n550 no\r\n451 later\r\n")

    assert codes(core) == [451, 550]
    assert core.is_ready


def test_rset_goes_before_the_message_after_a_failed_one() -> None:
    """Only there, and in the same group: it costs no round trip."""
    core = begun(1)
    core.receive(b"250 ok\r\n550 no\r\n503 no\r\n")
    core.data_to_send()
    core.begin(ENVELOPE, recipients(1), size=10)

    assert core.data_to_send().startswith(b"RSET\r\nMAIL FROM:")
    core.receive(b"250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    core.end_content()
    core.receive(b"550 refused\r\n")
    assert codes(core) == [550]
    core.begin(ENVELOPE, recipients(1), size=10)
    assert core.data_to_send().startswith(b"MAIL FROM:")


def test_a_refused_rset_breaks_the_protocol() -> None:
    """The state of the server is not known then."""
    core = begun(1, BARE)
    core.receive(b"550 no\r\n")
    core.begin(ENVELOPE, recipients(1), size=10)
    core.receive(b"500 what?\r\n")

    assert kind(core) is FailureKind.PROTOCOL_BROKEN


@pytest.mark.parametrize(
    "replies",
    [b"354 go\r\n", b"250 ok\r\n354 go\r\n", b"250 ok\r\n250 ok\r\n250 ok\r\n"],
)
def test_row_65_replies_out_of_step_break_the_protocol(replies: bytes) -> None:
    """A stale reply shifts all that follow: none of them is believed (row 65)."""
    core = begun(1)
    core.receive(replies)

    assert kind(core) is FailureKind.PROTOCOL_BROKEN
    assert 250 not in codes(core)


@pytest.mark.parametrize("code", [503, 530, 538])
def test_a_server_that_wants_a_login_refuses_the_session(code: int) -> None:
    """It is the route that is wrong, not the message: nobody fails."""
    core = begun(2)
    core.receive(b"%d log in\r\n503 no\r\n503 no\r\n503 no\r\n" % code)

    assert kind(core) is FailureKind.LOGIN_NEEDED
    assert codes(core) == [None, None]
    assert core.data_to_send().endswith(b"QUIT\r\n")


def test_421_to_a_recipient_ends_the_session() -> None:
    """RFC 5321 3.8; what was decided before stays decided."""
    core = begun(3)
    core.receive(b"250 ok\r\n550 no\r\n421 4.3.2 bye\r\n")

    assert kind(core) is FailureKind.SHUT_DOWN
    assert codes(core) == [550, 421, None]
    assert core.asks_for_less


def test_421_to_the_content_ends_the_session() -> None:
    """The message was not taken."""
    core = begun(1)
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.end_content()
    core.receive(b"421 4.3.2 bye\r\n")

    assert core.is_closed
    assert codes(core) == [421]


@pytest.mark.parametrize(
    ("replies", "final", "expected"),
    [
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"250 ok\r\n", False),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"432 4.3.2 slower\r\n", True),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"451 4.7.500 busy\r\n", True),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"451 4.4.4 no\r\n", False),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"550 5.7.1 no\r\n", False),
        (b"450 4.7.1 slow\r\n503 no\r\n503 no\r\n", b"", True),
        (b"550 5.7.1 no\r\n503 no\r\n503 no\r\n", b"", False),
        (b"250 ok\r\n450 4.7.1 greylisted\r\n503 no\r\n", b"", False),
        (b"250 ok\r\n432 4.3.2 slower\r\n503 no\r\n", b"", True),
    ],
)
def test_a_server_that_wants_less_is_heard(replies: bytes, final: bytes, expected: bool) -> None:
    """4yz to MAIL, 421 and 432 anywhere, a policy or overload at the end; not greylisting."""
    core = begun(1)
    core.receive(replies)
    if final:
        core.end_content()
        core.receive(final)

    assert core.asks_for_less is expected


def test_a_lost_confirmation_is_told_from_a_lost_connection() -> None:
    """RFC 5321 4.5.3.2.6: after the dot the message may have been taken."""
    core = begun(1)
    core.connection_lost()
    assert kind(core) is FailureKind.CONNECTION_LOST
    assert core.was_stale

    core = begun(1)
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.connection_lost()
    assert kind(core) is FailureKind.CONNECTION_LOST
    assert not core.was_stale

    core = begun(1)
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.end_content()
    core.timed_out()
    assert kind(core) is FailureKind.CONFIRMATION_LOST
    assert codes(core) == [None]


def test_an_early_refusal_ends_the_content() -> None:
    """Some servers refuse in the middle; the rest need not be sent."""
    core = begun(1)
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.content(b"a\r\n")
    core.receive(b"552 5.3.4 too large\r\n")

    assert core.is_closed
    assert codes(core) == [552]


def test_row_65_an_early_yes_is_not_believed() -> None:
    """A 250 before the dot is no confirmation (row 65)."""
    core = begun(1)
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.content(b"a\r\n")
    core.receive(b"250 ok\r\n")

    assert kind(core) is FailureKind.PROTOCOL_BROKEN
    assert codes(core) == [None]


def test_row_65_a_second_354_is_not_believed() -> None:
    """Not as the reply to the content (row 65)."""
    core = begun(1)
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.end_content()
    core.receive(b"354 go\r\n")

    assert kind(core) is FailureKind.PROTOCOL_BROKEN


def binary() -> ClientProtocol:
    """A session that waits for binary content."""
    core = opened()
    core.begin(Envelope(None, Body.BINARY), recipients(2), size=10)
    assert core.data_to_send() == (
        b"MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<r0@t2.test>\r\nRCPT TO:<r1@t2.test>\r\n"
    )
    core.receive(b"250 ok\r\n550 no\r\n250 ok\r\n")
    assert core.phase is Phase.CONTENT
    assert core.takes_chunks
    return core


def test_binary_content_goes_in_chunks() -> None:
    """RFC 3030: counted, not stuffed, each chunk with its reply."""
    core = binary()

    assert b"".join(core.chunk(b"\n.\r\n", last=False)) == b"BDAT 4\r\n\n.\r\n"
    core.receive(b"250 got it\r\n")
    assert core.phase is Phase.CONTENT
    assert b"".join(core.chunk(b"\0", last=True)) == b"BDAT 1 LAST\r\n\0"
    core.receive(b"250 done\r\n")
    assert core.is_ready
    assert codes(core) == [550, 250]


def test_a_refused_chunk_is_the_end() -> None:
    """RFC 3030: the rest is not sent, and RSET goes before the next message."""
    core = binary()
    core.chunk(b"xx", last=False)
    core.receive(b"451 later\r\n")

    assert codes(core) == [550, 451]
    core.begin(ENVELOPE, recipients(1), size=1)
    assert core.data_to_send().startswith(b"RSET\r\n")


def test_a_chunk_lost_before_the_last_was_not_taken() -> None:
    """Only the last one makes a message of it."""
    core = binary()
    core.chunk(b"xx", last=False)
    core.connection_lost()
    assert kind(core) is FailureKind.CONNECTION_LOST

    core = binary()
    core.chunk(b"xx", last=True)
    core.connection_lost()
    assert kind(core) is FailureKind.CONFIRMATION_LOST


def test_binary_content_for_nobody_is_not_sent() -> None:
    """All RCPT refused: no BDAT."""
    core = opened()
    core.begin(Envelope(None, Body.BINARY), recipients(1), size=10)
    core.receive(b"250 ok\r\n550 no\r\n")

    assert core.is_ready
    assert codes(core) == [550]
