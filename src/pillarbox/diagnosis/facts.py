"""What the doctor saw: one attempt for each address, port and way of encryption, and what further
sessions gave. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pillarbox.diagnosis.domain_facts import DomainFacts
from pillarbox.diagnosis.hello import Hello
from pillarbox.diagnosis.message_facts import MessageFacts
from pillarbox.diagnosis.service_facts import ServiceFacts
from pillarbox.diagnosis.target import Target
from pillarbox.explain.failures import Failure
from pillarbox.mail.reply import Reply
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
    """How one stage ended. `detail` says what was seen or what went wrong, `heard` is what the
    server said in it in the clear or under TLS, as far as it is kept."""

    stage: Stage
    is_ok: bool
    milliseconds: int
    detail: str = ""
    heard: bytes = b""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One session at one address and port, in one way of encryption, as far as it came.

    `began_at` is in seconds since 1970, 0 where it is not known.
    """

    address: str
    port: int
    encryption: Encryption
    steps: tuple[Step, ...]
    failure: Failure | None = None
    mechanisms: tuple[str, ...] = ()
    before_tls: tuple[str, ...] = ()
    began_at: float = 0.0

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

    def heard(self, stage: Stage) -> bytes:
        """What the server said in a stage."""
        step = self.has(stage)
        return step.heard if step else b""

    @property
    def last_heard(self) -> bytes:
        """What the server said in the stage that ended the attempt."""
        return self.steps[-1].heard if self.steps else b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered in a further session. `evidence` is it octet by octet, without
    secrets."""

    reply: Reply
    evidence: str


@dataclass(frozen=True, slots=True)
class LoginTry:
    """The one try to log in. `mechanism` "" and `offered`: none was in common. `broke` says why a
    dialogue came to no end."""

    port: int
    offered: tuple[str, ...]
    mechanism: str = ""
    answer: Answer | None = None
    broke: str = ""
    is_by_token: bool = False


@dataclass(frozen=True, slots=True)
class SenderTry:
    """A sender and a recipient that were offered and then taken back. `foreign` is the answer to a
    sender elsewhere, `oversize` the one to a SIZE above the limit that was announced; `mark` is the
    id that the test message carries, "" where none was sent."""

    port: int
    sender: str
    answer: Answer
    recipient: str = ""
    recipient_answer: Answer | None = None
    foreign_sender: str = ""
    foreign: Answer | None = None
    size_limit: int = 0
    oversize: Answer | None = None
    message: Answer | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class RelayTry:
    """A recipient elsewhere, offered without a login. `is_near`: server and client are in the
    same private network, or on one machine."""

    port: int
    answer: Answer
    is_near: bool


@dataclass(frozen=True, slots=True)
class InjectionTry:
    """What was answered under TLS to a command that stood in the clear behind STARTTLS."""

    port: int
    evidence: str


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a port answered to hellos, by what each offered (doctor.tls_probe); one that is missing
    was not answered. `chain` are the certificates in DER, the server's own first."""

    port: int
    encryption: Encryption
    hellos: Mapping[str, Hello]
    chain: tuple[bytes, ...] = ()
    system_trusts: bool | None = None
    mozilla_trusts: bool | None = None


@dataclass(frozen=True, slots=True)
class SuiteFacts:
    """All suites that a port takes by version, and all groups of the newest, as the server chose
    them; `is_servers_order`: it chooses by its own order, not by the client's. `clients`: which
    old ones it would serve. None: not known."""

    port: int
    versions: Mapping[str, tuple[int, ...]]
    is_servers_order: bool | None
    groups: tuple[int, ...]
    clients: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A token of OAuth2 as it can be read without its issuer. Times are in seconds since 1970, 0
    where they are not said. `malformed` says why it is none."""

    malformed: str = ""
    is_opaque: bool = False
    audience: str = ""
    owner: str = ""
    permissions: tuple[str, ...] = ()
    begins_at: int = 0
    ends_at: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was seen of a target. `lookup_failure` is why the name has no address; `now` is the
    time of the look in seconds since 1970; `clear_client` is the program whose settings have no
    encryption; `times` is how often each stage was measured: then its time is the median; `known`
    are findings that are not told again, by id and place."""

    target: Target
    addresses: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    lookup_failure: Failure | None = None
    now: float = 0.0
    username: str = ""
    token: TokenFacts | None = None
    login: LoginTry | None = None
    sender: SenderTry | None = None
    relays: tuple[RelayTry, ...] = ()
    injections: tuple[InjectionTry, ...] = ()
    tls: tuple[TlsFacts, ...] = ()
    suites: tuple[SuiteFacts, ...] = ()
    times: int = 1
    domain: DomainFacts | None = None
    clear_client: str = ""
    service: ServiceFacts | None = None
    message: MessageFacts | None = None
    known: frozenset[tuple[str, str]] = frozenset()
