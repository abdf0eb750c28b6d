"""What the scheduler is given: settings, where mail and its rules are, and what it works with."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.delivery.attempt import WallClock
from pillarbox.delivery.courier import CourierFactory
from pillarbox.errors import SpoolTrouble
from pillarbox.mail.envelope import Timestamp
from pillarbox.outcome.settle import Judgement, Tried
from pillarbox.route import ONE_WORKER, LanePlan
from pillarbox.scheduler.recorder import watch_nothing
from pillarbox.scheduler.stores import (
    LaneStore,
    OrderStore,
    QueueStore,
    SuspensionStore,
    TenantStore,
)


def wall_clock() -> Timestamp:
    """The time of day."""
    return int(time.time() * 1000)


def _nobody(_lane_id: int) -> None:
    """There is no other worker."""


def _nothing(_hop: str) -> None:
    """Lanes share nothing."""


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """`owner` is the token under which this worker owns lanes. `content_octets` of accepted mail
    are kept in memory until they are delivered; more is read from the store again."""

    host_name: str
    owner: str
    connections: int = 500
    idle_seconds: float = 5.0
    ready_messages: int = 1000
    content_octets: int = 32 * 1024 * 1024
    plan: LanePlan = ONE_WORKER


@dataclass(frozen=True, slots=True)
class SchedulerStores:
    """Where mail and its rules are. `trouble`: why the spool takes nothing now."""

    spool: QueueStore
    lanes: LaneStore
    directory: TenantStore
    trouble: Callable[[], SpoolTrouble | None]
    suspensions: SuspensionStore
    orders: OrderStore


@dataclass(frozen=True, slots=True)
class SchedulerMeans:
    """What it works with: couriers, ids for DSNs, the time of day, chance, who watches results.
    `wake_owner` tells the other workers of this machine that there is mail for a lane, by its
    id; `let_go` has the MX hosts of a domain tried at once, by its name as a next hop."""

    courier_for: CourierFactory
    next_id: Callable[[Timestamp], int]
    wall: WallClock = wall_clock
    rand: Callable[[], float] = field(default=random.random)
    watch: Callable[[Tried, Judgement], None] = watch_nothing
    wake_owner: Callable[[int], None] = _nobody
    let_go: Callable[[str], None] = _nothing
