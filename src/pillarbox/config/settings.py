"""What a process needs to start, as frozen values with good defaults.

Everything that changes while the service runs (tenants, accounts, routes) lives in the store, not
here. Names of numbers end in their unit; every limit of the service stands in `Limits`.
"""

import base64
import binascii
import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    model_validator,
)

from pillarbox.config.database_url import checked_url
from pillarbox.config.section import Section
from pillarbox.config.servers import DnsServer, Network, TimeServer, ip_text
from pillarbox.config.tls_reports import TlsReports
from pillarbox.errors import AddressError
from pillarbox.mail.address import domain_key
from pillarbox.route import TlsMode

MASTER_KEY_OCTETS = 32
"""AES-256 takes a key of this size."""

MOST_WORKERS = 64

ANY_ADDRESS = "*"
"""As a listener's address: all addresses of this host, IPv6 and IPv4."""


def expand(path: Path, base: Path) -> Path:
    """A relative path is relative to `base`; `~` and `~user` are homes. Raises ValueError."""
    try:
        return (base / path.expanduser()).absolute()
    except RuntimeError:
        raise ValueError(f"{path}: there is no user of this name, or no home folder") from None


def _resolve(path: Path, info: ValidationInfo) -> Path:
    """A path of the configuration is relative to the folder of its file."""
    base: Path = (info.context or {}).get("base", Path())
    return expand(path, base)


def _listen_address(text: str) -> str:
    """An IP address to listen on, or `*`."""
    return text if text == ANY_ADDRESS else ip_text(text)


def _host_name(text: str) -> str:
    """Check the name that this host gives in greetings (RFC 5321 4.1.1.1)."""
    try:
        domain_key(text)
    except AddressError:
        raise ValueError(f"{text!r} is no host name") from None
    return text


def _master_keys(value: object) -> tuple[bytes, ...]:
    """Decode the keys from base64, blank separated; with none nothing can be sealed."""
    if isinstance(value, tuple):
        return value
    return tuple(_master_key(text) for text in str(value).split())


def _master_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("is no base64") from None
    if len(key) != MASTER_KEY_OCTETS:
        raise ValueError(f"is {len(key)} octets long, not {MASTER_KEY_OCTETS}")
    return key


def _workers(value: object) -> object:
    """`auto` is the number of processors that the service may use."""
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS) if value == "auto" else value


ResolvedPath = Annotated[Path, AfterValidator(_resolve)]
Count = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Listener(Section):
    """One port that takes submissions, or what comes back (`purpose` is `returns`, port 25).

    `tls` is `starttls` (587), `tls` (from the first octet, 465) or `none`, where nobody can log
    in: AUTH is never possible before TLS. `network_login` lets accounts with a network credential
    send without AUTH. `name` stands in logs and sessions; default: the address and port.
    """

    address: Annotated[str, AfterValidator(_listen_address)] = ANY_ADDRESS
    port: Port
    tls: TlsMode = TlsMode.STARTTLS
    network_login: bool = False
    purpose: Literal["submission", "returns"] = "submission"
    name: str = ""

    @property
    def takes_returns(self) -> bool:
        """Whether it takes reports about mail that was sent, and nothing else."""
        return self.purpose == "returns"

    @model_validator(mode="before")
    @classmethod
    def _give_name(cls, data: object) -> object:
        if isinstance(data, dict) and not data.get("name"):
            host = str(data.get("address", ANY_ADDRESS))
            return {**data, "name": f"{f'[{host}]' if ':' in host else host}:{data.get('port')}"}
        return data

    @model_validator(mode="after")
    def _someone_can_send(self) -> Self:
        if self.takes_returns:
            if self.network_login or self.tls is TlsMode.TLS:
                raise ValueError(
                    "mail servers bring what comes back: they begin without TLS, nobody logs in"
                )
        elif self.tls is TlsMode.NONE and not self.network_login:
            raise ValueError("nobody can send on a listener without TLS and without network_login")
        return self


class Tls(Section):
    """The certificate of this host: PEM files, the certificate with its chain."""

    certificate: ResolvedPath = Path()
    key: ResolvedPath = Path()


