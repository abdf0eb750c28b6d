"""Metrics of the hot path: plain numbers, turned into those of Prometheus when somebody asks.

The library's own take a lock and several calls each time. These are counted in one thread each
(the event loop's, or the writer's) and read by another; a reader may miss the very last ones.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector


class Tally:
    """A counter: `tally.value += 1`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Spread:
    """A histogram: how many values are not above each bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total: float = 0

    def observe(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class _Tallies(Collector):
    """Tallies under one name, by the value of its label; "" where it has none."""

    def __init__(self, name: str, text: str, label: str, tallies: Mapping[str, Tally]) -> None:
        self._name, self._text, self._label = name, text, label
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            self._name, self._text, labels=[self._label] if self._label else []
        )
        for value, tally in self._tallies.items():
            family.add_metric([value] if self._label else [], tally.value)
        yield family


class _Spread(Collector):
    """One spread."""

    def __init__(self, name: str, text: str, spread: Spread) -> None:
        self._name, self._text, self._spread = name, text, spread

    def collect(self) -> Iterator[Metric]:
        spread = self._spread
        buckets: list[tuple[str, float]] = []
        below = 0
        for bound, count in zip((*spread.bounds, float("inf")), spread.counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), below))
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=spread.total)


def tally(registry: CollectorRegistry, name: str, text: str) -> Tally:
    """A counter that `registry` shows."""
    made = Tally()
    registry.register(_Tallies(name, text, "", {"": made}))
    return made


def tallies(
    registry: CollectorRegistry, name: str, text: str, *, label: str, values: Sequence[str]
) -> dict[str, Tally]:
    """A counter for each value of a label."""
    made = {value: Tally() for value in values}
    registry.register(_Tallies(name, text, label, made))
    return made


def spread(registry: CollectorRegistry, name: str, text: str, *, bounds: Sequence[float]) -> Spread:
    """A histogram that `registry` shows."""
    made = Spread(bounds)
    registry.register(_Spread(name, text, made))
    return made
