"""Values that options take beside those of click: a limit or none, a moment, host and port."""

from dataclasses import dataclass

import click

from pillarbox.cli.times import parse_moment
from pillarbox.mail.envelope import Timestamp


@dataclass(frozen=True, slots=True)
class Limit:
    """A number, or "none": no limit. An option that was not given is None instead."""

    value: int | None


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host name or IP literal (without brackets), and a port or None."""

    host: str
    port: int | None


class LimitType(click.ParamType[Limit]):
    """A positive number or the word `none`."""

    name = "number|none"

    def convert(
        self, value: str | Limit, param: click.Parameter | None, ctx: click.Context | None
    ) -> Limit:
        """Read the text."""
        if isinstance(value, Limit):
            return value
        if value.lower() == "none":
            return Limit(None)
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            self.fail(f"{value!r} is neither a number from 1 on nor none", param, ctx)
        return Limit(int(value))


class MomentType(click.ParamType[Timestamp]):
    """A date, or a date with time."""

    name = "date"

    def convert(
        self, value: str | Timestamp, param: click.Parameter | None, ctx: click.Context | None
    ) -> Timestamp:
        """Read the text."""
        if isinstance(value, int):
            return value
        try:
            return parse_moment(value)
        except ValueError:
            self.fail(f"{value!r} is no date: write 2027-12-31 or 2027-12-31T18:00", param, ctx)


class HostPortType(click.ParamType[HostPort]):
    """`relay.example:587`, `relay.example`, `192.0.2.1:25`, `[2001:db8::1]:25`."""

    name = "host:port"

    def convert(
        self, value: str | HostPort, param: click.Parameter | None, ctx: click.Context | None
    ) -> HostPort:
        """Read the text."""
        if isinstance(value, HostPort):
            return value
        if value.startswith("["):
            host, bracket, rest = value[1:].partition("]")
            port = rest.removeprefix(":")
            is_well_formed = bool(bracket) and bool(rest) == bool(port) == rest.startswith(":")
        else:
            host, colon, port = value.partition(":")
            is_well_formed = bool(colon) == bool(port)
        is_number = port.isascii() and port.isdigit()
        if not host or not is_well_formed or not (is_number or port == ""):
            self.fail(f"{value!r} is no host and port: write relay.example:587", param, ctx)
        return HostPort(host, int(port) if port else None)


LIMIT = LimitType()
MOMENT = MomentType()
HOST_PORT = HostPortType()
