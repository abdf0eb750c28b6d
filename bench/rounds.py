"""One measurement: a load against a service, until the next hop has all of it."""

from dataclasses import dataclass
from statistics import median, quantiles

from bench.generators import run_load
from bench.peers import Peer
from bench.profiles import Profile
from bench.sinks import Sink

DRAIN_SECONDS = 300.0
WARM_UP = 0.02
P99 = 98
"""Its place among the 99 points that divide a hundred parts."""


class MeasurementError(Exception):
    """A load did not come through as it should."""


@dataclass(frozen=True, slots=True)
class Round:
    """Rates by the second; `p99_ms` is None where the generator does not tell."""

    accepted_rate: float
    through_rate: float
    p99_ms: float | None
    cpu_ms: float
    """Of all processes of the service, a message."""
    generator_was_limit: bool

    def __str__(self) -> str:
        return (
            f"accepted {self.accepted_rate:,.0f}/s, through {self.through_rate:,.0f}/s,"
            f" CPU {self.cpu_ms:.2f} ms"
        )


def measure(peer: Peer, profile: Profile, next_hop: Sink, *, own: bool = False) -> Round:
    """Run the load. Raises MeasurementError when something was refused or is missing."""
    before, computed = next_hop.count(), peer.use().cpu_seconds
    loaded = run_load(profile, peer.ports[profile.door], peer.login, own=own)
    if loaded.errors or loaded.accepted != profile.messages:
        raise MeasurementError(
            f"{profile.name}, {peer.title}: {loaded.accepted} of {profile.messages} messages were"
            f" accepted; {loaded.errors}"
        )
    try:
        through = next_hop.wait_for(before + loaded.accepted, DRAIN_SECONDS)
    except AssertionError as error:
        raise MeasurementError(f"{profile.name}, {peer.title}: {error}") from error
    if next_hop.count() != before + loaded.accepted:
        raise MeasurementError(f"{profile.name}, {peer.title}: some messages came twice")
    computed = peer.use().cpu_seconds - computed
    return Round(
        loaded.accepted / (loaded.ended - loaded.begun),
        loaded.accepted / (through - loaded.begun),
        quantiles(loaded.waits_ms, n=100)[P99] if loaded.waits_ms else None,
        computed * 1000 / loaded.accepted,
        loaded.was_limit,
    )


def warm_up(peer: Peer, profile: Profile, next_hop: Sink) -> None:
    """A few messages that nobody counts."""
    measure(peer, profile.scaled(WARM_UP), next_hop)


def middle(rounds: list[Round]) -> Round:
    """The median of each figure."""
    waits = [one.p99_ms for one in rounds if one.p99_ms is not None]
    return Round(
        median(one.accepted_rate for one in rounds),
        median(one.through_rate for one in rounds),
        median(waits) if waits else None,
        median(one.cpu_ms for one in rounds),
        any(one.generator_was_limit for one in rounds),
    )