class Limits(Section):
    """What one client, one message and one process may use."""

    sessions: Count = 10_000
    """Open sessions of one worker; one more is told 421 4.7.0."""
    sessions_per_address: Count = 200
    """Open sessions from one IPv4 address or one IPv6 /64."""
    transactions_per_session: Count = 10_000
    errors_per_session: Count = 20
    """Wrong commands before the session ends (421 4.7.0)."""
    idle_commands_per_session: Count = 100
    """Commands that lead nowhere (NOOP, RSET, EHLO …) since the last message, before the session
    ends (421 4.7.0)."""
    handshakes_per_address: Count = 300
    """TLS handshakes from one address in a minute that no login follows; one more is told
    421 4.7.0, or cut off where TLS begins with the first octet."""
    message_octets: Annotated[int, Field(ge=65_536, le=2_147_483_648)] = 52_428_800
    header_octets: Annotated[int, Field(ge=16_384, le=16_777_216)] = 262_144
    """Octets of the header block of a message."""
    recipients: Annotated[int, Field(ge=100)] = 1000
    """Per message; RFC 5321 4.5.3.1.8 asks for at least 100."""
    received_fields: Count = 100
    """A message with more Received fields runs in a loop (RFC 5321 6.3: at least 100)."""
    command_timeout_seconds: Seconds = 300
    """For a whole command, and for all that comes before a login. RFC 5321 4.5.3.2.7: at least
    five minutes."""
    data_timeout_seconds: Seconds = 180
    """Silence in the middle of content (RFC 5321 4.5.3.2.5: three minutes)."""
    data_octets_per_second: Count = 100
    """Content that comes more slowly uses up `data_timeout_seconds`."""
    handshake_timeout_seconds: Seconds = 30
    tls_silence_seconds: Seconds = 8
    """A client that says nothing for so long on a port with TLS from the first octet waits for a
    greeting in plain text and is told. A lost ClientHello is sent again after 1, 3 and 7 seconds
    (RFC 6298), so this must be longer."""
    wrong_port_wait_seconds: Annotated[float, Field(ge=0, le=10)] = 0.5
    """So long the greeting of a STARTTLS port waits for a ClientHello, for addresses alone that
    spoke TLS there from the first octet before; 0: never."""
    wrong_port_memory_seconds: Seconds = 3600
    """For how long such an address is remembered."""
    login_failures_per_address: Count = 20
    """Failed logins inside the window before an address is told 421 4.7.0."""
    login_failures_per_account: Count = 10
    """Failed logins for one account inside the window: from one address, and from all addresses
    together that never logged in to it."""
    login_failure_window_seconds: Seconds = 600
    login_cache_seconds: Seconds = 60
    """For how long verified credentials are remembered under a keyed hash."""
    unknown_recipients_percent: Annotated[int, Field(ge=1, le=100)] = 20
    """An account is held when more of its recipients are unknown to their servers (5.1.1), once
    these are 20 within ten minutes; 100: never."""
    content_memory_octets: Annotated[int, Field(ge=4_194_304)] = 67_108_864
    """Content in memory, of all sessions together."""


def _host_pattern(text: str) -> str:
    """Check the name of an MX host, or a pattern like *.example.org."""
    return "*." * text.startswith("*.") + _host_name(text.removeprefix("*."))


HostPattern: TypeAlias = Annotated[str, AfterValidator(_host_pattern)]


class ReceiverLimits(Section):
    """What MX hosts with these names take, in place of what is known (delivery.receivers)."""

    mx: Annotated[tuple[HostPattern, ...], Field(min_length=1)]
    connections: Count | None = None
    messages_per_connection: Count | None = None
    messages_per_minute: Count | None = None


class Delivery(Section):
    """How long a next hop may take (RFC 5321 4.5.3.2), how much is tried at once, and who we are
    to it."""

    helo_name: Annotated[str, AfterValidator(lambda text: _host_name(text) if text else "")] = ""
    """What next hops are told in EHLO; default: host_name. Where mail goes to MX hosts it has to be
    the name that the DNS gives for this host's public address (PTR)."""
    mx_private_networks: tuple[Network, ...] = ()
    """MX hosts in these networks may be connected to, like "10.1.0.0/16"; else none that is not
    public."""

    receivers: tuple[ReceiverLimits, ...] = ()
    """The first whose names fit counts."""

    connect_timeout_seconds: Seconds = 30
    handshake_timeout_seconds: Seconds = 30
    greeting_timeout_seconds: Seconds = 300
    command_timeout_seconds: Seconds = 300
    """EHLO, AUTH, MAIL and RCPT."""
    data_timeout_seconds: Seconds = 120
    """The reply to DATA."""
    block_timeout_seconds: Seconds = 180
    """One block of content is taken."""
    end_timeout_seconds: Seconds = 600
    """The reply to the end of the content."""
    quit_timeout_seconds: Seconds = 5
    idle_seconds: Seconds = 5
    """For how long a connection without mail stays open for the next message."""
    connections: Count = 500
    """Open connections of one worker to all next hops together."""
    ready_messages_per_lane: Count = 1000
    """Messages of one lane in memory; the rest waits in the store."""


class Metrics(Section):
    """Where /metrics and /readyz are served; `address = ""` switches both off."""

    address: Annotated[str, AfterValidator(lambda text: ip_text(text) if text else "")] = (
        "127.0.0.1"
    )
    port: Port = 9587


