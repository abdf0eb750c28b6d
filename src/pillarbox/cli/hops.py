"""`pillarbox queue hops`: how each next hop is, what it is given, and why not more."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.hop_names import find_hop
from pillarbox.cli.option_types import LINES
from pillarbox.cli.output import Json, print_json, print_list
from pillarbox.cli.running_hops import RunningHops, read_running
from pillarbox.cli.suspending import print_suspensions, suspension_record
from pillarbox.cli.times import duration, for_people, for_programs, now
from pillarbox.cli.waiting import pause_text
from pillarbox.cli.windows import fill_record, full_text, fullest, read_fills
from pillarbox.delivery.hop_state import ConnectionsState, LaneState, SiteState
from pillarbox.delivery.usage import Fill
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.route import CapsOrder
from pillarbox.store import queue
from pillarbox.store.database import Database
from pillarbox.store.hop_orders import HopOrder, list_orders
from pillarbox.store.lanes import list_hops
from pillarbox.store.queue import QueueCount
from pillarbox.store.suspensions import Suspension, list_suspensions


@dataclass(frozen=True, slots=True)
class Hop:
    """A next hop as the store and the running service know it; `lane` None: no worker has it."""

    name: str
    counts: Sequence[QueueCount]
    order: HopOrder
    suspension: Suspension | None
    fills: Sequence[Fill]
    lane: LaneState | None
    site: SiteState | None

    @property
    def waiting(self) -> int:
        """Recipients in the queue, those that are under way or held among them."""
        return sum(count.recipients for count in self.counts)

    @property
    def due(self) -> int:
        """Recipients that would be tried now."""
        return sum(count.due for count in self.counts)

    @property
    def connections(self) -> ConnectionsState | None:
        """Those of its MX hosts where it shares them."""
        if self.site is not None:
            return self.site.connections
        return None if self.lane is None else self.lane.connections

    @property
    def closed_until(self) -> Timestamp | None:
        """When it is tried again."""
        closed = [each.closed_until for each in (self.lane, self.site) if each is not None]
        return max((moment for moment in closed if moment is not None), default=None)

    @property
    def reply(self) -> str:
        """The last one, or one that mail waits with."""
        if self.lane is not None and self.lane.last_reply:
            return self.lane.last_reply
        return max((count.a_reply for count in self.counts), default="")

    @property
    def security(self) -> str:
        """How its last session was protected, as far as the running service knows."""
        if self.site is not None:
            return self.site.security
        return "" if self.lane is None else self.lane.last_tls


@click.command("hops")
@click.option("--hop", help="Only this next hop.")
@click.option("--domain", help="Only next hops that mail for this domain waits for or goes to.")
@click.option("--limit", type=LINES, default=200, show_default=True, help="Lines.")
@click.pass_obj
def command(cli: Cli, hop: str | None, domain: str | None, limit: int) -> None:
    """Show how each next hop is: what waits, what it is given, why not more, and until when.

    Next hops that get less than they could come first.
    """
    moment = now()
    found, running = _read(cli, hop, domain, moment)
    found.sort(key=lambda each: (not _is_troubled(each, moment), -each.waiting, each.name))
    shown = found[:limit]
    names = {each.lane.site for each in shown if each.lane is not None}
    sites = [site for name, site in sorted(running.sites.items()) if name in names]
    if cli.as_json:
        print_json(
            {
                "hops": [_record(each, moment) for each in shown],
                "mx_hosts": [_site_record(site) for site in sites],
                "left_off": len(found) - len(shown),
                "silent_workers": running.silent,
                "not_running": running.trouble or None,
            }
        )
        return
    _print(shown, sites, moment)
    print_suspensions(
        [each.name for each in shown],
        {each.name: each.suspension for each in shown if each.suspension is not None},
    )
    if len(found) > len(shown):
        click.echo(f"There are {len(found)}: see --limit, --hop and --domain. Shown: {len(shown)}.")
    if running.silent:
        click.echo(f"{running.silent} of the workers did not answer: what they do is missing.")
    if running.trouble:
        click.echo(
            f"The service does not answer ({running.trouble}): this is what the store knows."
        )


def _read(
    cli: Cli, hop: str | None, domain: str | None, moment: Timestamp
) -> tuple[list[Hop], RunningHops]:
    with cli.database() as database:
        wanted: set[str] | None = None
        if hop is not None:
            wanted = {find_hop(database, hop)}
        if domain is not None:
            there = _hops_of(database, domain.removeprefix("@").lower())
            wanted = there if wanted is None else wanted & there
        counts = _by_hop(database.read_now(lambda c: queue.count_queue(c, now=moment)))
        orders = database.read_now(list_orders)
        suspensions = database.read_now(list_suspensions)
        running = read_running(cli.settings().data_directory, wanted)
        names = counts.keys() | orders.keys() | suspensions.keys() | running.lanes.keys()
        names = names if wanted is None else names & wanted
        fills = read_fills(database, names)
    found = [
        Hop(
            name,
            counts.get(name, ()),
            orders.get(name, HopOrder()),
            suspensions.get(name),
            fills.get(name, ()),
            lane := running.lanes.get(name),
            None if lane is None else running.sites.get(lane.site),
        )
        for name in names
    ]
    if hop is not None and not found:
        raise Failure(ExitCode.NO_SUCH, f"nothing waits for {hop!r}, and nobody uses it now")
    return found, running


def _hops_of(database: Database, domain: str) -> set[str]:
    """What mail for a domain waits for, and its MX hosts."""
    mx = f"mx:{domain}"
    ends = (mx, f"{mx}:", f"{mx}@")
    known = database.read_now(list_hops)
    hosts = {hop for hop in known if hop == mx or hop.startswith(ends[1:])}
    return database.read_now(lambda c: queue.hops_for(c, domain)) | hosts | {mx}


def _by_hop(counts: Collection[QueueCount]) -> Mapping[str, list[QueueCount]]:
    found: dict[str, list[QueueCount]] = {}
    for count in counts:
        found.setdefault(count.hop, []).append(count)
    return found


def _print(shown: Sequence[Hop], sites: Sequence[SiteState], moment: Timestamp) -> None:
    print_list(
        shown,
        {
            "Next hop": lambda each: each.name,
            "Waits": lambda each: each.waiting,
            "Due now": lambda each: each.due,
            "In flight": lambda each: None if each.lane is None else each.lane.in_flight,
            "Connections": lambda each: _connections_text(each.connections),
            "State": lambda each: _state(each, moment),
            "Security": lambda each: each.security,
            "Last reply": lambda each: each.reply,
        },
        empty="Nothing waits, and nothing is on its way.",
    )
    if sites:
        click.echo()
        print_list(
            sites,
            {
                "MX hosts": lambda site: site.hosts,
                "Domains": lambda site: site.hops,
                "Connections": lambda site: _connections_text(site.connections),
                "State": lambda site: _site_state(site, moment),
                "Security": lambda site: site.security,
            },
            empty="",
        )


def _connections_text(state: ConnectionsState | None) -> str:
    """`3 open, 5 of 10 allowed`."""
    if state is None:
        return ""
    allowed = (
        f"{state.allowed}" if state.allowed == state.cap else f"{state.allowed} of {state.cap}"
    )
    return f"{state.open} open, {allowed} allowed"


def _is_troubled(hop: Hop, moment: Timestamp) -> bool:
    connections = hop.connections
    return (
        hop.order != HopOrder()
        or hop.suspension is not None
        or hop.closed_until is not None
        or fullest(hop.fills) is not None
        or (connections is not None and _is_lowered(connections))
        or hop.order.is_paused(moment)
    )


def _is_lowered(state: ConnectionsState) -> bool:
    return state.allowed < state.cap or bool(state.paused_until or state.slow_until)


def _state(hop: Hop, moment: Timestamp) -> str:
    """In one sentence: the strongest reason why it gets no more."""
    order = hop.order
    if order.is_paused(moment):
        return pause_text(order)
    if hop.suspension is not None:
        return f"suspended since {for_people(hop.suspension.since_at)}; see below"
    if hop.closed_until is not None:
        failure = hop.site.failure if hop.site is not None else ""
        return _closed_text(hop.closed_until, failure, moment)
    full = fullest(hop.fills)
    if full is not None:
        return full_text(full)
    connections = hop.connections
    if connections is not None and _is_lowered(connections):
        return _lowered_text(connections, moment)
    ordered = _caps_text(order.caps)
    if ordered:
        return f"open, with {ordered} by order"
    if hop.lane is None and hop.due == 0 and (next_at := _next_at(hop)) is not None:
        return f"next attempt at {for_people(next_at)}"
    return "" if hop.lane is None else "open"


def _next_at(hop: Hop) -> Timestamp | None:
    return min((c.next_at for c in hop.counts if c.next_at is not None), default=None)


def _closed_text(until: Timestamp, failure: str, moment: Timestamp) -> str:
    why = f": {failure}" if failure else ""
    return f"tried again in {duration((until - moment) / 1000)}{why}"


def _lowered_text(state: ConnectionsState, moment: Timestamp) -> str:
    why = f" by {state.lowered_by}" if state.lowered_by else ""
    parts = [f"slowed down{why}"]
    if state.paused_until is not None:
        parts.append(f"goes on in {duration((state.paused_until - moment) / 1000)}")
    if state.slow_until is not None:
        parts.append(f"one session for {duration((state.slow_until - moment) / 1000)}")
    elif state.grows_after:
        parts.append(f"one more connection after {state.grows_after} messages that are taken")
    return "; ".join(parts)


def _site_state(site: SiteState, moment: Timestamp) -> str:
    if site.closed_until is not None:
        return _closed_text(site.closed_until, site.failure, moment)
    if _is_lowered(site.connections):
        return _lowered_text(site.connections, moment)
    return f"open; tried last: {site.tried_last}" if site.tried_last else "open"


def _caps_text(caps: CapsOrder | None) -> str:
    if caps is None:
        return ""
    parts = (
        (caps.connections, "connections"),
        (caps.messages_per_connection, "messages in each"),
        (caps.messages_per_minute, "messages a minute"),
    )
    return ", ".join(f"{number} {what}" for number, what in parts if number is not None)


def _connections_record(state: ConnectionsState | None) -> Json:
    if state is None:
        return None
    return {
        "open": state.open,
        "allowed": state.allowed,
        "cap": state.cap,
        "lowered_by": state.lowered_by or None,
        "grows_after_messages": state.grows_after or None,
        "paused_until": for_programs(state.paused_until),
        "slow_until": for_programs(state.slow_until),
    }


def _record(hop: Hop, moment: Timestamp) -> Json:
    order, lane, full = hop.order, hop.lane, fullest(hop.fills)
    held = sum(c.recipients for c in hop.counts if c.state is RecipientState.HELD)
    return {
        "hop": hop.name,
        "recipients": hop.waiting,
        "due": hop.due,
        "held": held,
        "oldest_at": for_programs(min((c.oldest_at for c in hop.counts), default=None)),
        "next_attempt_at": for_programs(_next_at(hop)),
        "in_flight": None if lane is None else lane.in_flight,
        "connections": _connections_record(None if lane is None else lane.connections),
        "mx_hosts": None if hop.site is None else hop.site.hosts,
        "closed_until": for_programs(hop.closed_until),
        "failure": (hop.site.failure or None) if hop.site is not None else None,
        "paused": order.is_paused(moment),
        "paused_until": for_programs(order.paused_until) if order.is_paused(moment) else None,
        "pause_reason": order.reason or None,
        "ordered_caps": {
            "connections": order.connections,
            "messages_per_connection": order.messages_per_connection,
            "messages_per_minute": order.messages_per_minute,
        },
        "suspended": suspension_record(hop.name, hop.suspension),
        "full_window": None if full is None else fill_record(full, moment),
        "windows": [fill_record(fill, moment) for fill in hop.fills],
        "security": hop.security or None,
        "last_reply": hop.reply or None,
        "last_host": (lane.last_host or None) if lane is not None else None,
        "state": _state(hop, moment),
    }


def _site_record(site: SiteState) -> Json:
    return {
        "hosts": [word for word in site.hosts.split() if not word.startswith("@")],
        "source": next((w[1:] for w in site.hosts.split() if w.startswith("@")), None),
        "domains": site.hops,
        "connections": _connections_record(site.connections),
        "closed_until": for_programs(site.closed_until),
        "failure": site.failure or None,
        "security": site.security or None,
        "tried_last": site.tried_last or None,
    }
