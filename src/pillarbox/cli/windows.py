"""What a next hop allows in a time, how much of it is used, and when the next message goes."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from pillarbox.cli.output import Cell, Json
from pillarbox.cli.times import duration, for_people, for_programs
from pillarbox.delivery.usage import Fill, fills
from pillarbox.mail.envelope import Timestamp
from pillarbox.route import (
    DAY_SECONDS,
    MINUTE_SECONDS,
    Counted,
    Microsoft365,
    Route,
    Window,
    hop_key,
    lane_id,
)
from pillarbox.store.database import Database
from pillarbox.store.lanes import usages

_USUAL = {
    (Counted.MESSAGES, MINUTE_SECONDS): "messages a minute",
    (Counted.RECIPIENTS, DAY_SECONDS): "recipients in 24 h",
}


def read_fills(database: Database, hops: Collection[str]) -> dict[str, list[Fill]]:
    """How full the windows of these next hops are, as far as the store knows: its owner tells it
    every few seconds."""
    ids = {lane_id(hop): hop for hop in hops}
    found = database.read_now(lambda c: usages(c, list(ids)))
    return {
        ids[lane]: fills(saved.record.text, max(saved.age_ms, 0) / 1000)
        for lane, saved in found.items()
    }


def window_text(window: Window) -> str:
    """`30 messages a minute`, `150 MB in 5 min`."""
    usual = _USUAL.get((window.counted, window.seconds))
    if usual is not None:
        return f"{window.amount} {usual}"
    return f"{_amount(window, window.amount)} in {duration(window.seconds)}"


def _amount(window: Window, amount: int) -> str:
    if window.counted is Counted.OCTETS and window.amount % 10**6 == 0:
        return f"{amount / 10**6:.4g} MB"
    return f"{amount} {window.counted.value}"


def route_fills(database: Database, route: Route) -> list[tuple[str, list[Fill]]]:
    """How full the windows of a route are, for each next hop of its pool with its name."""
    hops = [member.next_hop for member in route.members]
    found = read_fills(database, [hop_key(hop) for hop in hops])
    return [
        (
            hop.mailbox if isinstance(hop, Microsoft365) else hop_key(hop),
            [_fill_of(window, found.get(hop_key(hop), [])) for window in route.caps.windows],
        )
        for hop in hops
    ]


def _fill_of(window: Window, found: Sequence[Fill]) -> Fill:
    """How full one window is; empty if nothing is known."""
    for fill in found:
        if (fill.window.counted, fill.window.seconds) == (window.counted, window.seconds):
            return replace(fill, window=window)
    return Fill(window, 0, 0.0)


def fill_text(fill: Fill, now: Timestamp) -> str:
    """`30 used; the next in 12 s (2026-11-24 09:15:02+01:00)`."""
    used = f"{_amount(fill.window, fill.used)} used"
    if not fill.next_seconds:
        return f"{used}; the next at once"
    return f"{used}; the next in {duration(fill.next_seconds)} ({for_people(next_at(fill, now))})"


def shown_fills(fills: Sequence[tuple[str, list[Fill]]], now: Timestamp) -> list[tuple[str, Cell]]:
    """A line for each window, with the name of its next hop where there are several."""
    return [
        (window_text(fill.window) + (f" by {name}" if len(fills) > 1 else ""), fill_text(fill, now))
        for name, each in fills
        for fill in each
    ]


def next_at(fill: Fill, now: Timestamp) -> Timestamp:
    """When more may go."""
    return now + int(fill.next_seconds * 1000)


def fullest(found: Sequence[Fill]) -> Fill | None:
    """The window that mail waits for longest; None: for none."""
    full = [fill for fill in found if fill.next_seconds]
    return max(full, key=lambda fill: fill.next_seconds, default=None)


def full_text(fill: Fill | None) -> str:
    """`the next hop takes 30 messages a minute; the next goes in 12 s`."""
    if fill is None:
        return ""
    taken = window_text(fill.window)
    return f"the next hop takes {taken}; the next goes in {duration(fill.next_seconds)}"


def fill_record(fill: Fill, now: Timestamp) -> dict[str, Json]:
    """For programs."""
    window = fill.window
    return {
        "counted": window.counted.value,
        "amount": window.amount,
        "seconds": window.seconds,
        "used": fill.used,
        "next_at": for_programs(next_at(fill, now)) if fill.next_seconds else None,
    }
