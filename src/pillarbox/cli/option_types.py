"""Values that options take beside those of click: a limit or none, a moment, host and port."""

import re
from dataclasses import dataclass

import click

from pillarbox.cli.times import FIRST_YEAR, LAST_YEAR, parse_moment
from pillarbox.mail.envelope import Timestamp
from pillarbox.route import Counted
from pillarbox.sources import WARM_UP, Source, read_address

MOST = 2**31 - 1
"""The largest number that a column of every database holds."""
MOST_DAYS = 36_500
"""So that every moment that follows from them is in the calendar."""
MOST_LINES = 1_000_000
MOST_PORT = 65_535
MOST_WEIGHT = 1000

_NUMBER = re.compile(r"[0-9]{1,10}")


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
        if _NUMBER.fullmatch(value) is None or not 1 <= int(value) <= MOST:
            self.fail(f"{value!r} is neither a number from 1 to {MOST} nor none", param, ctx)
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
            self.fail(
                f"{value!r} is no date: write 2027-12-31 or 2027-12-31T18:00, a year is from"
                f" {FIRST_YEAR} to {LAST_YEAR}",
                param,
                ctx,
            )


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
        is_port = _NUMBER.fullmatch(port) is not None and 1 <= int(port) <= MOST_PORT
        if not host or not is_well_formed or not (is_port or port == ""):
            self.fail(
                f"{value!r} is no host and port: write relay.example:587, a port is from 1 to"
                f" {MOST_PORT}",
                param,
                ctx,
            )
        return HostPort(host, int(port) if port else None)


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """So much, or with None any amount, in so many seconds."""

    counted: Counted
    amount: int | None
    seconds: int


_WINDOW = re.compile(
    r"(?P<amount>[1-9][0-9]{0,11}|none) ?(?P<unit>messages?|requests?|recipients?|octets?|[kMG]B)"
    r" in (?P<time>[1-9][0-9]{0,5}) ?(?P<scale>s|min|h|d)"
)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_OCTETS = {"kB": 10**3, "MB": 10**6, "GB": 10**9}


class WindowType(click.ParamType[WindowLimit]):
    """`10000 requests in 10 min`, `150 MB in 5 min`; `none requests in 10 min` for no limit."""

    name = "window"

    def convert(
        self, value: str | WindowLimit, param: click.Parameter | None, ctx: click.Context | None
    ) -> WindowLimit:
        """Read the text."""
        if isinstance(value, WindowLimit):
            return value
        found = _WINDOW.fullmatch(value.strip())
        if found is None:
            self.fail(
                f"{value!r} is no limit in a time: write a number or none, of messages, requests,"
                " recipients, octets, kB, MB or GB, and the time in s, min, h or d:"
                ' "150 MB in 5 min"',
                param,
                ctx,
            )
        unit, amount = found["unit"], found["amount"]
        counted = Counted.OCTETS if unit in _OCTETS else Counted(unit.removesuffix("s") + "s")
        return WindowLimit(
            counted,
            None if amount == "none" else int(amount) * _OCTETS.get(unit, 1),
            int(found["time"]) * _SECONDS[found["scale"]],
        )


class SourceType(click.ParamType["Source | None"]):
    """`192.0.2.1`, `192.0.2.1=3`, `2001:db8::1=2`; `none`: no address."""

    name = "address[=weight]"

    def convert(
        self, value: "str | Source", param: click.Parameter | None, ctx: click.Context | None
    ) -> "Source | None":
        """Read the text."""
        if isinstance(value, Source) or value == "none":
            return value if isinstance(value, Source) else None
        address, _, weight = value.partition("=")
        try:
            found = Source(read_address(address), int(weight or "1"))
        except ValueError:
            found = Source("", 0)
        if not 1 <= found.weight <= MOST_WEIGHT:
            self.fail(
                f"{value!r} is no address with a weight: write 192.0.2.1=3, or 2001:db8::1",
                param,
                ctx,
            )
        return found


class WarmUpType(click.ParamType[tuple[int, ...]]):
    """`50,100,200`: messages on each day; `default` for a ready table, `none` for no limit."""

    name = "number,…|default|none"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """Read the text."""
        if isinstance(value, tuple):
            return value
        if value in ("default", "none"):
            return WARM_UP if value == "default" else ()
        words = value.split(",")
        if not all(_NUMBER.fullmatch(word) and 1 <= int(word) <= MOST for word in words):
            self.fail(
                f"{value!r} is no schedule: write messages for each day, like 50,100,200",
                param,
                ctx,
            )
        return tuple(map(int, words))


SOURCE = SourceType()
WARM_UP_TABLE = WarmUpType()
LIMIT = LimitType()
COUNT = click.IntRange(1, MOST)
DAYS = click.IntRange(max=MOST_DAYS)
LINES = click.IntRange(1, MOST_LINES)
SECONDS = click.IntRange(max=MOST)
MOMENT = MomentType()
HOST_PORT = HostPortType()
WINDOW = WindowType()
