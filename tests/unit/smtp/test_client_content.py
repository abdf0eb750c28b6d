"""Content that a client of SMTP has at hand when it offers the message."""

import pytest

from pillarbox.explain.failures import FailureKind
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.smtp.client import ClientProtocol, ClientSettings

ENVELOPE = Envelope(parse_mailbox("u1@t1.test"))
RECIPIENT = Recipient(0, parse_mailbox("r0@t2.test"))
OTHER = Recipient(1, parse_mailbox("r1@t2.test"))


def say(core: ClientProtocol, octets: bytes) -> bytes:
    """What the client answers to this."""
    core.receive(octets)
    return core.data_to_send()


def offered(*recipients: Recipient) -> ClientProtocol:
    """A session in which a message was offered whose content is at hand."""
    core = ClientProtocol(ClientSettings("me.test"))
    core.receive(b"220 hi\r\n")
    core.receive(b"250-mx.test\r\n250 PIPELINING\r\n")
    core.data_to_send()
    core.begin(ENVELOPE, recipients or [RECIPIENT], size=10, whole=(b"A: b\r\n\r\n", b".c\r\n"))
    core.data_to_send()
    return core


def test_content_at_hand_follows_the_354_without_a_word() -> None:
    """Nobody has to be asked for it: it is the answer to the 354, with its dots doubled."""
    core = offered()

    assert say(core, b"250 ok\r\n250 ok\r\n") == b""
    assert say(core, b"354 go\r\n") == b"A: b\r\n\r\n..c\r\n.\r\n"
    assert core.is_waiting
    assert say(core, b"250 2.0.0 queued\r\n") == b""
    assert core.is_ready
    assert [str(reply) for reply in core.verdicts()] == ["250 2.0.0 queued"]


def test_row_65_a_reply_behind_the_354_confirms_no_content() -> None:
    """It came before the content left, so the next hop can not have taken it (row 65)."""
    core = offered()

    assert say(core, b"250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n") == b""
    assert core.failure is not None
    assert core.failure.kind is FailureKind.PROTOCOL_BROKEN
    assert core.verdicts() == [None]


@pytest.mark.parametrize(
    ("reply", "end", "taken"),
    [
        (b"250 ok\r\n", b"250 2.0.0 queued\r\n", "250 2.0.0 queued"),
        (b"550 no\r\n", b"250 2.0.0 queued\r\n", None),
        (b"250 ok\r\n", b"451 later\r\n", None),
        (b"250 ok\r\n", b"250 2.0.0 queued\r\nnonsense\r\n", None),
    ],
)
def test_a_message_is_taken_by_one_reply_where_nothing_went_wrong(
    reply: bytes, end: bytes, taken: str | None
) -> None:
    """For every recipient, and in a session that stands."""
    core = offered(RECIPIENT, OTHER)
    say(core, b"250 ok\r\n250 ok\r\n" + reply + b"354 go\r\n")
    core.receive(end)

    assert (core.taken and str(core.taken)) == taken


@pytest.mark.parametrize(
    ("group", "failure"),
    [
        (b"250 ok\r\n250 ok\r\n", FailureKind.PROTOCOL_BROKEN),
        (b"250 ok\r\n550 no\r\n", FailureKind.PROTOCOL_BROKEN),
        (b"250 ok\r\n421 bye\r\n", FailureKind.SHUT_DOWN),
    ],
)
def test_row_65_a_reply_to_a_command_that_has_not_left_decides_nothing(
    group: bytes, failure: FailureKind
) -> None:
    """Without PIPELINING the second RCPT leaves behind the reply to the first: what came with that
    reply is not about it (row 65)."""
    core = ClientProtocol(ClientSettings("me.test"))
    for said in (b"220 hi\r\n", b"250 mx.test\r\n"):
        say(core, said)
    core.begin(ENVELOPE, [RECIPIENT, OTHER], size=10, chunked=True)
    core.data_to_send()
    say(core, b"250 ok\r\n")

    assert say(core, group) == b""
    assert core.failure is not None
    assert core.failure.kind is failure
    assert core.verdicts() == [None, None]
