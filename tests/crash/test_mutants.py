"""The ledger notices a service that breaks its promises: negative controls of the kill tests.

The others lose nothing by a kill, only by a power cut or in the order of system calls.
"""

import sys
from pathlib import Path

import pytest
from tests.crash.campaign import campaign, report, seed_of_run
from tests.crash.clients import Load
from tests.crash.mutants import Mutant, environment_of
from tests.crash.verdict import Fate
from tests.crash.victim import Victim
from tests.e2e.programs import run

ROUNDS = 8
KILLS_A_ROUND = 5


@pytest.mark.crash
@pytest.mark.parametrize("mutant", list(Mutant))
def test_a_mutant_fits_the_product(mutant: Mutant) -> None:
    """What it changes is still there to be changed."""
    run([sys.executable, "-c", "import pillarbox.worker"], environment=environment_of(mutant))


@pytest.mark.crash
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mutant", [Mutant.ACK_BEFORE_COMMIT, Mutant.SETTLE_BEFORE_REPLY])
def test_a_mutant_is_caught(tmp_path: Path, mutant: Mutant) -> None:
    """It loses mail, and the verdict says so."""
    seed = seed_of_run()
    victim = Victim(tmp_path / "data", environment=environment_of(mutant))
    with campaign(tmp_path, seed, victim) as made:
        rng = made.rng
        for number in range(ROUNDS):
            with made.clients(Load(), name=f"/{number}"):
                for _ in range(KILLS_A_ROUND):
                    made.kill_service(rng)
            verdict = made.verdict()
            if verdict.fates[Fate.LOST]:
                break
        report(f"mutant {mutant}, seed {seed}: {verdict}")

    assert verdict.fates[Fate.LOST] > 0
