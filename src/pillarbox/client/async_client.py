"""The asynchronous client: for programs with an event loop, safe for any number of its tasks."""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from pillarbox.client.async_secrets import AsyncSecrets
from pillarbox.client.batch import AHEAD_MESSAGES, Batch, Item, check_messages, takes_time
from pillarbox.client.errors import ClientError, LoginError
from pillarbox.client.links import (
    TOKEN_REFUSED,
    Link,
    closed_error,
    failure_to_connect,
    failure_to_open,
    other_loop_error,
    pool_error,
    warn_of_the_left,
)
from pillarbox.client.looping import AsyncWire, connect
from pillarbox.client.options import Dsn
from pillarbox.client.outgoing import Outgoing, Sendable, prepare
from pillarbox.client.pooling import Book, Pace, Turn
from pillarbox.client.results import SendResult
from pillarbox.client.sending import Sending
from pillarbox.client.server import Server
from pillarbox.client.setup import Setup
from pillarbox.client.verdicts import error_of

_Link: TypeAlias = Link[AsyncWire]

T = TypeVar("T")


class AsyncClient:
    """Sends messages by one server. Made by `pillarbox.connect_async`; the first message connects.

    Any number of tasks of one event loop may use it at the same time, and tasks of another one when
    that is closed. `async with` closes it; where a program does not, its connections end with the
    event loop, as asyncio.run() ends one (loop.shutdown_asyncgens()).
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._server = setup.server
        self._pace = Pace(setup.pool.rate)
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin()

    def _begin(self) -> None:
        """Without a connection, and with nobody who waits."""
        self._secrets = AsyncSecrets(self._setup.auth)
        self._finding = asyncio.Lock()
        self._book: Book[_Link] = Book(self._setup.pool)

    def _enter(self) -> None:
        """Connections belong to the event loop that opened them, and end with it. Raises
        ArgumentError where that one goes on."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None:
            if not self._loop.is_closed():
                raise other_loop_error()
            if self._book.empty()[0]:
                warn_of_the_left()
            self._begin()
        self._loop = loop
        self._keeper = _keep_until_the_end(self._book)
        # It is begun without waiting: so the event loop knows it and ends it.
        with suppress(StopIteration):
            self._keeper.__anext__().__await__().send(None)

    async def send(
        self,
        message: Sendable,
        *,
        sender: str | None = None,
        recipients: Iterable[str] | None = None,
        dsn: Dsn | None = None,
        require_tls: bool = False,
    ) -> SendResult:
        """Send one message, as Client.send does."""
        if takes_time(message):
            outgoing = await asyncio.to_thread(
                prepare,
                message,
                sender=sender,
                recipients=recipients,
                dsn=dsn,
                require_tls=require_tls,
            )
        else:
            outgoing = prepare(
                message, sender=sender, recipients=recipients, dsn=dsn, require_tls=require_tls
            )
        try:
            return await self._send(outgoing)
        finally:
            outgoing.content.discard()

    async def _send(self, outgoing: Outgoing) -> SendResult:
        sending = Sending(outgoing, self._server or await self._found())
        is_paced = self._pace.is_free

        async def use(link: _Link) -> None:
            nonlocal is_paced
            if not is_paced and await self._keep_pace():
                link.reuse()
            is_paced = True
            steps = sending.run(link.session, is_reused=link.is_reused, was_idle=link.was_idle)
            await link.wire.run(steps)

        while sending.pending:
            try:
                await self._with_link(use)
            except ClientError as exc:
                sending.give_up(exc)
        return sending.finish()

    def send_all(
        self,
        messages: Iterable[Item] | AsyncIterable[Item],
        *,
        ahead: int = AHEAD_MESSAGES,
    ) -> AsyncIterator[SendResult]:
        """Send messages one after the other, as Client.send_all does; they may come out of an
        asynchronous iterable, too."""
        check_messages(messages)
        return self._send_all(messages, Batch(ahead))

    async def _send_all(
        self, messages: Iterable[Item] | AsyncIterable[Item], batch: Batch
    ) -> AsyncIterator[SendResult]:
        try:
            async for message in _each(messages):
                if self._is_closed:
                    for result in await self._send_batch(batch):
                        yield result
                    raise closed_error()
                server = self._server or await self._found()
                if (seconds := self._reserve()) > 0:
                    for result in await self._send_batch(batch):
                        yield result
                    await self._wait(seconds)
                try:
                    if takes_time(message):
                        await asyncio.to_thread(batch.add, message, server)
                    else:
                        batch.add(message, server)
                except Exception:
                    # A file that can not be read keeps none of those in front back.
                    for result in await self._send_batch(batch):
                        yield result
                    raise
                if batch.is_full:
                    for result in await self._send_batch(batch):
                        yield result
            for result in await self._send_batch(batch):
                yield result
        finally:
            batch.discard()

    async def _send_batch(self, batch: Batch) -> list[SendResult]:
        pool = self._setup.pool

        async def use(link: _Link) -> None:
            steps = batch.run(
                link.session,
                is_reused=link.is_reused,
                was_idle=link.was_idle,
                left=link.left(pool),
            )
            await link.wire.run(steps)

        while batch.pending:
            try:
                await self._with_link(use)
            except ClientError as exc:
                batch.give_up(exc)
        return batch.results()

    async def check(self) -> str:
        """Connect, encrypt and log in, and send nothing, as Client.check does."""

        async def use(link: _Link) -> str:
            return link.session.core.tls

        return await self._with_link(use)

    async def close(self) -> None:
        """Say good-bye on all connections that nobody uses; those in use are closed by who uses
        them. Nothing can be sent any more."""
        self._enter()
        self._is_closed = True
        idle, waiting = self._book.empty()
        for waiter in waiting:
            waiter.hand(None)
        until = time.monotonic() + self._setup.limits.farewell
        try:
            for link in idle:
                if time.monotonic() < until:
                    await self._drop(link)
                else:
                    link.wire.leave(link.session)
        finally:
            # Who is cancelled, or interrupted, leaves none of them open.
            for link in idle:
                link.wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # -- the pool -----------------------------------------------------------------------------

    async def _with_link(self, use: Callable[[_Link], Awaitable[T]]) -> T:
        """Use a connection with an open session, for as long as it is needed."""
        link = (await self._take_turn()).connection
        book = self._book
        is_kept = False
        try:
            link = await self._usable(link)
            result = await use(link)
            is_kept = link.rest(self._setup.pool)
            return result
        finally:
            self._give(book, link, is_kept=is_kept)

    def _give(self, book: Book[_Link], link: _Link | None, *, is_kept: bool = True) -> None:
        """End a turn. No await: who was cancelled must give it back all the same."""
        if link is not None and (self._is_closed or not is_kept):
            link.wire.leave(link.session)
            link = None
        book.give(link, time.monotonic())

    async def _take_turn(self) -> Turn[_Link]:
        self._enter()
        if self._is_closed:
            raise closed_error()
        turn, old = self._book.take(time.monotonic())
        for link in old:
            link.wire.leave(link.session)
        return await self._wait_for_turn() if turn is None else turn

    async def _wait_for_turn(self) -> Turn[_Link]:
        waiter, book = _Waiter(), self._book
        book.wait(waiter)
        try:
            async with asyncio.timeout(self._setup.pool.wait):
                turn = await waiter.turn
        except BaseException as exc:
            if not book.leave(waiter) and waiter.given is not None:
                self._give(book, waiter.given.connection)
            if isinstance(exc, TimeoutError):
                raise pool_error() from exc
            raise
        if turn is None:
            raise closed_error()
        return turn

    async def _keep_pace(self) -> bool:
        """Wait until one more message may begin; whether that took time. Raises ClientClosed."""
        seconds = self._reserve()
        await self._wait(seconds)
        return seconds > 0

    def _reserve(self) -> float:
        """One more message may begin in so many seconds."""
        return self._pace.reserve(time.monotonic())

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)
        if self._is_closed:
            raise closed_error()

    async def _usable(self, link: _Link | None) -> _Link:
        """The kept connection, where it still stands, or a new one. Raises ClientError."""
        if link is not None:
            if link.is_fresh(self._setup.pool) and link.session.hears(link.wire.peek()):
                link.reuse()
                return link
            link.wire.leave(link.session)
        return await self._open()

    async def _drop(self, link: _Link) -> None:
        """Say good-bye and close."""
        try:
            if link.session.core.is_ready:
                await link.wire.run(link.session.quit())
        finally:
            link.wire.close()

    # -- a new connection ---------------------------------------------------------------------

    async def _found(self) -> Server:
        self._enter()
        async with self._finding:
            if self._server is None:
                from pillarbox.client.finding import find_server_async

                self._server = await find_server_async(self._setup)
            return self._server

    async def _open(self) -> _Link:
        server = await self._found()
        held = await self._secrets.get()
        try:
            return await self._open_with(server, held.value)
        except LoginError as exc:
            if exc.code != TOKEN_REFUSED or not held.may_be_renewed(time.monotonic()):
                raise
        return await self._open_with(server, (await self._secrets.get(refused=held)).value)

    async def _open_with(self, server: Server, secret: str) -> _Link:
        setup = self._setup
        setup.manner(server)
        try:
            wire = await connect(server.host, server.port, seconds=setup.limits.connect)
        except (OSError, UnicodeError) as exc:
            raise error_of(failure_to_connect(exc), server) from exc
        try:
            session = setup.session(
                server, local=wire.local_address, peer=wire.peer_address, secret=secret
            )
            await wire.run(session.open())
        except BaseException:
            wire.close()
            raise
        if session.core.is_ready:
            return Link(wire, session)
        wire.close()
        raise error_of(failure_to_open(session), server)


async def _keep_until_the_end(book: Book[_Link]) -> AsyncGenerator[None, None]:
    """Say good-bye on all connections that nobody uses when the event loop ends, or nobody has the
    client any more. No await: neither waits for a server."""
    try:
        yield
    finally:
        for link in book.empty()[0]:
            link.wire.leave(link.session)


async def _each(messages: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(messages, AsyncIterable):
        async for message in messages:
            yield message
    else:
        for message in messages:
            yield message


class _Waiter:
    """A task that waits for a turn."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.turn: asyncio.Future[Turn[_Link] | None] = loop.create_future()
        self.given: Turn[_Link] | None = None

    def hand(self, turn: Turn[_Link] | None) -> None:
        """It is yours; None: the client was closed."""
        self.given = turn
        if not self.turn.done():
            self.turn.set_result(turn)
