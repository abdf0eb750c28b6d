"""The blocking client: for programs without an event loop, safe for any number of threads."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from pillarbox.client.batch import AHEAD_MESSAGES, Batch, Item, check_messages
from pillarbox.client.blocking import BlockingWire, connect
from pillarbox.client.blocking_secrets import BlockingSecrets
from pillarbox.client.errors import ArgumentError, ClientError, LoginError
from pillarbox.client.forking import renew_after_fork
from pillarbox.client.links import (
    TOKEN_REFUSED,
    Link,
    closed_error,
    failure_to_connect,
    failure_to_open,
    pool_error,
)
from pillarbox.client.options import Dsn
from pillarbox.client.outgoing import Outgoing, Sendable, prepare
from pillarbox.client.pooling import Book, Pace, Turn
from pillarbox.client.results import SendResult
from pillarbox.client.sending import Sending
from pillarbox.client.server import Server
from pillarbox.client.setup import Setup
from pillarbox.client.verdicts import error_of

_Link: TypeAlias = Link[BlockingWire]

T = TypeVar("T")


class Client:
    """Sends messages by one server. Made by `pillarbox.connect`; the first message connects.

    Any number of threads may use it at the same time, and processes that are forked off, which
    connect by themselves. `with` closes it at the end.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._server = setup.server
        self._pace = Pace(setup.pool.rate)
        self._is_closed = False
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        """Without a connection, and with nobody who waits."""
        self._secrets = BlockingSecrets(self._setup.auth)
        self._lock = threading.Lock()
        self._finding = threading.Lock()
        self._book: Book[_Link] = Book(self._setup.pool)
        self._closed = threading.Event()

    def begin_anew(self) -> None:
        """In a process that was forked off: connections, and threads that held or waited for
        something, stayed with the other one."""
        idle, _ = self._book.empty()
        for link in idle:
            # Nothing is said: to the server there is one client, and that goes on.
            link.wire.close()
        self._begin()
        if self._is_closed:
            self._closed.set()

    def send(
        self,
        message: Sendable,
        *,
        sender: str | None = None,
        recipients: Iterable[str] | None = None,
        dsn: Dsn | None = None,
        require_tls: bool = False,
    ) -> SendResult:
        """Send one message. Bcc fields are used for the envelope and then left out.

        `sender` and `recipients` (addresses) default to the header fields; for a file both must be
        given. `require_tls`: by TLS alone all the way, or not at all (REQUIRETLS, RFC 8689); where
        the server does not offer it that is RequireTlsMissing. Raises a ClientError, whose
        `result` says what became of each recipient, where nobody was accepted.
        """
        outgoing = prepare(
            message, sender=sender, recipients=recipients, dsn=dsn, require_tls=require_tls
        )
        try:
            return self._send(outgoing)
        finally:
            outgoing.content.discard()

    def _send(self, outgoing: Outgoing) -> SendResult:
        sending = Sending(outgoing, self._server or self._found())
        is_paced = self._pace.is_free

        def use(link: _Link) -> None:
            nonlocal is_paced
            if not is_paced and self._keep_pace():
                link.reuse()
            is_paced = True
            steps = sending.run(link.session, is_reused=link.is_reused, was_idle=link.was_idle)
            link.wire.run(steps)

        while sending.pending:
            try:
                self._with_link(use)
            except ClientError as exc:
                sending.give_up(exc)
        return sending.finish()

    def send_all(
        self, messages: Iterable[Item], *, ahead: int = AHEAD_MESSAGES
    ) -> Iterator[SendResult]:
        """Send messages one after the other; gives the result of each, in their order.

        Where the server offers PIPELINING and CHUNKING, up to `ahead` small ones leave before the
        answers to those in front: as many may be unknown where the connection is cut. Nothing is
        raised for a message: see `error` of its result. Raises ArgumentError, DiscoveryError,
        ClientClosed.
        """
        check_messages(messages)
        if not isinstance(messages, Iterable):
            raise ArgumentError(
                "send_all() of this client takes no asynchronous iterable",
                fix="use connect_async(), or collect the messages in a list before",
            )
        return self._send_all(messages, Batch(ahead))

    def _send_all(self, messages: Iterable[Item], batch: Batch) -> Iterator[SendResult]:
        try:
            for message in messages:
                if self._is_closed:
                    yield from self._send_batch(batch)
                    raise closed_error()
                server = self._server or self._found()
                if (seconds := self._reserve()) > 0:
                    yield from self._send_batch(batch)
                    self._wait(seconds)
                try:
                    batch.add(message, server)
                except Exception:
                    # A file that can not be read keeps none of those in front back.
                    yield from self._send_batch(batch)
                    raise
                if batch.is_full:
                    yield from self._send_batch(batch)
            yield from self._send_batch(batch)
        finally:
            batch.discard()

    def _send_batch(self, batch: Batch) -> list[SendResult]:
        pool = self._setup.pool

        def use(link: _Link) -> None:
            steps = batch.run(
                link.session,
                is_reused=link.is_reused,
                was_idle=link.was_idle,
                left=link.left(pool),
            )
            link.wire.run(steps)

        while batch.pending:
            try:
                self._with_link(use)
            except ClientError as exc:
                batch.give_up(exc)
        return batch.results()

    def check(self) -> str:
        """Connect, encrypt and log in, and send nothing: gives version and cipher of TLS. Raises
        ClientError."""

        def use(link: _Link) -> str:
            return link.session.core.tls

        return self._with_link(use)

    def close(self) -> None:
        """Say good-bye on all connections that nobody uses; those in use are closed by who uses
        them. Nothing can be sent any more."""
        self._closed.set()
        with self._lock:
            self._is_closed = True
            idle, waiting = self._book.empty()
        for waiter in waiting:
            waiter.hand(None)
        until = time.monotonic() + self._setup.limits.farewell
        try:
            for link in idle:
                if time.monotonic() < until:
                    self._drop(link)
                else:
                    link.wire.leave(link.session)
        finally:
            # Who is cancelled, or interrupted, leaves none of them open.
            for link in idle:
                link.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- the pool -----------------------------------------------------------------------------

    def _with_link(self, use: Callable[[_Link], T]) -> T:
        """Use a connection with an open session, for as long as it is needed."""
        link = self._take_turn().connection
        is_kept = False
        try:
            link = self._usable(link)
            result = use(link)
            is_kept = link.rest(self._setup.pool)
            return result
        finally:
            if link is not None and not is_kept:
                link.wire.leave(link.session)
            self._give(link if is_kept else None)

    def _give(self, link: _Link | None) -> None:
        with self._lock:
            is_open = not self._is_closed
            self._book.give(link if is_open else None, time.monotonic())
        if link is not None and not is_open:
            self._drop(link)

    def _drop(self, link: _Link) -> None:
        """Say good-bye and close."""
        try:
            if link.session.core.is_ready:
                link.wire.run(link.session.quit())
        finally:
            link.wire.close()

    def _take_turn(self) -> Turn[_Link]:
        with self._lock:
            if self._is_closed:
                raise closed_error()
            turn, old = self._book.take(time.monotonic())
            if turn is None:
                self._book.wait(waiter := _Waiter())
        for link in old:
            link.wire.leave(link.session)
        return self._wait_for(waiter) if turn is None else turn

    def _wait_for(self, waiter: "_Waiter") -> Turn[_Link]:
        try:
            waiter.is_woken.wait(self._setup.pool.wait)
        except BaseException:
            if (turn := self._forgo(waiter)) is not None:
                self._give(turn.connection)
            raise
        if waiter.turn is not None:
            return waiter.turn
        if self._is_closed:
            raise closed_error()
        turn = self._forgo(waiter)
        if turn is None:
            raise pool_error()
        return turn

    def _forgo(self, waiter: "_Waiter") -> Turn[_Link] | None:
        """Wait no longer; gives the turn that came in this very moment."""
        with self._lock:
            return None if self._book.leave(waiter) else waiter.turn

    def _keep_pace(self) -> bool:
        """Wait until one more message may begin; whether that took time. Raises ClientClosed."""
        seconds = self._reserve()
        self._wait(seconds)
        return seconds > 0

    def _reserve(self) -> float:
        """One more message may begin in so many seconds."""
        if self._pace.is_free:
            return 0.0
        with self._lock:
            return self._pace.reserve(time.monotonic())

    def _wait(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise closed_error()

    def _usable(self, link: _Link | None) -> _Link:
        """The kept connection, where it still stands, or a new one. Raises ClientError."""
        if link is not None:
            if link.is_fresh(self._setup.pool) and link.session.hears(link.wire.peek()):
                link.reuse()
                return link
            link.wire.leave(link.session)
        return self._open()

    # -- a new connection ---------------------------------------------------------------------

    def _found(self) -> Server:
        with self._finding:
            if self._server is None:
                from pillarbox.client.finding import find_server

                self._server = find_server(self._setup)
            return self._server

    def _open(self) -> _Link:
        server = self._found()
        held = self._secrets.get()
        try:
            return self._open_with(server, held.value)
        except LoginError as exc:
            if exc.code != TOKEN_REFUSED or not held.may_be_renewed(time.monotonic()):
                raise
        return self._open_with(server, self._secrets.get(refused=held).value)

    def _open_with(self, server: Server, secret: str) -> _Link:
        setup = self._setup
        setup.manner(server)
        try:
            wire = BlockingWire(connect(server.host, server.port, seconds=setup.limits.connect))
        except (OSError, UnicodeError) as exc:
            raise error_of(failure_to_connect(exc), server) from exc
        try:
            session = setup.session(
                server, local=wire.local_address, peer=wire.peer_address, secret=secret
            )
            wire.run(session.open())
        except BaseException:
            wire.close()
            raise
        if session.core.is_ready:
            return Link(wire, session)
        wire.close()
        raise error_of(failure_to_open(session), server)


class _Waiter:
    """A thread that waits for a turn."""

    def __init__(self) -> None:
        self.turn: Turn[_Link] | None = None
        self.is_woken = threading.Event()

    def hand(self, turn: Turn[_Link] | None) -> None:
        """It is yours; None: the client was closed."""
        self.turn = turn
        self.is_woken.set()