class Publishing(Section):
    """Where the settings for clients are served over HTTPS; `address = ""`: nowhere.

    `certificate` and `key` are those of `[tls]` unless they are given. Without `tls` a web server
    in front does it, so the address must be one of this host alone.
    """

    address: Annotated[str, AfterValidator(lambda text: _listen_address(text) if text else "")] = ""
    port: Port = 443
    tls: bool = True
    certificate: ResolvedPath | None = None
    key: ResolvedPath | None = None

    @property
    def name(self) -> str:
        """What the socket is called, beside those of the listeners."""
        return "publishing"

    @model_validator(mode="after")
    def _nothing_in_clear(self) -> Self:
        is_near = self.address not in ("", ANY_ADDRESS) and ip_address(self.address).is_loopback
        if self.address and not self.tls and not is_near:
            raise ValueError("without TLS the address must be one of this host, like 127.0.0.1")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: give both or none")
        return self


class Log(Section):
    """What is logged. `auto` is `console` on a terminal and `json` elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class SelfCheck(Section):
    """What `doctor --self` looks at beside the service itself. Whatever is named here is asked
    once a day."""

    daily: bool = True
    """Look once a day, and log what is new."""
    public_address: Annotated[str, AfterValidator(lambda text: ip_text(text) if text else "")] = ""
    """The address that mail leaves from, where this host is behind NAT; "": this host's own, where
    that is public and mail goes to MX hosts."""
    block_lists: tuple[Annotated[str, AfterValidator(_host_name)], ...] = ()
    """Block lists to be asked about that address, like "zen.spamhaus.org"."""
    time_servers: tuple[TimeServer, ...] = ()
    """NTP servers with which the clock is compared, like "ntp.corp.com"."""


DEFAULT_LISTENERS = (
    Listener(port=587, tls=TlsMode.STARTTLS, name="submission"),
    Listener(port=465, tls=TlsMode.TLS, name="submissions"),
)


def _distinct(listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """No port and no name is used twice."""
    if not listeners:
        raise ValueError("no listener: nothing could be submitted")
    ends = [(listener.address, listener.port) for listener in listeners if listener.port]
    for address, port in ends:
        if ends.count((address, port)) > 1:
            raise ValueError(f"{address} port {port} is used twice")
    names = [listener.name for listener in listeners]
    for listener in listeners:
        if listener.port and names.count(listener.name) > 1:
            raise ValueError(f"the name {listener.name!r} is used twice")
    return listeners


class Settings(Section):
    """The whole configuration; read it with `config.load`."""

    data_directory: ResolvedPath = Field(default=Path("data"), validate_default=True)
    database_url: Annotated[str, AfterValidator(checked_url)] = Field(repr=False)
    """`load` sets it to a SQLite database in the data directory unless it is given."""
    master_key: Annotated[tuple[bytes, ...], BeforeValidator(_master_keys)] = Field(
        default=(), repr=False
    )
    """Seals secrets at rest: 32 octets, in base64. Of several the first one seals, all open."""
    host_name: Annotated[str, AfterValidator(_host_name)] = Field(
        default_factory=lambda: os.uname().nodename
    )
    listeners: Annotated[tuple[Listener, ...], AfterValidator(_distinct)] = DEFAULT_LISTENERS
    dns_servers: tuple[DnsServer, ...] = ()
    """Whom to ask instead of the DNS servers of this machine: address and port."""
    domain_proof: Literal["administrator", "dns"] = "administrator"
    """What makes a domain a tenant's that `domain add` names: the word of whoever types it, or a
    record in DNS."""
    tls: Tls = Tls()
    limits: Limits = Limits()
    delivery: Delivery = Delivery()
    tls_reports: TlsReports = TlsReports()
    metrics: Metrics = Metrics()
    publishing: Publishing = Publishing()
    log: Log = Log()
    self_check: SelfCheck = SelfCheck()
    user: str = ""
    """Whom to become when started as root; "": stay."""
    group: str = ""
    """Default: the user's own group."""
    workers: Annotated[int, BeforeValidator(_workers), Field(ge=1, le=MOST_WORKERS)] = 1
    """Worker processes; `auto`: one for each processor that the service may use."""
    scram_sha_256: bool = False
    """Offer SCRAM-SHA-256 as soon as all passwords have a verifier, and make these."""
    trace_days: Count = 30
    """For how long attempts of finished messages and failed sessions can be looked up."""
    disk_reserve_octets: Annotated[int, Field(ge=0)] = 268_435_456
    """Below this much free space on the disk new mail is refused (452 4.3.1)."""
    drain_seconds: Seconds = 30
    """After SIGTERM: for how long running attempts may go on."""

    @property
    def ports(self) -> "tuple[Listener | Publishing, ...]":
        """All that is bound before root is given up."""
        return (*self.listeners, self.publishing) if self.publishing.address else self.listeners
