"""What the running service knows of its next hops, added up over its workers."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Timer
from typing import Any, TypeVar

import click

from pillarbox.app.service_socket import ANSWER_SECONDS, ask_service
from pillarbox.delivery.hop_state import PAGE, ConnectionsState, LaneState, SiteState

State = TypeVar("State", LaneState, SiteState)

SAY_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunningHops:
    """`lanes` by the name of the next hop, `sites` by their hosts. `silent` workers did not answer;
    `trouble`: nobody did, and why."""

    lanes: Mapping[str, LaneState] = field(default_factory=dict)
    sites: Mapping[str, SiteState] = field(default_factory=dict)
    silent: int = 0
    trouble: str = ""


def read_running(folder: Path, hops: Collection[str] | None) -> RunningHops:
    """Ask the service of this data folder for some next hops; None: for all."""
    asked = _Asked(folder, None if hops is None else sorted(hops))
    try:
        with _said_if_slow():
            lanes = _together(asked.all("lanes", _lane), lambda lane: lane.hop, _add_lane)
            sites = _together(asked.all("sites", _site), lambda site: site.hosts, _add_site)
    except OSError as error:
        return RunningHops(trouble=error.strerror or str(error))
    if hops is not None:
        used = {lane.site for lane in lanes.values()}
        sites = {name: site for name, site in sites.items() if name in used}
    return RunningHops(lanes, sites, asked.silent)


@contextmanager
def _said_if_slow() -> Iterator[None]:
    """A service that hangs must not look like a command that does."""
    text = f"The service does not answer yet; it is waited for up to {ANSWER_SECONDS:.0f} seconds."
    timer = Timer(SAY_AFTER_SECONDS, lambda: click.echo(text, err=True))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Asked:
    """Asks page after page."""

    def __init__(self, folder: Path, hops: list[str] | None) -> None:
        self._folder = folder
        self._hops = hops
        self.silent = 0

    def all(self, what: str, make: Callable[[Any], State]) -> list[State]:
        """All states of a kind. Raises OSError."""
        found: list[State] = []
        after = ""
        while True:
            page = self._page(what, after)
            states = [[make(each) for each in answer] for answer in page]
            names = {_name(state) for answer in states for state in answer}
            # A worker with a full page may have more behind its last name.
            last = min((_name(a[-1]) for a in states if _is_full(a)), default="")
            found += [s for a in states for s in a if not last or _name(s) <= last]
            if not last or not names:
                return found
            after = last

    def _page(self, what: str, after: str) -> list[list[dict[str, Any]]]:
        question: dict[str, Any] = {"what": what, "after": after, "limit": PAGE}
        if self._hops is not None:
            question["hops"] = self._hops
        octets = ask_service(self._folder, json.dumps(question).encode())
        try:
            answer = json.loads(octets)
        except ValueError as error:
            # It ends just now, or took too long to ask its workers.
            raise OSError("its answer is not whole") from error
        self.silent = max(self.silent, answer["silent"])
        pages: list[list[dict[str, Any]]] = answer["answers"]
        return pages


def _name(state: LaneState | SiteState) -> str:
    return state.hop if isinstance(state, LaneState) else state.hosts


def _is_full(answer: Sequence[LaneState | SiteState]) -> bool:
    return len({_name(state) for state in answer}) >= PAGE


def _lane(record: dict[str, Any]) -> LaneState:
    return LaneState(**record | {"connections": ConnectionsState(**record["connections"])})


def _site(record: dict[str, Any]) -> SiteState:
    return SiteState(**record | {"connections": ConnectionsState(**record["connections"])})


def _together(
    found: Iterable[State], name: Callable[[State], str], add: Callable[[State, State], State]
) -> dict[str, State]:
    groups: dict[str, list[State]] = defaultdict(list)
    for state in found:
        groups[name(state)].append(state)
    sums: dict[str, State] = {}
    for key, states in groups.items():
        total = states[0]
        for one in states[1:]:
            total = add(total, one)
        sums[key] = total
    return sums


def _add_lane(one: LaneState, other: LaneState) -> LaneState:
    return replace(
        one if one.last_reply else other,
        in_flight=one.in_flight + other.in_flight,
        connections=_add(one.connections, other.connections),
        closed_until=_latest(one.closed_until, other.closed_until),
        site=one.site or other.site,
    )


def _add_site(one: SiteState, other: SiteState) -> SiteState:
    return replace(
        one if one.failure else other,
        hops=max(one.hops, other.hops),
        connections=_add(one.connections, other.connections),
        closed_until=_latest(one.closed_until, other.closed_until),
        security=one.security or other.security,
        tried_last=one.tried_last or other.tried_last,
    )


def _add(one: ConnectionsState, other: ConnectionsState) -> ConnectionsState:
    return ConnectionsState(
        open=one.open + other.open,
        allowed=one.allowed + other.allowed,
        cap=one.cap + other.cap,
        lowered_by=one.lowered_by or other.lowered_by,
        grows_after=min(filter(None, (one.grows_after, other.grows_after)), default=0),
        paused_until=_latest(one.paused_until, other.paused_until),
        slow_until=_latest(one.slow_until, other.slow_until),
    )


def _latest(*moments: int | None) -> int | None:
    return max((moment for moment in moments if moment is not None), default=None)
