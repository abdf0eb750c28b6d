"""store.captured: mail that is kept for people to look at."""

import pytest
from tests.support.storing import Queue, make_message, new_id, now_ms, record, settlement

from pillarbox.errors import DirectoryError
from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.spooled import CHUNK_OCTETS, SpooledMessage
from pillarbox.store.admin.tenants import add_tenant
from pillarbox.store.captured import list_captured, read_content, show_captured

UNTIL = now_ms() + 3_600_000


async def _capture(queue: Queue, content: bytes = b"Subject: Hello\r\n\r\n") -> SpooledMessage:
    put = make_message("a@far.example", "b@far.example", lanes=(queue.lane,), content=content)
    await queue.spool.put(put)
    records = (record(0, RecipientState.CAPTURED), record(1, RecipientState.DELIVERED))
    await queue.spool.settle(settlement(put, *records, keep_content_until=UNTIL))
    return put


async def test_captured_mail_is_listed_newest_first(queue: Queue) -> None:
    """With the recipients for whom it was captured; other mail is not in the list."""
    first, second = await _capture(queue), await _capture(queue)
    delivered = await queue.put()
    await queue.spool.settle(settlement(delivered, keep_content_until=UNTIL))

    found = queue.database.read_now(lambda c: list_captured(c, limit=10))

    assert [one.queue_id for one in found] == [second.queue_id, first.queue_id]
    assert found[0].recipients == ("a@far.example",)
    assert (found[0].content_until, found[0].size_octets) == (UNTIL, second.size_octets)


async def test_the_list_goes_on_where_it_ended(queue: Queue) -> None:
    """By the id of the last one."""
    ids = [(await _capture(queue)).queue_id for _ in range(3)]

    page = queue.database.read_now(lambda c: list_captured(c, limit=2, before=ids[2]))

    assert [one.queue_id for one in page] == [ids[1], ids[0]]


async def test_a_tenant_sees_its_own_mail(queue: Queue) -> None:
    """Nothing of others."""
    queue.database.write_now(lambda c: add_tenant(c, "acme", now=now_ms()))
    await _capture(queue)

    assert queue.database.read_now(lambda c: list_captured(c, limit=5, tenant_name="acme")) == []


async def test_content_is_what_would_have_been_sent(queue: Queue) -> None:
    """What Pillarbox added, then the octets as received, in pieces."""
    octets = bytes(range(256)) * (CHUNK_OCTETS // 256 + 1)
    put = await _capture(queue, octets)

    pieces = queue.database.read_now(lambda c: list(read_content(c, put.queue_id)))

    assert len(pieces) == 3
    assert b"".join(pieces) == put.prefix + octets
    assert queue.database.read_now(lambda c: list(read_content(c, new_id()))) == []


async def test_one_message_is_shown_by_its_id(queue: Queue) -> None:
    """Other ids are refused in words."""
    put = await _capture(queue)

    assert (
        queue.database.read_now(lambda c: show_captured(c, put.queue_id)).queue_id == put.queue_id
    )
    with pytest.raises(DirectoryError, match="capture list"):
        queue.database.read_now(lambda c: show_captured(c, new_id()))
