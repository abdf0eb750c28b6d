"""The options that say where a route goes and what the next hop allows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

import click

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.option_types import (
    COUNT,
    HOST_PORT,
    LIMIT,
    SOURCE,
    WINDOW,
    HostPort,
    Limit,
    WindowLimit,
)
from pillarbox.cli.person import ask_person
from pillarbox.cli.secret_input import read_secret
from pillarbox.cli.sign_in_options import SIGN_IN_OPTIONS, SignInOptions
from pillarbox.errors import ConfigError
from pillarbox.oauth.sign_in import Access
from pillarbox.route import (
    DAY_SECONDS,
    MINUTE_SECONDS,
    Capture,
    Counted,
    HopCaps,
    Microsoft365,
    MxHosts,
    NextHop,
    Reject,
    SmartHost,
    TlsMode,
)
from pillarbox.sources import Source

Command = TypeVar("Command", bound=Callable[..., None])

_KINDS = "--smarthost, --microsoft365, --mx, --capture and --reject"
_SUBMISSION_PORT = 587
_IMPLICIT_TLS_PORT = 465

_OPTIONS = (
    click.option("--smarthost", type=HOST_PORT, metavar="HOST:PORT", help="Hand mail to it."),
    click.option("--mx", is_flag=True, help="Hand mail to the MX hosts of each recipient."),
    click.option(
        "--mx-port", type=click.IntRange(1, 65_535), help="Their port, for tests; default: 25."
    ),
    click.option(
        "--source",
        "sources",
        type=SOURCE,
        multiple=True,
        metavar="ADDRESS[=WEIGHT]",
        help="With --mx: an address that mail comes from (see: pillarbox source); none: as usual.",
    ),
    click.option("--capture", is_flag=True, help="Keep the mail here to be looked at."),
    click.option("--reject", metavar="TEXT", help="Refuse the mail; the sender reads TEXT."),
    click.option(
        "--tls",
        type=click.Choice([mode.value for mode in TlsMode]),
        help="To the smart host; default: tls on port 465, else starttls.",
    ),
    click.option(
        "--verify/--no-verify", default=None, help="Check its certificate; default: check."
    ),
    click.option("--ca-file", metavar="FILE", help="Further roots to trust for it (PEM)."),
    click.option("--user", metavar="NAME", help='Log in to the smart host; "" for no login.'),
    click.option(
        "--password-file", metavar="FILE", help="Its password; - for standard input; else asked."
    ),
    click.option(
        "--return-path/--no-return-path",
        default=None,
        help="Give the smart host the return path of the sender's domain; default: do not.",
    ),
    *SIGN_IN_OPTIONS,
    click.option("--connections", type=COUNT, help="To the next hop at once."),
    click.option("--per-connection", type=COUNT, help="Messages in one connection."),
    click.option("--per-minute", type=LIMIT, metavar="NUMBER|none", help="Messages in any minute."),
    click.option("--per-day", type=LIMIT, metavar="NUMBER|none", help="Recipients in any 24 h."),
    click.option(
        "--window",
        "windows",
        type=WINDOW,
        multiple=True,
        metavar='"NUMBER|none WHAT in TIME"',
        help='Any other limit: "10000 requests in 10 min", "150 MB in 5 min", "none MB in 5 min".',
    ),
)


def route_options(function: Command) -> Command:
    """Add these options to a command; RouteOptions.of reads them."""
    for option in reversed(_OPTIONS):
        option(function)
    return function


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """The options as they were given; None: not given."""

    smarthost: HostPort | None
    mx: bool
    mx_port: int | None
    sources: tuple[Source | None, ...]
    capture: bool
    reject: str | None
    tls: str | None
    verify: bool | None
    ca_file: str | None
    user: str | None
    password_file: str | None
    return_path: bool | None
    connections: int | None
    per_connection: int | None
    per_minute: Limit | None
    per_day: Limit | None
    windows: tuple[WindowLimit, ...]
    sign_in: SignInOptions

    @classmethod
    def of(cls, ctx: click.Context) -> Self:
        """The options of a command that has `route_options`. Raises UsageError."""
        names = [name for name in cls.__dataclass_fields__ if name != "sign_in"]
        given = {name: ctx.params[name] for name in names}
        options = cls(**given, sign_in=SignInOptions.of(ctx))
        options._check()
        return options

    def _check(self) -> None:
        sign_in = self.sign_in
        is_microsoft = sign_in.is_about_microsoft
        is_mx = self.mx or self.mx_port is not None
        kept = [self.capture, self.reject is not None]
        if sum([self.smarthost is not None, is_microsoft, is_mx, *kept]) > 1:
            raise click.UsageError(f"say one of {_KINDS}; not options of several")
        if is_mx and (self._is_about_smart_host(except_ca_file=True) or sign_in.is_given):
            raise click.UsageError("encryption follows from the domain with --mx; nobody logs in")
        if any(kept) and (self._is_about_smart_host() or sign_in.is_given):
            raise click.UsageError("TLS and login belong to --smarthost or --microsoft365")
        if any(kept) and self.has_limits:
            raise click.UsageError("limits belong to --smarthost or --microsoft365")
        if is_microsoft and self._is_about_smart_host(except_ca_file=True):
            raise click.UsageError("--microsoft365 has STARTTLS, a certificate and a token always")
        if self.password_file is not None and (self.user == "" or sign_in.is_given):
            raise click.UsageError("a password needs --user, and has no OAuth2 beside it")

    def next_hops(self, before: Sequence[NextHop]) -> tuple[NextHop, ...]:
        """The next hops that are asked for; what is not given stays as it was `before`. Only
        Microsoft 365 can have several.

        Asks for the password where one is needed. Raises UsageError, Failure, ConfigError.
        """
        if self.capture:
            return (Capture(),)
        if self.reject is not None:
            return (Reject(self.reject),)
        old = before[0] if before else None
        if self.mx or (isinstance(old, MxHosts) and self.smarthost is None):
            if not self.sign_in.is_given:
                return (self._mx(old if isinstance(old, MxHosts) else MxHosts()),)
            old = None
        if self.mx_port is not None or self.sources:
            raise click.UsageError("--mx-port and --source belong to --mx")
        if self.sign_in.microsoft365 is not None or isinstance(old, Microsoft365):
            if self.smarthost is None:
                return self._microsoft365([hop for hop in before if isinstance(hop, Microsoft365)])
            old = None
        if not isinstance(old, SmartHost) and self.smarthost is None:
            if old is None:
                raise click.UsageError(f"say one of {_KINDS}")
            if self._is_about_smart_host() or self.sign_in.is_given:
                raise click.UsageError("TLS and login belong to --smarthost or --microsoft365")
            return tuple(before)
        return (self._smart_host(old if isinstance(old, SmartHost) else None),)

    def _mx(self, hop: MxHosts) -> MxHosts:
        if self._is_about_smart_host(except_ca_file=True):
            raise click.UsageError("encryption follows from the domain with --mx; nobody logs in")
        if self.mx_port is not None:
            hop = replace(hop, port=self.mx_port)
        if self.sources:
            hop = replace(hop, sources=tuple(each for each in self.sources if each is not None))
        if self.ca_file is not None:
            hop = replace(hop, ca_file=_roots(self.ca_file) or "")
        return hop

    def _microsoft365(self, before: list[Microsoft365]) -> tuple[NextHop, ...]:
        if self.sign_in.is_about_others or self._is_about_smart_host(except_ca_file=True):
            raise click.UsageError("these options belong to --smarthost")
        return self.sign_in.mailboxes(before, _roots(self.ca_file))

    def refresh_token(self, hop: NextHop) -> str:
        """What a person grants, who is asked for it now; "" where none is wanted. Raises Failure,
        ConfigError."""
        if isinstance(hop, Microsoft365) and self.sign_in.asks_a_person:
            return ask_person(hop.access, hop.name)
        return self.sign_in.refresh_token()

    @property
    def has_limits(self) -> bool:
        """Whether it is said what the next hop allows."""
        given = (self.connections, self.per_connection, self.per_minute, self.per_day)
        return bool(self.windows) or any(value is not None for value in given)

    def caps(self, before: HopCaps) -> HopCaps:
        """What the next hop allows; what is not given stays."""
        caps = before
        if self.connections is not None:
            caps = replace(caps, connections=self.connections)
        if self.per_connection is not None:
            caps = replace(caps, messages_per_connection=self.per_connection)
        if self.per_minute is not None:
            caps = caps.limited(Counted.MESSAGES, MINUTE_SECONDS, self.per_minute.value)
        if self.per_day is not None:
            caps = caps.limited(Counted.RECIPIENTS, DAY_SECONDS, self.per_day.value)
        for window in self.windows:
            caps = caps.limited(window.counted, window.seconds, window.amount)
        return caps

    def _is_about_smart_host(self, *, except_ca_file: bool = False) -> bool:
        given = [self.tls, self.verify, self.user, self.password_file, self.return_path]
        if not except_ca_file:
            given.append(self.ca_file)
        return any(value is not None for value in given)

    def _smart_host(self, before: SmartHost | None) -> SmartHost:
        hop = before or SmartHost("", _SUBMISSION_PORT, TlsMode.STARTTLS)
        if self.smarthost is not None:
            port = self.smarthost.port or _SUBMISSION_PORT
            usual = TlsMode.TLS if port == _IMPLICIT_TLS_PORT else TlsMode.STARTTLS
            # Another host or port: its encryption follows from the port again.
            hop = replace(hop, host=self.smarthost.host, port=port, tls=usual)
        if self.tls is not None:
            hop = replace(hop, tls=TlsMode(self.tls))
        if self.verify is not None:
            hop = replace(hop, verify=self.verify)
        if self.ca_file is not None:
            hop = replace(hop, ca_file=_roots(self.ca_file) or "")
        if self.return_path is not None:
            hop = replace(hop, return_path=self.return_path)
        return self._with_login(hop)

    def _with_login(self, hop: SmartHost) -> SmartHost:
        """The smart host with the login that is asked for; a new user needs a new password."""
        username = hop.username if self.user is None else self.user
        if not username:
            if self.password_file is not None:
                raise click.UsageError("a password needs --user")
            return replace(hop, username="", password="", access=None)
        hop = replace(hop, access=self._access(hop, username))
        if hop.access is not None:
            return replace(hop, username=username, password="")
        if self.password_file is None and username == hop.username:
            return hop
        prompt = f"Password of {username} at {hop.host}"
        return replace(hop, username=username, password=read_secret(self.password_file, prompt))

    def _access(self, hop: SmartHost, username: str) -> Access | None:
        """With a password, or for another user, what was granted before is of no use."""
        is_kept = self.password_file is None and username == hop.username
        return self.sign_in.access(hop.access if is_kept else None, hop)


def _roots(file: str | None) -> str | None:
    """The path of a file with trusted roots, which the service finds wherever it runs. Raises
    Failure, OSError where there are none in it: all mail of the route would wait."""
    if not file:
        return file
    from pillarbox.net.tls import client_context

    path = Path(file).absolute()
    with path.open("rb"):
        pass
    try:
        client_context(verify=True, ca_file=str(path))
    except ConfigError as error:
        raise Failure(ExitCode.DATA, str(error)) from error
    return str(path)
