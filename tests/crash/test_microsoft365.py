"""Mail by Microsoft 365, by SMTP with XOAUTH2 and by Graph, through all that goes wrong there and
kills of the service: nothing is lost, and a second copy comes only where Microsoft's answer was
lost or the service was killed before it had noted it.

Each way has a pool of mailboxes with the limits that Microsoft has. PILLARBOX_CRASH_MESSAGES says
how many messages are to be acknowledged.
"""

import contextlib
from pathlib import Path

import pytest
from tests.crash.campaign import messages_to_send, report, seed_of_run
from tests.crash.clients import Load
from tests.crash.microsoft import TROUBLE, TROUBLE_WITH_SIGN_IN
from tests.crash.microsoft_trial import MicrosoftTrial, microsoft_trial
from tests.crash.mutants import Mutant, environment_of
from tests.crash.verdict import Fate, Verdict
from tests.e2e.waiting import wait_until

MESSAGES = 10_000
MESSAGES_A_STRIKE = 125
MAILBOXES = 20
"""Of each way: together 1,200 messages a minute."""

STEADY = Load(clients=6, pause_seconds=1.0)
LONGEST_SECONDS = 60.0
"""Between two strikes, where little comes."""

LOAD_SECONDS = 3600.0

FEW, FEW_MAILBOXES = 100, 6
"""Few enough for no mailbox to be full for a minute."""
QUICK = Load(clients=4, pause_seconds=0.1)

MUTANT_MESSAGES, MUTANT_STRIKES = 300, 3
FAST = Load(clients=6, pause_seconds=0.2)


def _strike(run: MicrosoftTrial, messages: int, strikes: int, load: Load) -> None:
    """Strike so often, while so much comes in and goes out."""
    rng = run.rng
    run.microsoft.make_trouble([*TROUBLE, *TROUBLE_WITH_SIGN_IN])
    with run.clients(load) as clients:
        for number in range(strikes):
            with contextlib.suppress(AssertionError):
                run.await_copies(number * messages // strikes, LONGEST_SECONDS)
            run.strike_by_chance(rng)
        wait_until(
            lambda: clients.acknowledged >= messages,
            LOAD_SECONDS,
            f"{messages} messages are acknowledged",
        )


def _tell(run: MicrosoftTrial, what: str, verdict: Verdict) -> None:
    report(f"{what}, seed {run.seed}: {verdict}; {run.told()}")


@pytest.mark.timeout(300)
def test_a_little_mail_by_microsoft_365_survives_kills(tmp_path: Path) -> None:
    """The short form of what `make crash-m365` does."""
    seed = seed_of_run()
    with microsoft_trial(tmp_path, seed, mailboxes=FEW_MAILBOXES) as run:
        rng = run.rng
        run.microsoft.make_trouble(TROUBLE)
        clients = run.clients(QUICK)
        clients.limit = FEW
        with clients:
            run.kill_at_answer(rng)
            run.refuse_sign_ins("expired")
            run.kill_service(rng)
            clients.join()
        verdict = run.end()

        assert verdict.failures == [], f"seed {seed}: {verdict}"
        assert verdict.acknowledged > FEW / 2
        assert run.microsoft.too_fast() == []


@pytest.mark.crash
@pytest.mark.timeout(4 * 3600)
def test_mail_by_microsoft_365_is_never_lost(tmp_path: Path) -> None:
    """Both ways, all trouble, kills, tokens that end and secrets that are revoked."""
    seed, messages = seed_of_run(), messages_to_send(MESSAGES)
    with microsoft_trial(tmp_path, seed, mailboxes=MAILBOXES) as run:
        _strike(run, messages, messages // MESSAGES_A_STRIKE, STEADY)
        verdict = run.end()
        _tell(run, "Microsoft 365", verdict)

        assert verdict.failures == [], seed
        assert run.microsoft.too_fast() == []
        assert verdict.acknowledged >= messages


@pytest.mark.crash
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("mutant", "fate"),
    [
        (Mutant.GRAPH_BUSY_IS_TAKEN, Fate.LOST),
        (Mutant.GRAPH_TAKEN_IS_BUSY, Fate.DUPLICATE),
        (Mutant.SETTLE_BEFORE_REPLY, Fate.LOST),
    ],
)
def test_a_mutant_is_caught_at_microsoft_365(tmp_path: Path, mutant: Mutant, fate: Fate) -> None:
    """What it does wrong is seen, and told by its name."""
    environment = environment_of(mutant)
    seed = seed_of_run()
    with microsoft_trial(tmp_path, seed, mailboxes=MAILBOXES, environment=environment) as run:
        _strike(run, MUTANT_MESSAGES, MUTANT_STRIKES, FAST)
        verdict = run.verdict()
        _tell(run, f"mutant {mutant}", verdict)

    assert verdict.fates[fate] > 0
