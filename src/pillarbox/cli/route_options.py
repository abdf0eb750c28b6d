"""The options that say where a route goes and what the next hop allows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

import click

from pillarbox.cli.option_types import HOST_PORT, LIMIT, HostPort, Limit
from pillarbox.cli.secret_input import read_secret
from pillarbox.route import Capture, HopCaps, NextHop, Reject, SmartHost, TlsMode

Command = TypeVar("Command", bound=Callable[..., None])

_SUBMISSION_PORT = 587
_IMPLICIT_TLS_PORT = 465

_OPTIONS = (
    click.option("--smarthost", type=HOST_PORT, metavar="HOST:PORT", help="Hand mail to it."),
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
    click.option("--connections", type=click.IntRange(1), help="To the next hop at once."),
    click.option("--per-connection", type=click.IntRange(1), help="Messages in one connection."),
    click.option("--per-minute", type=LIMIT, metavar="NUMBER|none", help="Messages."),
    click.option("--per-day", type=LIMIT, metavar="NUMBER|none", help="Recipients, by UTC day."),
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
    capture: bool
    reject: str | None
    tls: str | None
    verify: bool | None
    ca_file: str | None
    user: str | None
    password_file: str | None
    connections: int | None
    per_connection: int | None
    per_minute: Limit | None
    per_day: Limit | None

    @classmethod
    def of(cls, ctx: click.Context) -> Self:
        """The options of a command that has `route_options`. Raises UsageError."""
        options = cls(**{name: ctx.params[name] for name in cls.__dataclass_fields__})
        kinds = [options.smarthost is not None, options.capture, options.reject is not None]
        if sum(kinds) > 1:
            raise click.UsageError("say one of --smarthost, --capture and --reject")
        if any(kinds[1:]) and options._is_about_smart_host():
            raise click.UsageError("TLS and login belong to --smarthost")
        if options.password_file is not None and options.user == "":
            raise click.UsageError("a password needs --user")
        return options

    def next_hop(self, before: NextHop | None) -> NextHop:
        """The next hop that is asked for; what is not given stays as it was `before`.

        Asks for the password where one is needed. Raises UsageError, Failure.
        """
        if self.capture:
            return Capture()
        if self.reject is not None:
            return Reject(self.reject)
        if not isinstance(before, SmartHost) and self.smarthost is None:
            if before is None:
                raise click.UsageError("say one of --smarthost, --capture and --reject")
            if self._is_about_smart_host():
                raise click.UsageError("TLS and login belong to --smarthost")
            return before
        return self._smart_host(before if isinstance(before, SmartHost) else None)

    def caps(self, before: HopCaps) -> HopCaps:
        """What the next hop allows; what is not given stays."""
        caps = before
        if self.connections is not None:
            caps = replace(caps, connections=self.connections)
        if self.per_connection is not None:
            caps = replace(caps, messages_per_connection=self.per_connection)
        if self.per_minute is not None:
            caps = replace(caps, messages_per_minute=self.per_minute.value)
        if self.per_day is not None:
            caps = replace(caps, recipients_per_day=self.per_day.value)
        return caps

    def _is_about_smart_host(self) -> bool:
        given = (self.tls, self.verify, self.ca_file, self.user, self.password_file)
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
            path = str(Path(self.ca_file).absolute()) if self.ca_file else ""
            hop = replace(hop, ca_file=path)
        return self._with_login(hop)

    def _with_login(self, hop: SmartHost) -> SmartHost:
        """The smart host with the login that is asked for; a new user needs a new password."""
        username = hop.username if self.user is None else self.user
        if not username:
            if self.password_file is not None:
                raise click.UsageError("a password needs --user")
            return replace(hop, username="", password="")
        if self.password_file is None and username == hop.username:
            return hop
        prompt = f"Password of {username} at {hop.host}"
        return replace(hop, username=username, password=read_secret(self.password_file, prompt))
