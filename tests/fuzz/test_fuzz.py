"""Fuzzing of all that reads what others wrote: a short form always, the long one in `make fuzz`.

What the long form finds is written to tests/fuzz/corpus/TARGET, where it stays as a test once it
is mended. PILLARBOX_FUZZ_SECONDS says how long each target runs, PILLARBOX_FUZZ_SEED repeats a run.
"""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from tests.fuzz.mutation import FOLDER, mutate, seeds, words
from tests.fuzz.targets import TARGETS

SHORT_RUNS = 300
SECONDS = int(os.environ.get("PILLARBOX_FUZZ_SECONDS", "600"))
SEED = int(os.environ.get("PILLARBOX_FUZZ_SEED", "0")) or secrets.randbelow(2**31 - 1) + 1


@pytest.mark.parametrize("target", TARGETS)
def test_what_must_hold_holds_for_every_seed(target: str) -> None:
    """All that was made or found before."""
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_what_must_hold_holds_for_changed_seeds(target: str) -> None:
    """Some changes to each, the same in every run."""
    rng, corpus, dictionary = Random(target), seeds(target), words()
    for _ in range(SHORT_RUNS):
        octets = mutate(rng, corpus, dictionary)
        try:
            TARGETS[target](octets)
        except Exception as error:
            error.add_note(f"the input: {octets!r}")
            raise


@pytest.mark.fuzz
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("target", TARGETS)
def test_what_must_hold_holds_for_minutes(target: str, tmp_path: Path) -> None:
    """What the engine makes of the seeds, guided by the code that each input reaches."""
    known = FOLDER / "corpus" / target
    command = [
        *(sys.executable, "-m", "tests.fuzz.engine", target),
        *(f"-max_total_time={SECONDS}", f"-seed={SEED}", "-max_len=1024", "-timeout=20"),
        *(f"-dict={FOLDER / 'words.dict'}", f"-artifact_prefix={known}/found-"),
        *("-print_final_stats=1", str(tmp_path), str(known)),
    ]

    ended = subprocess.run(
        command, cwd=FOLDER.parents[1], capture_output=True, text=True, errors="replace"
    )

    print(f"\n{target}: seed {SEED}, {_executions(ended.stderr)} inputs")  # noqa: T201
    assert ended.returncode == 0, ended.stderr[-5000:]


def _executions(log: str) -> str:
    return log.rpartition("number_of_executed_units: ")[2].partition("\n")[0] or "?"
