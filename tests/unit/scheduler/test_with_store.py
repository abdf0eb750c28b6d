"""The scheduler over a real database and real sockets: mail comes to its end and leaves a trace."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy import select
from tests.support.queueing import make_tenant
from tests.support.simulation import SimulatedDirectory
from tests.support.smtp_peer import Peer, Server, serve
from tests.support.storing import make_message, new_id, now_ms, open_database

from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.delivery.usage import fills
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.net.tls import ClientContexts
from pillarbox.retry import RetryPolicy
from pillarbox.route import (
    DAY_SECONDS,
    Counted,
    HopCaps,
    NextHop,
    Route,
    SmartHost,
    TlsMode,
    Window,
    hop_key,
)
from pillarbox.scheduler.scheduler import Scheduler
from pillarbox.scheduler.settings import SchedulerMeans, SchedulerSettings, SchedulerStores
from pillarbox.store import queue, schema
from pillarbox.store.database import Database
from pillarbox.store.hop_orders import HopOrders
from pillarbox.store.lanes import Lanes
from pillarbox.store.spool import Spool
from pillarbox.store.suspensions import Suspensions

PATIENCE_SECONDS = 60


class Worker:
    """A scheduler with all that is real around it."""

    def __init__(self, database: Database, hop: NextHop, *, caps: HopCaps, owner: str) -> None:
        self.database = database
        self.spool = Spool(database)
        self.lane = self.spool.lane(hop_key(hop))
        retry = RetryPolicy(first_seconds=1, give_up_seconds=3600)
        self.directory = SimulatedDirectory(make_tenant(Route(1, "", "", hop, caps), retry=retry))
        couriers = Couriers(SessionSettings("me.test", ClientContexts(), Timeouts(quit=2)))
        self.scheduler = Scheduler(
            SchedulerSettings("me.test", owner, ready_messages=20, idle_seconds=1),
            SchedulerStores(
                self.spool,
                Lanes(database),
                self.directory,
                lambda: database.trouble,
                Suspensions(database),
                HopOrders(database),
            ),
            SchedulerMeans(couriers.courier_for, new_id),
        )

    async def submit(self, *addresses: str) -> SpooledMessage:
        """Accept a message."""
        message = make_message(*addresses, lanes=[self.lane])
        await self.spool.put(message)
        self.scheduler.offer(message)
        return message

    async def states(self) -> Counter[str]:
        """How many recipients are in which state."""
        found = await self.database.read(
            lambda c: list(c.scalars(select(schema.recipient.c.state)))
        )
        return Counter(found)

    async def until(self, condition: Callable[[Counter[str]], bool]) -> Counter[str]:
        """Wait until the states are as wanted."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            # The database has no event to wait on.
            while not condition(states := await self.states()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return states

    async def attempts(self, message: SpooledMessage) -> int:
        """How often a message was tried."""
        query = select(schema.attempt).where(schema.attempt.c.message_id == message.queue_id)
        return await self.database.read(lambda c: len(c.execute(query).all()))

    async def until_tried(self, message: SpooledMessage, *, times: int) -> None:
        """Wait until a message was tried so often."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.attempts(message) < times:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(
    database: Database, server: Server, *, caps: HopCaps | None = None, owner: str = "me"
) -> AsyncIterator[Worker]:
    """A worker whose mail goes to the server."""
    hop = SmartHost("127.0.0.1", server.port, TlsMode.NONE)
    worker = Worker(database, hop, caps=caps or HopCaps(), owner=owner)
    task = asyncio.create_task(worker.scheduler.run())
    await asyncio.sleep(0)
    try:
        yield worker
    finally:
        await worker.scheduler.drain(5)
        await task


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with all tables."""
    database = open_database(database_url)
    yield database
    await database.close()


async def take_all(peer: Peer) -> None:
    """A next hop that takes everything but mail for `no…`."""
    await _take(peer, is_busy=lambda: False)


async def busy(peer: Peer) -> None:
    """A next hop that takes reports only; all else is to come later."""
    await _take(peer, is_busy=lambda: True)


async def _take(peer: Peer, *, is_busy: Callable[[], bool]) -> None:
    await peer.greet("PIPELINING", "DSN")
    recipients = 0
    while command := await peer.line():
        match command[:4]:
            case "RCPT" if ":<no" in command:
                peer.send("550 5.1.1 No such user")
            case "RCPT" if is_busy() and ":<alice" not in command:
                peer.send("450 4.2.1 later")
            case "RCPT":
                recipients += 1
                peer.send("250 ok")
            case "DATA" if recipients:
                recipients = 0
                peer.send("354 go")
                await peer.content()
                peer.send("250 2.0.0 taken")
            case "DATA":
                peer.send("554 no valid recipients")
            case "QUIT":
                peer.send("221 bye")
                return
            case _:
                peer.send("250 ok")


async def test_mail_is_delivered_and_traced(database: Database) -> None:
    """More than fits into memory: each message once, content gone, an attempt for each."""
    async with serve(take_all) as server, running(database, server) as worker:
        for _ in range(150):
            await worker.submit()
        await worker.until(lambda states: states == {"delivered": 150})
        contents = sum(len(peer.contents) for peer in server.peers)
        attempts = await database.read(lambda c: len(c.execute(select(schema.attempt)).all()))
        kept = await database.read(lambda c: len(c.execute(select(schema.content)).all()))
    assert (contents, attempts, kept) == (150, 150, 0)


async def test_refusal_comes_back_as_a_report(database: Database) -> None:
    """The DSN is recorded with the failure, in one transaction, and then delivered."""
    async with serve(take_all) as server, running(database, server) as worker:
        message = await worker.submit("no@far.example")
        await worker.until(lambda states: states == {"failed": 1, "delivered": 1})
        (report,) = [content for peer in server.peers for content in peer.contents]
    assert b"Content-Type: multipart/report" in report
    assert b"Final-Recipient: rfc822;no@far.example" in report
    assert b"To: <alice@here.example>" in report
    assert "MAIL FROM:<>" in " ".join(server.commands)
    assert message.envelope.reverse_path is not None


async def test_deferred_mail_is_tried_again(database: Database) -> None:
    """The next attempt is loaded from the store when its time has come."""

    async with serve(busy, take_all) as server, running(database, server) as worker:
        await worker.submit()
        await worker.until(lambda states: states == {"delivered": 1})


async def test_mail_waits_for_the_next_worker(database: Database) -> None:
    """What a worker leaves behind is found by the next one."""
    async with serve(take_all) as server:
        async with running(database, server, owner="first") as worker:
            message = make_message(lanes=[worker.lane])
            await worker.spool.put(message)
            lanes = Lanes(database)
            assert await lanes.claim(hop_key(worker_hop(server)), owner="first", lease_ms=1000)
        async with running(database, server, owner="second") as worker:
            await worker.until(lambda states: states == {"delivered": 1})


def worker_hop(server: Server) -> SmartHost:
    """The next hop of the workers."""
    return SmartHost("127.0.0.1", server.port, TlsMode.NONE)


async def test_recipients_of_24_hours_are_counted_across_workers(database: Database) -> None:
    """The cap holds exactly, also after a restart; the rest waits."""
    caps = HopCaps(windows=(Window(Counted.RECIPIENTS, 5, DAY_SECONDS),))
    async with serve(take_all) as server:
        async with running(database, server, caps=caps, owner="first") as worker:
            for _ in range(3):
                await worker.submit()
            await worker.until(lambda states: states["delivered"] == 3)
        async with running(database, server, caps=caps, owner="second") as worker:
            await worker.submit("a@far.example", "b@far.example", "c@far.example")
            await worker.until(lambda states: states["delivered"] == 5)
        states = await worker.states()
        saved = await Lanes(database).usage(worker.lane)
    (fill,) = fills(saved.record.text, 0.0)
    assert fill.used == 5
    assert states == {"delivered": 5, "queued": 1}


async def test_bounced_mail_goes_back(database: Database) -> None:
    """A person bounces mail that is deferred; the running worker carries it out."""

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(busy))
        worker = await stack.enter_async_context(running(database, server))
        message = await worker.submit()
        await worker.until(lambda states: states == {"deferred": 1})
        selection = queue.Selection(queue_ids=[message.queue_id])
        await database.write(lambda c: queue.bounce(c, selection, now=now_ms()))
        await worker.until(lambda states: states["failed"] == 1 and states["delivered"] == 1)


async def test_held_mail_stays(database: Database) -> None:
    """Held while it waits for its next attempt: others are tried again, it is not; when it is
    released it goes."""
    hop_is_busy = [True]

    async def moody(peer: Peer) -> None:
        await _take(peer, is_busy=lambda: hop_is_busy[0])

    async with serve(moody) as server, running(database, server) as worker:
        message = await worker.submit()
        await worker.until(lambda states: states == {"deferred": 1})
        selection = queue.Selection(queue_ids=[message.queue_id])
        await database.write(lambda c: queue.hold(c, selection))
        other = await worker.submit()
        await worker.until_tried(other, times=2)
        assert await worker.states() == {"held": 1, "deferred": 1}
        hop_is_busy[0] = False
        await database.write(lambda c: queue.release(c, selection, now=now_ms()))
        await worker.until_tried(message, times=2)
