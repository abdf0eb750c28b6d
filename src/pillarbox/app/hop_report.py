"""What a worker knows of its next hops, for `pillarbox queue hops`: the supervisor asks all workers
and whoever reads it adds up.

A question is a JSON object: `what` ("lanes" or "sites"), `after` (a name) and `limit`; `hops`,
where it is there, names the next hops that are wanted. An answer has all that is known of the first
`limit` names behind `after`, in order, so that pages of several workers fit together.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pillarbox.delivery.attempt import WallClock
from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.hop_state import (
    PAGE,
    REPLY_LENGTH,
    ConnectionsState,
    LaneState,
    SiteState,
    WallOf,
)
from pillarbox.delivery.pacing import GateState
from pillarbox.mail.envelope import Timestamp
from pillarbox.scheduler.lane_queue import LaneQueue
from pillarbox.scheduler.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class HopReport:
    """Answers for one worker. Made and asked inside its event loop."""

    scheduler: Scheduler
    couriers: Couriers
    wall: WallClock

    def answer(self, question: bytes) -> bytes:
        """The answer to a question, as JSON."""
        asked: dict[str, Any] = orjson.loads(question)
        found = self._sites() if asked["what"] == "sites" else self._lanes(asked.get("hops"))
        return orjson.dumps(page_of(found, str(asked["after"]), min(int(asked["limit"]), PAGE)))

    def _sites(self) -> list[tuple[str, SiteState]]:
        return [(site.hosts, site) for site in self.couriers.site_states(self._wall_of())]

    def _lanes(self, wanted: list[str] | None) -> list[tuple[str, LaneState]]:
        names = None if wanted is None else frozenset(wanted)
        wall = self._wall_of()
        return [
            (queue.hop, self._lane(queue, wall))
            for queue in self.scheduler.lanes
            if names is None or queue.hop in names
        ]

    def _lane(self, queue: LaneQueue, wall: WallOf) -> LaneState:
        lane, last = queue.lane, queue.last
        permits, concurrency = lane.permits, lane.permits.concurrency
        gate = permits.gate.state(asyncio.get_running_loop().time())
        paused_until = max(concurrency.paused_until, permits.usage.paused_until)
        return LaneState(
            hop=queue.hop,
            in_flight=permits.running,
            connections=ConnectionsState(
                open=lane.connections,
                allowed=concurrency.limit if gate is GateState.OPEN else 1,
                cap=concurrency.cap,
                lowered_by=concurrency.lowered_by[:REPLY_LENGTH],
                grows_after=concurrency.grows_after,
                paused_until=wall(paused_until),
            ),
            closed_until=wall(permits.gate.closed_until) if gate is GateState.CLOSED else None,
            last_reply="" if last is None else str(last.reply)[:REPLY_LENGTH],
            last_host="" if last is None else last.remote_host,
            last_tls="" if last is None else last.tls,
            site=self.couriers.site_of(queue.hop),
        )

    def _wall_of(self) -> WallOf:
        now, wall = asyncio.get_running_loop().time(), self.wall()

        def of(moment: float) -> Timestamp | None:
            is_known = now < moment < float("inf")
            return wall + int((moment - now) * 1000) if is_known else None

        return of


def page_of(
    found: Sequence[tuple[str, LaneState | SiteState]], after: str, limit: int
) -> list[LaneState | SiteState]:
    """All of the first `limit` names behind `after`, in the order of the names."""
    names = sorted({name for name, _ in found if name > after})[:limit]
    kept = frozenset(names)
    return [state for name, state in sorted(found, key=lambda each: each[0]) if name in kept]
