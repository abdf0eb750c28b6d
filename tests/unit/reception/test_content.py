"""Content on its way in: what stays in memory, what goes to the store, and when reading waits."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.support.reception import MESSAGE, Client, Site

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.spooled import CHUNK_OCTETS, INLINE_OCTETS
from pillarbox.reception.content import IncomingContent, MemoryBudget

HEADER = b"From: u1@t1.test\r\nSubject: x\r\n\r\n"
MIB = 1 << 20


class Store:
    """A store that answers when it is told to."""

    def __init__(self) -> None:
        self.chunks: dict[tuple[int, int], bytes] = {}
        self.discarded: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def store_chunk(self, queue_id: int, number: int, octets: bytes) -> None:
        """Wait until the store is open."""
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.chunks[queue_id, number] = octets

    async def discard_chunks(self, queue_id: int) -> None:
        """Note what was thrown away."""
        self.discarded.append(queue_id)

    def content(self, queue_id: int) -> bytes:
        """All chunks of a message."""
        return b"".join(octets for key, octets in sorted(self.chunks.items()) if key[0] == queue_id)


class Bench:
    """Contents over one store and one budget."""

    def __init__(self, limit_octets: int = 64 * MIB, head_limit: int = CHUNK_OCTETS) -> None:
        self.store = Store()
        self.budget = MemoryBudget(limit_octets)
        self.tasks: set[asyncio.Task[None]] = set()
        self._head_limit = head_limit

    def content(self, queue_id: int = 1) -> IncomingContent:
        """One more content."""
        return IncomingContent(
            queue_id,
            self.store,
            budget=self.budget,
            head_limit=self._head_limit,
            spawn=self._spawn,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while self.tasks:
            await asyncio.wait(self.tasks)


async def test_small_content_stays_in_memory() -> None:
    """Up to the limit nothing is stored before the message."""
    bench = Bench()
    content = bench.content()
    content.take(HEADER)
    content.take(b"x" * (INLINE_OCTETS - len(HEADER)))
    content.finish()

    assert content.is_ready
    inline, beginning = content.inline(), content.beginning()
    assert inline is not None
    assert beginning is not None
    assert inline.startswith(beginning)
    assert beginning.startswith(HEADER)
    assert content.size == bench.budget.in_use == INLINE_OCTETS
    assert content.chunks == 0
    content.release()
    assert bench.budget.in_use == 0


async def test_large_content_goes_to_the_store() -> None:
    """In chunks of at most their size, in order, with the header block at hand."""
    bench = Bench()
    content = bench.content()
    blocks = [HEADER, *(bytes([n]) * 100_000 for n in range(30))]
    for block in blocks:
        content.take(block)
        while content.is_blocked:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    content.finish()
    await bench.settle()

    assert content.is_ready
    assert content.inline() is None
    assert bench.store.content(1) == b"".join(blocks)
    assert content.chunks == len(bench.store.chunks)
    assert max(map(len, bench.store.chunks.values())) <= CHUNK_OCTETS
    assert content.beginning() == HEADER
    content.release()
    assert (bench.budget.in_use, bench.budget.heads_in_use) == (0, 0)


async def test_reading_waits_for_a_slow_store() -> None:
    """What is more than may stay in memory goes to the store, and meanwhile no more is read."""
    bench = Bench()
    changes: list[bool] = []
    content = bench.content()
    content.on_change = lambda: changes.append(content.is_blocked)
    bench.store.open.clear()

    content.take(HEADER + b"x" * (INLINE_OCTETS - len(HEADER)))
    await asyncio.sleep(0)
    assert not content.is_blocked
    content.take(b"x")
    await asyncio.sleep(0)
    assert content.is_blocked
    bench.store.open.set()
    await bench.settle()

    assert changes[-1] is False
    assert not content.is_blocked


async def test_used_up_budget_sends_content_to_the_store() -> None:
    """Who holds memory gives it back, also if nothing comes for him; meanwhile nobody reads."""
    bench = Bench(limit_octets=1000)
    idle, busy = bench.content(1), bench.content(2)
    idle.take(HEADER + b"x" * 500)
    bench.store.open.clear()
    busy.take(HEADER + b"y" * 500)
    await asyncio.sleep(0)

    assert idle.is_blocked
    assert busy.is_blocked
    bench.store.open.set()
    await bench.settle()

    assert bench.budget.in_use == 0
    assert not idle.is_blocked
    assert bench.store.content(1) == HEADER + b"x" * 500
    idle.take(b"end")
    idle.finish()
    await bench.settle()
    assert idle.is_ready
    assert bench.store.content(1) == HEADER + b"x" * 500 + b"end"


async def test_room_again_wakes_those_who_wait() -> None:
    """Reading goes on everywhere once a part of the budget is free."""
    bench = Bench(limit_octets=1000)
    first, second = bench.content(1), bench.content(2)
    woken: list[int] = []
    second.on_change = lambda: woken.append(2)
    first.take(HEADER)
    second.take(b"x" * 2000)
    await bench.settle()

    assert woken
    assert not second.is_blocked


async def test_failure_of_the_store_is_kept() -> None:
    """The content fails, gives its memory back and leaves nothing."""
    bench = Bench()
    content = bench.content()
    bench.store.failure = SpoolUnavailable(SpoolTrouble.FULL, "no room")
    content.take(HEADER + b"x" * INLINE_OCTETS)
    content.take(b"x")
    await bench.settle()
    content.take(b"x" * CHUNK_OCTETS)
    content.finish()
    await bench.settle()

    assert content.is_ready
    assert content.failure is bench.store.failure
    assert bench.budget.in_use == 0
    assert bench.store.discarded == [1]


async def test_unknown_failure_of_the_store_is_one_too() -> None:
    """Whatever goes wrong, the client is told to come again."""
    bench = Bench()
    content = bench.content()
    bench.store.failure = RuntimeError("no")
    content.take(HEADER + b"x" * INLINE_OCTETS)
    content.finish()
    await bench.settle()

    assert content.failure is not None
    assert content.failure.trouble is SpoolTrouble.AWAY


@pytest.mark.parametrize("is_slow", [False, True])
async def test_discarded_content_leaves_nothing(is_slow: bool) -> None:
    """Chunks are removed, also one that is just being stored."""
    bench = Bench()
    content = bench.content()
    if is_slow:
        bench.store.open.clear()
    content.take(HEADER + b"x" * INLINE_OCTETS)
    await asyncio.sleep(0)
    if not is_slow:
        await bench.settle()
    content.discard()
    content.discard()
    bench.store.open.set()
    await bench.settle()

    assert bench.store.discarded == [1]
    assert (bench.budget.in_use, bench.budget.heads_in_use) == (0, 0)


async def test_header_without_end_is_not_kept() -> None:
    """A header block beyond the limit is known as such, and costs no memory."""
    bench = Bench(head_limit=CHUNK_OCTETS)
    content = bench.content()
    content.take(b"X: y\r\n" * (INLINE_OCTETS // 3))
    content.finish()
    await bench.settle()

    assert content.is_ready
    assert content.failure is None
    assert content.beginning() is None
    assert bench.budget.heads_in_use == 0


async def test_no_more_is_looked_at_than_a_header_may_have() -> None:
    """A long message in memory costs no more than a header block of the largest size."""
    bench = Bench(head_limit=1000)
    content = bench.content()
    content.take(b"X: y\r\n" * 200 + b"\r\n")
    content.finish()

    beginning = content.beginning()

    assert beginning is not None
    assert 1000 < len(beginning) < 1010


async def test_header_over_several_chunks_is_kept() -> None:
    """Where the configuration allows large headers."""
    bench = Bench(head_limit=4 * CHUNK_OCTETS)
    header = b"X: y\r\n" * (CHUNK_OCTETS // 3)
    content = bench.content()
    content.take(header + b"\r\nbody\r\n" + b"z" * INLINE_OCTETS)
    content.finish()
    await bench.settle()

    assert content.beginning() == header + b"\r\n"


async def test_headers_beside_stored_content_are_bounded() -> None:
    """Many large headers at once are refused for now."""
    bench = Bench(limit_octets=MIB, head_limit=MIB)
    header = b"X: y\r\n" * (CHUNK_OCTETS // 6) + b"\r\n"
    contents = [bench.content(number) for number in range(5)]
    for content in contents:
        content.take(header + b"z" * INLINE_OCTETS)
        await bench.settle()

    assert [content.failure is None for content in contents].count(True) < 3
    assert bench.budget.heads_in_use <= MIB // 4
    for content in contents:
        content.discard()
    assert bench.budget.heads_in_use == 0


async def test_large_message_over_a_real_connection(site: Site, logged_in: Client) -> None:
    """Five megabytes arrive as they were sent, and no memory stays behind."""
    body = b"".join(b"%06d " % n + b"x" * 70 + b"\r\n" for n in range(65_000))

    reply = await logged_in.message(HEADER + body)

    assert reply.startswith("250 2.0.0 ")
    [message] = site.accepted
    assert message.chunks > 15
    assert message.content is None
    assert await site.content(message) == HEADER + body
    assert site.services.budget.in_use == site.services.budget.heads_in_use == 0
    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")


async def test_client_waits_for_a_slow_store(
    site: Site, logged_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store does not answer, no more is read than what may stay in memory, and what one
    read gives."""
    is_open, store_chunk = asyncio.Event(), site.spool.store_chunk

    async def slow(queue_id: int, number: int, octets: bytes) -> None:
        await is_open.wait()
        await store_chunk(queue_id, number, octets)

    monkeypatch.setattr(site.spool, "store_chunk", slow)
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    logged_in.send(HEADER + b"0123456789\r\n" * MIB + b".\r\n")
    [connection] = site.reception._registry._members
    transport = connection._transport  # type: ignore[attr-defined]  # a Connection
    async with asyncio.timeout(10):
        while transport.is_reading():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)

    assert site.services.budget.in_use < INLINE_OCTETS + 2 * CHUNK_OCTETS
    is_open.set()
    assert (await logged_in.reply()).startswith("250 2.0.0 ")
    assert site.accepted[0].chunks > 40


