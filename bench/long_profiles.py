"""P6, P7 and P7S: what idle sessions and a dead next hop cost the others."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.generators import held_sessions, run_load
from bench.peers import DEAD_DOMAIN, Peer, running_peers
from bench.profiles import IDLE, KIB, MIB, PROFILES, SLOW, Door, Profile
from bench.rounds import MeasurementError, measure, warm_up
from bench.sinks import Sink, sink
from tests.e2e.flooding import may_open

IDLE_SESSIONS = 5000
NEW_MAIL = Profile("P6", "new mail", Door.TLS, 200, 4)

BACKLOG = 20_000
REST_SECONDS = 900.0
REST_LOOK_SECONDS = 2.0
REST_BUSY = 0.05
"""A service that computes for less of its time has tried its backlog once."""

SLOW_SECONDS = 1
OTHER_FILES = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the second table: what, then what was found of each service, in words."""

    title: str
    found: dict[str, str]


def run_long(name: str, scale: float, folder: Path, *, with_postfix: bool) -> list[Row]:
    """Measure one of the long profiles, with services of its own."""
    idle = round(IDLE_SESSIONS * scale)
    may_open(idle + OTHER_FILES)
    with _services(name, folder, with_postfix=with_postfix) as (peers, next_hop):
        if name == IDLE:
            found = {peer.title: _idle(peer, next_hop, idle) for peer in peers}
        else:
            found = {peer.title: _backlog(peer, next_hop, name, scale) for peer in peers}
    titles = next(iter(found.values()))
    return [Row(title, {peer: rows[title] for peer, rows in found.items()}) for title in titles]


@contextmanager
def _services(name: str, folder: Path, *, with_postfix: bool) -> Iterator[tuple[list[Peer], Sink]]:
    delay = ("-W", f"RCPT:{SLOW_SECONDS}") if name == SLOW else ()
    with (
        sink(folder) as next_hop,
        sink(folder, "-r", "RCPT", "-b", "451 4.3.0 Not now", *delay) as dead,
        running_peers(next_hop, dead, with_postfix=with_postfix) as peers,
    ):
        yield peers, next_hop


def _idle(peer: Peer, next_hop: Sink, count: int) -> dict[str, str]:
    warm_up(peer, NEW_MAIL, next_hop)
    without = measure(peer, NEW_MAIL, next_hop)
    before = peer.use()
    with held_sessions(count, peer.ports[Door.TLS], peer.login) as held:
        seconds = held.open()
        after = peer.use()
        meanwhile = measure(peer, NEW_MAIL, next_hop)
        ended = held.end()
    if ended.errors or ended.ready != count:
        raise MeasurementError(f"P6, {peer.title}: {ended.ready} of {count} open; {ended.errors}")
    rss = (after.rss_octets - before.rss_octets) / count / KIB
    pss = (after.pss_octets - before.pss_octets) / count / KIB
    return {
        f"P6: {count:,} idle TLS sessions after AUTH": (
            f"open in {seconds:.1f} s, {rss:,.0f} KiB a session (PSS {pss:,.0f})"
        ),
        "P6: new mail meanwhile, a second": (
            f"{meanwhile.accepted_rate:,.0f}, of {without.accepted_rate:,.0f} before"
        ),
    }


def _backlog(peer: Peer, next_hop: Sink, name: str, scale: float) -> dict[str, str]:
    usual = PROFILES["P2"].scaled(scale)
    count = round(BACKLOG * scale)
    warm_up(peer, usual, next_hop)
    without = measure(peer, usual, next_hop)
    queued = replace(usual, messages=count, domain=DEAD_DOMAIN)
    loaded = run_load(queued, peer.ports[queued.door], peer.login)
    if loaded.accepted != count:
        raise MeasurementError(f"{name}, {peer.title}: the backlog was refused: {loaded.errors}")
    if name != SLOW:
        _wait_for_rest(peer)
    meanwhile = measure(peer, usual, next_hop)
    answers = "takes a second for its 451" if name == SLOW else "answers 451"
    return {
        f"{name}: mail for others with {count:,} messages queued for a next hop that {answers}": (
            f"{meanwhile.through_rate:,.0f}, of {without.through_rate:,.0f} without"
            f" ({meanwhile.through_rate / without.through_rate:.0%});"
            f" {peer.use().rss_octets / MIB:,.0f} MiB"
        )
    }


def _wait_for_rest(peer: Peer) -> None:
    deadline = time.monotonic() + REST_SECONDS
    while time.monotonic() < deadline:
        before = peer.use().cpu_seconds
        time.sleep(REST_LOOK_SECONDS)
        if peer.use().cpu_seconds - before < REST_BUSY * REST_LOOK_SECONDS:
            return
    raise MeasurementError(f"{peer.title} still tries its backlog after {REST_SECONDS:.0f} s")
