"""The doctor names what is wrong first, in each broken server of the gallery, and raises no alarm
at clean ones (pillarbox.doctor, pillarbox.diagnosis)."""

import asyncio

import pytest
from tests.gallery.exhibits import Exhibit
from tests.gallery.rooms import BROKEN, CLEAN
from tests.gallery.visit import visit_all

from pillarbox.diagnosis.catalog import CHECKS
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.finding import Severity
from pillarbox.diagnosis.findings import findings


@pytest.fixture(scope="module")
def seen() -> dict[str, Facts]:
    """What the doctor saw of all of them, looked at together."""
    return asyncio.run(visit_all((*BROKEN, *CLEAN)))


@pytest.mark.parametrize("exhibit", BROKEN, ids=lambda exhibit: exhibit.name)
def test_broken_server_is_named_first(exhibit: Exhibit, seen: dict[str, Facts]) -> None:
    """The id that was meant, with its own severity unless only some clients meet it."""
    told = findings(seen[exhibit.name])

    assert [finding.id for finding in told][:1] == [exhibit.first], told


@pytest.mark.parametrize("exhibit", CLEAN, ids=lambda exhibit: exhibit.name)
def test_clean_server_raises_no_alarm(exhibit: Exhibit, seen: dict[str, Facts]) -> None:
    """No failure and no warning; things worth knowing are none."""
    told = findings(seen[exhibit.name])

    assert [f for f in told if f.severity is not Severity.INFO] == []


def test_exhibits_have_names_of_their_own() -> None:
    """Each is found by its name, and each id that is meant is a check."""
    names = [exhibit.name for exhibit in (*BROKEN, *CLEAN)]

    assert len(set(names)) == len(names)
    assert {exhibit.first for exhibit in BROKEN} <= set(CHECKS)
