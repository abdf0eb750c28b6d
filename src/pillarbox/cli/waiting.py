"""Why a recipient's mail is still here, in one sentence."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from pillarbox.cli.output import printable
from pillarbox.cli.running_hops import RunningHops, read_running
from pillarbox.cli.times import duration, for_people
from pillarbox.delivery.hop_state import LaneState, SiteState
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.publish.literals import shell_literal
from pillarbox.store.database import Database
from pillarbox.store.hop_orders import HopOrder, list_orders
from pillarbox.store.instances import count_living
from pillarbox.store.suspensions import Suspension, list_suspensions

_MOST_NAMED = 500
"""Next hops that one question names; beyond it all are asked for."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """A next hop is given nothing until then; `is_closed`: as it could not be reached, or is
    suspended, and not as it asked for less."""

    until: Timestamp
    is_closed: bool

    def rest(self, now: Timestamp) -> str:
        """How long it takes."""
        return duration((self.until - now) / 1000)


@dataclass(frozen=True, slots=True)
class HopWaits:
    """Why mail waits for its next hop rather than for its own time, by the name of the hop."""

    suspensions: Mapping[str, Suspension]
    orders: Mapping[str, HopOrder]
    back_offs: Mapping[str, BackOff]

    def why(
        self,
        hop: str,
        state: RecipientState,
        next_attempt_at: Timestamp | None,
        *,
        now: Timestamp,
    ) -> str:
        """The sentence for a recipient of this hop; "": it does not."""
        if state is RecipientState.HELD:
            return ""
        order, suspension = self.orders.get(hop), self.suspensions.get(hop)
        back_off = self.back_offs.get(hop)
        if order is not None and order.is_paused(now):
            return f"its next hop is {pause_text(order)}"
        if suspension is not None:
            since = for_people(suspension.since_at)
            again = "" if back_off is None else f", tried again in {back_off.rest(now)}"
            return f"its next hop is suspended since {since}{again}; see below"
        if back_off is None or next_attempt_at is None or next_attempt_at >= back_off.until:
            return ""
        if back_off.is_closed:
            return f"its next hop could not be reached; it is tried again in {back_off.rest(now)}"
        return f"its next hop asked for less; it goes on in {back_off.rest(now)}"

    def print_retry(self, hops: Iterable[str], *, now: Timestamp) -> None:
        """What people may do about each of these next hops that is in back-off."""
        for hop in dict.fromkeys(hops):
            back_off, order = self.back_offs.get(hop), self.orders.get(hop)
            if back_off is None or not back_off.is_closed or (order and order.is_paused(now)):
                continue
            click.echo(f"To try it now: pillarbox queue retry --hop {shell_literal(hop)}")


def hop_waits(
    database: Database, folder: Path, hops: Collection[str], *, now: Timestamp
) -> HopWaits:
    """What the store and the service of this data folder tell of these next hops."""
    suspensions = database.read_now(list_suspensions)
    orders = database.read_now(list_orders)
    if not hops or not database.read_now(count_living):
        return HopWaits(suspensions, orders, {})
    running = read_running(folder, hops if len(hops) <= _MOST_NAMED else None)
    if running.trouble:
        unknown = "whether a next hop is in back-off is not known"
        click.echo(f"The service does not answer ({running.trouble}): {unknown}.", err=True)
    found = {hop: _back_off(running, hop) for hop in hops}
    back_offs = {hop: one for hop, one in found.items() if one is not None and one.until > now}
    return HopWaits(suspensions, orders, back_offs)


def _back_off(running: RunningHops, hop: str) -> BackOff | None:
    lane = running.lanes.get(hop)
    if lane is None:
        return None
    site = running.sites.get(lane.site)
    both: list[LaneState | SiteState] = [lane] if site is None else [lane, site]
    closed = max(each.closed_until or 0 for each in both)
    paused = max(each.connections.paused_until or 0 for each in both)
    return BackOff(max(closed, paused), closed >= paused) if closed or paused else None


def why_waiting(
    state: RecipientState, next_attempt_at: Timestamp | None, *, attempts: int, now: Timestamp
) -> str:
    """The sentence for a recipient in this state. It leaves out the last reply: that stands
    beside it, in the words of the host that gave it."""
    due = None if next_attempt_at is None else (next_attempt_at - now) / 1000
    match state:
        case RecipientState.HELD:
            return "held by an administrator: release or bounce it"
        case RecipientState.QUEUED | RecipientState.DEFERRED if due is None:
            return "waits for an administrator"
        case RecipientState.QUEUED if due is not None and due > 0:
            return f"not tried yet; first attempt in {duration(due)}"
        case RecipientState.QUEUED:
            return "not tried yet; its turn comes when its next hop can be given more"
        case RecipientState.DEFERRED if due is not None and due > 0:
            return f"put off {_times(attempts)}; next attempt in {duration(due)}"
        case RecipientState.DEFERRED:
            return f"put off {_times(attempts)}; due, waits for a connection"
        case RecipientState.DELIVERED | RecipientState.CAPTURED:
            return "is done"
        case RecipientState.FAILED | RecipientState.EXPIRED:
            return "was given up"


def _times(attempts: int) -> str:
    return "once" if attempts == 1 else f"{attempts} times"


def pause_text(order: HopOrder) -> str:
    """Of a next hop that is paused: until when, and why."""
    until = f"until {for_people(order.paused_until)}" if order.paused_until else "by order"
    return f"paused {until}{f': {printable(order.reason)}' if order.reason else ''}"
