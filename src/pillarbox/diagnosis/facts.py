"""What the doctor saw: one attempt for each address, port and way of encryption. Values only."""

from dataclasses import dataclass
from enum import StrEnum

from pillarbox.explain.failures import Failure
from pillarbox.publish.client_settings import Encryption


class Stage(StrEnum):
    """The steps of a session, in the order of STARTTLS; with TLS from the first octet the
    handshake comes before the banner."""

    TCP = "tcp"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"


@dataclass(frozen=True, slots=True)
class Step:
    """How one stage ended. `detail` says what was seen or what went wrong."""

    stage: Stage
    is_ok: bool
    milliseconds: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One session at one address and port, in one way of encryption, as far as it came."""

    address: str
    port: int
    encryption: Encryption
    steps: tuple[Step, ...]
    failure: Failure | None = None
    mechanisms: tuple[str, ...] = ()
    before_tls: tuple[str, ...] = ()

    @property
    def works(self) -> bool:
        """Whether a session opened under TLS with a valid certificate."""
        return self.failure is None

    @property
    def is_open(self) -> bool:
        """Whether the port took the connection."""
        return bool(self.steps) and self.steps[0].is_ok

    def has(self, stage: Stage) -> Step | None:
        """The step of a stage, None where it was not reached."""
        return next((step for step in self.steps if step.stage is stage), None)


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked about. `port` and `encryption` None leave it open; then all usual ones are
    tried all the same, to tell a wrong one from a broken one."""

    text: str
    host: str
    port: int | None = None
    encryption: Encryption | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was seen of a target. `lookup_failure` is why the name has no address."""

    target: Target
    addresses: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    lookup_failure: Failure | None = None
