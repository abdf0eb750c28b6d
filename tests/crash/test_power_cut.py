"""Power cuts at any moment: what was acknowledged is there, whole; what was refused is not.

The disk is built again from a trace of the service's calls, as a power cut would leave it
(strace_disk), and opened with the product's own code.
"""

import os
from pathlib import Path

import pytest
from tests.crash.content_folder import CONTENT_FOLDER
from tests.crash.mutants import Mutant, environment_of
from tests.crash.strace_order import check_order
from tests.crash.strace_recording import (
    Recording,
    check_cuts,
    mixed_load,
    random_cuts,
    recording,
)
from tests.crash.strace_service import MIDDLE_OCTETS, watched
from tests.e2e.next_hop import GREETING

SEED = int(os.environ.get("CRASH_SEED", "1"))
TRACES = 5
CLONES = 400
"""Power cuts for each trace."""
NEAR = 40
"""Lines that are looked at one by one."""

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1800)]


def infect(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    """Every service that is started from now on is this mutant."""
    for name, value in environment_of(mutant).items():
        monkeypatch.setenv(name, value)


def _record(folder: Path, *, messages: int = 13, sessions: int = 4, large: int = 2) -> Recording:
    (folder / "service").mkdir(parents=True)
    with watched(folder / "service") as service, recording(service, folder / "trace") as made:
        mixed_load(made, messages, sessions=sessions, large=large)
    return made


@pytest.mark.parametrize("number", range(TRACES))
def test_many_power_cuts(tmp_path: Path, number: int) -> None:
    """T7: a trace, and many moments of it."""
    seed = SEED * 1000 + number
    made = _record(tmp_path, messages=60, sessions=1 + 3 * number, large=4)

    order = check_order(made)
    assert order.broken == []
    assert order.files == 8
    assert check_cuts(made, random_cuts(made, CLONES, seed), seed) == CLONES


def test_without_syncs_mail_would_be_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant `synchronous = OFF` is found."""
    infect(monkeypatch, Mutant.SYNCHRONOUS_OFF)
    made = _record(tmp_path)

    assert len(check_order(made).broken) == 30
    with pytest.raises(AssertionError, match="lost"):
        check_cuts(made, random_cuts(made, 50, SEED), SEED)


def test_a_reply_before_the_commit_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant "250 before commit" breaks the order, and loses mail."""
    infect(monkeypatch, Mutant.ACK_BEFORE_COMMIT)
    made = _record(tmp_path)

    assert check_order(made).broken
    with pytest.raises(AssertionError, match="lost"):
        check_cuts(made, random_cuts(made, 200, SEED), SEED)


@pytest.mark.parametrize("mutant", [Mutant.CONTENT_NOT_SYNCED, Mutant.CONTENT_FOLDER_NOT_SYNCED])
def test_without_syncs_of_its_file_content_would_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutant: Mutant
) -> None:
    """The mutants "file of content not synced" and "its name not synced" are found."""
    infect(monkeypatch, mutant)
    made = _record(tmp_path)

    order = check_order(made)
    assert len({line.partition(":")[0] for line in order.broken}) == order.files == 4
    with pytest.raises(AssertionError, match="is not whole"):
        check_cuts(made, random_cuts(made, 200, SEED), SEED)


def test_a_folder_of_content_that_was_there_is_synced(tmp_path: Path) -> None:
    """The worker that made it may have been killed before it came to that."""
    (tmp_path / "service").mkdir()
    with watched(tmp_path / "service") as service:
        (service.folder / CONTENT_FOLDER).mkdir()
        with recording(service, tmp_path / "trace") as made:
            sent = made.submit(MIDDLE_OCTETS)

    answer = made.answered()[sent.marker]
    syncs = [c for c in made.calls if c.name == "fsync" and c.path == str(service.folder)]
    assert any(call.succeeded and call.ended < answer.began for call in syncs)


def test_power_cuts_after_a_failed_sync(tmp_path: Path) -> None:
    """A sync that failed is never made good by a later one, in the next worker either."""
    made, near = _record_failing_syncs(tmp_path)

    check_cuts(made, near * 10 + random_cuts(made, CLONES, SEED), SEED)


def test_without_syncs_of_the_folder_refused_mail_would_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant "directory not synced" is found: the list of refused messages gets lost."""
    infect(monkeypatch, Mutant.FOLDER_NOT_SYNCED)
    made, near = _record_failing_syncs(tmp_path)

    with pytest.raises(AssertionError, match="was refused"):
        check_cuts(made, near * 10, SEED)


def _record_failing_syncs(folder: Path) -> tuple[Recording, list[int]]:
    """The sync of a message fails, and mail goes on; also the lines that follow the refusal."""
    (folder / "service").mkdir()
    with watched(folder / "service") as service:
        # Nothing but messages is to be synced: no attempt comes to an end.
        service.hop.hold(GREETING)
        worker = service.worker
        failing = "fsync,fdatasync:error=EIO:when=12"
        with recording(service, folder / "trace", failing) as made:
            refused = made.submit()
            while refused.is_acknowledged:
                refused = made.submit()
            service.wait_for_successor(worker)
            assert made.submit().is_acknowledged
    line = made.read_at[refused.marker]
    return made, list(range(line + 1, line + 1 + NEAR))
