"""Messages that are made to break who looks at them: kept as they are, or refused."""

import pytest
from tests.support.reception import MESSAGE, Client, Site

from pillarbox.config import Limits
from pillarbox.mail.spooled import CHUNK_OCTETS

HEADER = b"From: u1@t1.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
LIMIT = 1_048_576


def _nested(depth: int) -> bytes:
    """Multipart in multipart, so many times, never closed."""
    parts = [
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    ]
    return HEADER + b"".join(parts) + b"\r\ntext\r\n"


def _boundaries(count: int) -> bytes:
    """A message of nothing but boundaries."""
    return HEADER + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * count


async def _stored(site: Site) -> int:
    """Chunks of content in the store, once all that was begun has been written."""
    await site.database.write(lambda _: None)
    rows = await site.database.read(lambda c: c.exec_driver_sql("SELECT number FROM content").all())
    return len(rows)


@pytest.mark.parametrize("content", [_nested(20_000), _boundaries(1_000_000)], ids=["deep", "wide"])
async def test_row_51_mime_bombs_are_kept_as_they_are(
    site: Site, logged_in: Client, content: bytes
) -> None:
    """Nesting of 20,000 and a million boundaries: nobody looks inside, so nothing can break."""
    assert (await logged_in.message(content)).startswith("250 2.0.0 ")

    [message] = site.accepted
    assert await site.content(message) == content


async def test_row_51_a_boundary_of_two_megabytes_is_refused(site: Site, logged_in: Client) -> None:
    """It stands in the header, which is too large then."""
    boundary = b"b" * 2_000_000
    content = HEADER + b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary

    assert (await logged_in.message(content)).startswith("552 5.3.4 The header ")
    assert await _stored(site) == 0


@pytest.mark.parametrize("limits", [Limits(message_octets=LIMIT)])
async def test_row_54_nothing_is_left_of_what_was_declared_too_small(
    site: Site, logged_in: Client
) -> None:
    """SIZE=10, and forty times the limit: 552, and the session goes on."""
    await logged_in.command("MAIL FROM:<u1@t1.test> SIZE=10")
    await logged_in.command("RCPT TO:<a@b.test>")
    await logged_in.command("DATA")
    logged_in.send(MESSAGE)
    for _ in range(40):
        logged_in.send((b"x" * 1022 + b"\r\n") * 1024)
        await logged_in.writer.drain()
    logged_in.send(b".\r\n")

    assert (await logged_in.reply()).startswith("552 5.3.4 The message ")
    assert site.services.budget.in_use < CHUNK_OCTETS
    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")
    assert await _stored(site) <= 1


async def test_row_49_one_recipient_too_many(site: Site, logged_in: Client) -> None:
    """452 4.5.3 for the one, and the thousand before it get the message."""
    limit = Limits().recipients
    await logged_in.command("MAIL FROM:<u1@t1.test>")
    logged_in.send(b"".join(b"RCPT TO:<r%d@b.test>\r\n" % n for n in range(limit + 1)))
    replies = [await logged_in.reply() for _ in range(limit + 1)]

    assert {reply[:9] for reply in replies[:-1]} == {"250 2.1.5"}
    assert replies[-1].startswith("452 4.5.3 Too many recipients: send the rest in another message")
    await logged_in.command("DATA")
    logged_in.send(MESSAGE + b".\r\n")
    assert (await logged_in.reply()).startswith("250 2.0.0 ")
    [message] = site.accepted
    names = [str(one.recipient.forward_path) for one in message.recipients]
    assert names == [f"r{n}@b.test" for n in range(limit)]
