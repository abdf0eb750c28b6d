"""What hangs in the gallery: a broken server, what the doctor is asked, what it must say first."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.gallery.certificates import HOST
from tests.gallery.server import PASSWORD, USER, Server


@dataclass(frozen=True)
class Ask:
    """What the doctor is given beside the target."""

    username: str = ""
    password: str = ""
    token: str = ""
    mechanism: str = ""
    sender: str = ""
    recipient: str = ""
    send: bool = False


NOTHING = Ask()
LOGIN = Ask(USER, PASSWORD)
SENDING = Ask(USER, PASSWORD, sender=USER)


@dataclass(frozen=True)
class Domain:
    """A domain that is asked about. `records` are by name and kind, with a "|" between several;
    `policy` is that of MTA-STS, `mx` the server at port 25 of mx.DOMAIN."""

    name: str
    records: Mapping[str, str] = field(default_factory=dict)
    selector: str = ""
    address: str = ""
    server: str = ""
    policy: str = ""
    mx: Server | None = None
    ehlo_name: str = ""
    lists: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    """Names that are signed rightly; "." makes it a resolver that validates."""
    bogus: tuple[str, ...] = ()
    document: str = ""
    """The host that autoconfig names."""
    server_at: str = ""
    """Where a server for sending really is; the certificate has this name."""
    blocked: bool = False
    """Whether packets to port 25 are dropped."""


@dataclass(frozen=True)
class Letter:
    """A message. `records` are by name and kind as those of a Domain; `sender` is that of the
    envelope, `address` where it comes from."""

    octets: bytes
    records: Mapping[str, str] = field(default_factory=dict)
    sender: str = ""
    address: str = ""
    is_bulk: bool = False
    broken: tuple[str, ...] = ()
    """Names that the DNS fails for."""


@dataclass(frozen=True)
class Exhibit:
    """`first` is the id that must come first; "" for a clean one. `dead` are addresses at which
    nobody listens; `target` "" is the host."""

    name: str
    first: str
    ports: Mapping[int, Server] = field(default_factory=dict)
    target: str = HOST
    ask: Ask = NOTHING
    dead: tuple[str, ...] = ()
    silent: tuple[int, ...] = ()
    """Ports that drop what comes, as a firewall does."""
    has_address: bool = True
    seconds: float = 8.0
    vouching: str = ""
    """Which store alone has the root: "system" or "mozilla"; "": they are not compared."""
    ciphers: bool = False
    domain: Domain | None = None
    letter: Letter | None = None

    @property
    def host(self) -> str:
        """The host of the target."""
        return self.target.partition("://")[2].rpartition(":")[0] or self.target.partition(":")[0]


def one(
    name: str, first: str, port: int = 587, /, *, ask: Ask = NOTHING, **server: object
) -> Exhibit:
    """An exhibit of one server at one port, which is asked for."""
    made = Server(**server)  # type: ignore[arg-type] # each is a field of Server
    return Exhibit(name, first, {port: made}, f"{HOST}:{port}", ask)
