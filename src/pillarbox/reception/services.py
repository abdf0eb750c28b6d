"""What every connection needs, as two values: the services of the process and its own door."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from pillarbox.config import Limits, Listener
from pillarbox.errors import SpoolTrouble
from pillarbox.mail.identifier import IdGenerator
from pillarbox.net.tls import ServerCertificate
from pillarbox.outcome.returns import ReturnDesk
from pillarbox.policy.authenticate import Authenticator
from pillarbox.policy.clock import Clock
from pillarbox.policy.networks import NetworkLogins
from pillarbox.policy.scram_logins import ScramLogins
from pillarbox.policy.sending_limits import SendingLimits
from pillarbox.policy.submission import Submission
from pillarbox.policy.token_logins import TokenLogins
from pillarbox.reception.content import ChunkStore, MemoryBudget
from pillarbox.reception.handshake_limits import HandshakeLimits
from pillarbox.reception.intake import Intake
from pillarbox.reception.sessions import SessionLog
from pillarbox.smtp.server import ServerSettings


class Health(Protocol):
    """What is asked of the database (store.database)."""

    @property
    def trouble(self) -> SpoolTrouble | None:
        """Why nothing new is taken now."""
        ...


@dataclass(slots=True)
class ReturnsRoom:
    """Counts the messages that come back in this moment, in all sessions of a process."""

    taken: int = 0


@dataclass(frozen=True, slots=True)
class Services:
    """The services that all connections of a process share. `scram` is None where it is off,
    `returns` where no listener takes what comes back."""

    limits: Limits
    rules: Submission
    sending: SendingLimits
    authenticator: Authenticator
    tokens: TokenLogins
    scram: ScramLogins | None
    networks: NetworkLogins
    handshakes: HandshakeLimits
    intake: Intake
    chunks: ChunkStore
    health: Health
    sessions: SessionLog
    budget: MemoryBudget
    ids: IdGenerator
    clock: Clock
    returns: ReturnDesk | None = None
    returns_room: ReturnsRoom = field(default_factory=ReturnsRoom)


@dataclass(frozen=True, slots=True)
class Door:
    """What the connections of one listener have in common.

    `certificate` is None on a listener without TLS. `spawn` runs a coroutine, which must not fail,
    in the task group of the listeners.
    """

    listener: Listener
    settings: ServerSettings
    certificate: ServerCertificate | None
    services: Services
    spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None] | None"]
