"""delivery.mailbox: a message becomes one of the mailbox on its way out, wherever it is kept."""

from dataclasses import replace

import pytest
from tests.support.outgoing import PREFIX, Chunks, message, stored

from pillarbox.delivery.mailbox import as_mailbox
from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.route import Microsoft365, OtherFrom

MAILBOX = "alerts@contoso.example"
HOP = Microsoft365(
    MAILBOX,
    Cloud.WORLDWIDE,
    SignIn(Flow.CLIENT_SECRET, "app", "https://login.test", "tenant", secret="x"),
    senders=("@t1.test",),
    other_from=OtherFrom.REWRITE,
)
STRICT = replace(HOP, senders=())
HEAD = b"Subject: x\r\nFrom: Me <u1@t1.test>\r\n"
BODY = b"\r\nFrom: not a field\r\n" + b"x" * 100 + b"\r\n"
NEW_HEAD = (
    PREFIX + b"Subject: x\r\nFrom: Me <alerts@contoso.example>\r\nReply-To: Me <u1@t1.test>\r\n"
)


async def _sent(made: SpooledMessage, source: Chunks, hop: Microsoft365 = STRICT) -> bytes:
    """All octets that would go out; their number is the size that is announced."""
    changed, rest = await as_mailbox(hop, made, source)
    if changed.content is not None:
        octets = changed.prefix + changed.content
    else:
        octets = changed.prefix + b"".join([await rest.chunk(n) for n in range(changed.chunks)])
    assert len(octets) == changed.size_octets
    return octets


async def test_a_message_in_memory_is_rewritten() -> None:
    """The body stays; the envelope names the mailbox; what is in the spool is untouched."""
    made = message(HEAD + BODY)

    changed, _ = await as_mailbox(STRICT, made, Chunks())

    assert await _sent(made, Chunks()) == NEW_HEAD + BODY
    assert changed.envelope.reverse_path == parse_mailbox(MAILBOX)
    assert made.envelope.reverse_path == parse_mailbox("u1@t1.test")
    assert made.content == HEAD + BODY


@pytest.mark.parametrize("cut", range(len(HEAD) - 3, len(HEAD) + 4))
@pytest.mark.parametrize("pieces", [2, 3])
async def test_a_message_in_the_store_is_rewritten(cut: int, pieces: int) -> None:
    """Wherever its pieces end."""
    content = HEAD + BODY
    parts = [content[:cut], content[cut:]]
    if pieces == 3:
        parts = [content[:5], content[5:cut], content[cut:]]
    made, source = stored(*parts)

    assert await _sent(made, source) == NEW_HEAD + BODY


async def test_what_the_mailbox_may_send_stays_as_it_is() -> None:
    """To the last octet, signatures too."""
    made = message(HEAD + BODY)

    changed, _ = await as_mailbox(HOP, made, Chunks())

    assert await _sent(made, Chunks(), HOP) == PREFIX + HEAD + BODY
    assert changed.envelope == made.envelope


async def test_a_header_block_without_end_stays_as_it_is() -> None:
    """There is no place where it could be changed safely."""
    made = message(b"From: u1@t1.test\r\n")

    assert await _sent(made, Chunks()) == PREFIX + b"From: u1@t1.test\r\n"


async def test_a_report_keeps_its_null_reverse_path() -> None:
    """RFC 3464 section 2: else reports would be answered by reports."""
    made = message(HEAD + BODY, reverse_path=None)

    changed, _ = await as_mailbox(STRICT, made, Chunks())

    assert changed.envelope.reverse_path is None


async def test_a_report_of_ours_is_mail_of_the_mailbox() -> None:
    """Nobody answers it: it has no Reply-To."""
    made = message(HEAD + BODY, reverse_path=None)
    made.account_id = None

    head = NEW_HEAD.partition(b"Reply-To")[0]
    assert await _sent(made, Chunks()) == head + BODY


async def test_content_that_can_not_be_read_is_no_message() -> None:
    """The attempt is made again when the store is back."""
    made, _ = stored(HEAD, BODY)

    with pytest.raises(SpoolUnavailable):
        await as_mailbox(STRICT, made, Chunks([None, None]))