async def test_many_large_messages_with_little_memory(site: Site, logged_in: Client) -> None:
    """Together they are larger than the budget, and all get through."""
    site.services.budget._limit = 300_000
    site.services.budget._room_again = 200_000
    clients = [logged_in]
    for _ in range(7):
        client = await Client.connect(site.ports["submissions"], site.client_context())
        await client.reply()
        await client.command("EHLO c")
        await client.login("u1@t1.test", site.password)
        clients.append(client)

    replies = await asyncio.gather(
        *(client.message(HEADER + b"%d\r\n" % n * 200_000) for n, client in enumerate(clients))
    )

    assert all(reply.startswith("250 2.0.0 ") for reply in replies)
    for message in site.accepted:
        content = await site.content(message)
        number = content[len(HEADER) :].split(b"\r\n", 1)[0]
        assert content == HEADER + (number + b"\r\n") * 200_000
    assert site.services.budget.in_use == 0
    for client in clients[1:]:
        await client.close()


async def test_large_message_that_breaks_off_leaves_nothing(site: Site, logged_in: Client) -> None:
    """Chunks of a client that hung up are removed from the store."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    logged_in.send(HEADER + b"x" * 78 + b"\r\n" * MIB)
    await logged_in.writer.drain()
    await logged_in.close()
    await site.open_sessions(0)
    async with asyncio.timeout(10):
        while site.services.budget.in_use:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)

    await site.database.write(lambda _: None)
    await site.database.write(lambda _: None)
    rows = await site.database.read(
        lambda c: c.exec_driver_sql("SELECT count(*) FROM content").scalar()
    )
    assert rows == 0


async def test_large_message_with_a_forged_author_leaves_nothing(
    site: Site, logged_in: Client
) -> None:
    """The refusal at the end removes what was stored on the way."""
    content = HEADER.replace(b"u1@", b"boss@") + b"x" * 78 + b"\r\n" * MIB

    assert (await logged_in.message(content)).startswith("550 5.7.60 ")
    await logged_in.command("NOOP")
    await site.database.write(lambda _: None)
    rows = await site.database.read(
        lambda c: c.exec_driver_sql("SELECT count(*) FROM content").scalar()
    )
    assert rows == 0


async def test_too_large_header_is_refused(site: Site, logged_in: Client) -> None:
    """552 5.3.4 for a header block beyond the limit, small or large as the content may be."""
    for size in (50_000, 200_000):
        reply = await logged_in.message(b"X: y\r\n" * size)
        assert reply.startswith("552 5.3.4 ")
    assert site.accepted == []
