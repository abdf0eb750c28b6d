"""A connection with its session, and how long it is worth keeping."""

import time
import warnings
from typing import Generic, TypeVar

from pillarbox.client.errors import ArgumentError, ClientClosed, PoolTimeout
from pillarbox.client.options import Pool
from pillarbox.client.session import Session
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.connect import connect_failure

TOKEN_REFUSED = "token-refused"  # noqa: S105 - the code of an error

IDLE_SECONDS = 1.0
"""A session that was quiet for longer may have been closed by the server meanwhile."""

W = TypeVar("W")


class Link(Generic[W]):
    """A wire with its session."""

    def __init__(self, wire: W, session: Session) -> None:
        self.wire = wire
        self.session = session
        self.is_reused = self.was_idle = False
        self._opened_at = self._used_at = time.monotonic()

    def reuse(self) -> None:
        """It is used again: it may have become stale meanwhile."""
        self.is_reused = True
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            self.was_idle = True

    def is_fresh(self, pool: Pool) -> bool:
        """Whether it is not too old for one more message."""
        return time.monotonic() - self._opened_at < pool.age

    def left(self, pool: Pool) -> int:
        """So many messages it may be used for."""
        core = self.session.core
        # RFC 9422 section 4.1: MAILMAX.
        limit = core.capabilities.mails_max
        most = pool.messages if limit is None else min(limit, pool.messages)
        return most - core.transactions

    def rest(self, pool: Pool) -> bool:
        """Nobody uses it now; whether its session stands and is worth keeping."""
        self._used_at = now = time.monotonic()
        self.was_idle = False
        is_fresh = now - self._opened_at < pool.age
        return is_fresh and self.session.core.is_ready and self.left(pool) > 0


def closed_error() -> ClientClosed:
    """Nothing can be sent any more."""
    return ClientClosed("the client has been closed", fix="Make a new one with connect()")


def other_loop_error() -> ArgumentError:
    """Its connections belong to a loop that goes on."""
    return ArgumentError(
        "the client belongs to another event loop",
        fix="Make one in each event loop, or call it there: asyncio.run_coroutine_threadsafe()",
    )


def warn_of_the_left() -> None:
    """Its connections belong to a loop that was closed by hand: nobody can close them any more."""
    warnings.warn(
        "an event loop was closed and left connections of the client open (fix: run client.close() "
        "or loop.shutdown_asyncgens() before loop.close(), or use asyncio.run())",
        ResourceWarning,
        stacklevel=2,
    )


def pool_error() -> PoolTimeout:
    """Others had all connections for too long."""
    return PoolTimeout(
        "no connection of the pool became free in time",
        cause="All connections are busy with other messages.",
        fix="Allow more connections, or a longer wait: Pool(connections=…, wait=…)",
        is_transient=True,
    )


def failure_to_connect(exc: OSError | UnicodeError) -> Failure:
    """Why there is no connection."""
    if isinstance(exc, OSError):
        return connect_failure(exc)
    return Failure(FailureKind.NAME_NOT_FOUND)


def failure_to_open(session: Session) -> Failure:
    """Why a session did not open."""
    phase = session.core.phase
    return session.core.failure or Failure(FailureKind.CONNECTION_LOST, phase.value)
