"""Metrics have names and labels that a monitoring system can rely on."""

import re

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from pillarbox.observe import metrics, tallies

NAME = re.compile(r"pillarbox_[a-z]+_[a-z_]+")


def test_every_name_follows_the_pattern() -> None:
    """Names are pillarbox_<module>_<thing>."""
    names = [family.name for family in metrics.REGISTRY.collect()]

    assert names
    assert [name for name in names if not NAME.fullmatch(name)] == []


def test_labels_are_enums_only() -> None:
    """No label could carry an address or free text."""
    labels = {
        label
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        for label in sample.labels
    }

    assert labels <= {"days", "kind", "le", "listener", "refusal", "result", "severity", "state"}


def test_the_exposition_tells_what_was_counted() -> None:
    """A counter that was raised shows in the text that Prometheus reads."""
    before = metrics.COMMITS.value

    metrics.COMMITS.value += 1

    assert f"pillarbox_store_commits_total {before + 1:.1f}\n".encode() in metrics.exposition()


def test_tallies_look_like_the_metrics_of_the_library() -> None:
    """What is counted the quick way reads as if the library had counted it."""
    bounds = (0.5, 1.0, 2.0)
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    counter = Counter("one_total", "One.", registry=theirs)
    by_label = Counter("two_total", "Two.", ["state"], registry=theirs)
    histogram = Histogram("three", "Three.", buckets=bounds, registry=theirs)
    tally = tallies.tally(ours, "one_total", "One.")
    by_state = tallies.tallies(ours, "two_total", "Two.", label="state", values=["a", "b"])
    spread = tallies.spread(ours, "three", "Three.", bounds=bounds)

    counter.inc(3)
    tally.value += 3
    for state in ("a", "b"):
        by_label.labels(state).inc()
        by_state[state].value += 1
    for value in (0.1, 0.5, 0.6, 1.0, 1.5, 7.0):
        histogram.observe(value)
        spread.observe(value)

    assert generate_latest(ours) == generate_latest(theirs)
