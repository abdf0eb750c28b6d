"""The blocking client: for programs without an event loop, safe for any number of threads."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeAlias

from pillarbox.client.blocking import BlockingWire, connect
from pillarbox.client.blocking_secrets import BlockingSecrets
from pillarbox.client.errors import ClientError, LoginError
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


class Client:
    """Sends messages by one server. Made by `pillarbox.connect`; the first message connects.

    Any number of threads may use it at the same time. `with` closes it at the end.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._server = setup.server
        self._secrets = BlockingSecrets(setup.auth)
        self._lock = threading.Lock()
        self._finding = threading.Lock()
        self._book: Book[_Link] = Book(setup.pool)
        self._pace = Pace(setup.pool.rate)
        self._closed = threading.Event()

    def send(
        self,
        message: Sendable,
        *,
        sender: str | None = None,
        recipients: Sequence[str] | str | None = None,
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
        sending = Sending(outgoing, self._found())
        is_paced = False
        while sending.pending:
            try:
                with self._link() as link:
                    if not is_paced:
                        # It may have become stale meanwhile.
                        link.is_reused |= self._keep_pace()
                        is_paced = True
                    link.wire.run(sending.run(link.session, is_reused=link.is_reused))
            except ClientError as exc:
                sending.give_up(exc)
        return sending.finish()

    def check(self) -> str:
        """Connect, encrypt and log in, and send nothing: gives version and cipher of TLS. Raises
        ClientError."""
        with self._link() as link:
            return link.session.core.tls

    def close(self) -> None:
        """Say good-bye on all connections that nobody uses; those in use are closed by who uses
        them. Nothing can be sent any more."""
        self._closed.set()
        with self._lock:
            idle, waiting = self._book.empty()
        for waiter in waiting:
            waiter.hand(None)
        for link in idle:
            self._drop(link)

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

    @contextmanager
    def _link(self) -> Iterator[_Link]:
        """A connection with an open session, for as long as it is needed."""
        link = self._take_turn().connection
        is_kept = False
        try:
            link = self._usable(link)
            yield link
            is_kept = link.may_be_kept(self._setup.pool)
        finally:
            if link is not None and not is_kept:
                link.wire.leave(link.session)
            self._give(link if is_kept else None)

    def _give(self, link: _Link | None) -> None:
        with self._lock:
            is_open = not self._closed.is_set()
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
        waiter = _Waiter()
        with self._lock:
            if self._closed.is_set():
                raise closed_error()
            turn, old = self._book.take(time.monotonic())
            if turn is None:
                self._book.wait(waiter)
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
        if self._closed.is_set():
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
        with self._lock:
            seconds = self._pace.reserve(time.monotonic())
        if self._closed.wait(seconds):
            raise closed_error()
        return seconds > 0

    def _usable(self, link: _Link | None) -> _Link:
        """The kept connection, where it still stands, or a new one. Raises ClientError."""
        if link is not None:
            if link.is_fresh(self._setup.pool) and link.wire.run(link.session.peek()):
                link.is_reused = True
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
            wire = BlockingWire(connect(server.host, server.port, seconds=setup.timeouts.connect))
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
