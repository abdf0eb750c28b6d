"""Metrics have names and labels that a monitoring system can rely on."""

import re

from pillarbox.observe import metrics

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

    assert labels <= {"listener", "result", "refusal", "state", "kind", "le", "days"}


def test_the_exposition_tells_what_was_counted() -> None:
    """A counter that was raised shows in the text that Prometheus reads."""
    before = metrics.COMMITS._value.get()

    metrics.COMMITS.inc()

    assert f"pillarbox_store_commits_total {before + 1}".encode() in metrics.exposition()
