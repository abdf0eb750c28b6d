"""Half an hour of mixed load: nothing grows, and nothing that was acknowledged is lost.

PILLARBOX_SOAK_MINUTES changes how long; PILLARBOX_CRASH_SEED repeats the choices of a run.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.campaign import report, seed_of_run
from tests.crash.ledger import Final, Ledger, Sent, read
from tests.crash.moments import Moments
from tests.crash.sink import Sink
from tests.crash.verdict import judge
from tests.e2e.letters import SENDER
from tests.e2e.waiting import wait_until
from tests.soak.flat import Sample, growth, row, sample
from tests.soak.parties import CAPTURE, LOAD, NEXT, MixedClients, SoakedService, troubled_hops

# Taken out of the environment: the command line refuses a name of ours that is no option.
MINUTES = float(os.environ.pop("PILLARBOX_SOAK_MINUTES", "30"))
SAMPLES = 30
SETTLE_SECONDS = 180.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """What clients and next hop saw."""
    ledger = Ledger(tmp_path / "ledger")
    yield ledger
    ledger.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SoakedService]:
    """The service, not started yet."""
    service = SoakedService(tmp_path / "data")
    yield service
    service.stop()


@pytest.mark.long
@pytest.mark.timeout(MINUTES * 60 + 900)
def test_nothing_grows_and_nothing_is_lost(
    tmp_path: Path, service: SoakedService, ledger: Ledger
) -> None:
    """See the module."""
    seed, moments = seed_of_run(), Moments()
    sink = Sink(ledger, moments, seed=seed)
    service.set_up(sink.port)
    with troubled_hops(service, tmp_path):
        service.start()
        with MixedClients(service, ledger, moments, seed=seed, load=LOAD) as clients:
            samples = _watch(service, clients)
        queued = _settled_queue(service)
        captured = _captured(ledger.file)
        counted = _counted_captured(service)
        verdict = judge(read(ledger.file), [*queued, *captured])
    sink.close()

    report(f"seed {seed}: {verdict}; {len(queued)} queued, {len(captured)} captured")
    report(f"growth: {growth(samples) or 'none'}")
    assert verdict.failures == []
    assert counted == len(captured)
    assert service.stop() == 0
    assert service.damage() == []
    assert growth(samples) == []


def _watch(service: SoakedService, clients: MixedClients) -> list[Sample]:
    """Measure while the clients work; the workers stay the same."""
    workers = service.processes
    samples = []
    begun = time.monotonic()
    for number in range(1, SAMPLES + 1):
        time.sleep(max(begun + number * MINUTES * 60 / SAMPLES - time.monotonic(), 0))
        assert service.processes == workers, "a worker died"
        samples.append(sample(workers, service.database))
        waiting = len(_queue(service))
        minute = (time.monotonic() - begun) / 60
        report(row(minute, samples[-1], waiting, clients.acknowledged))
    return samples


def _queue(service: SoakedService) -> list[str]:
    """The recipients that wait."""
    entries = service.admin_json("queue", "list", "--limit", "100000")
    return [entry["recipient"] for entry in entries]


def _settled_queue(service: SoakedService) -> list[str]:
    """The queue when all that can be delivered is; nothing is given up any more."""
    service.admin("tenant", "change", "--give-up", "86400")

    wait_until(
        lambda: not any(each == SENDER or each.endswith(f"@{NEXT}") for each in _queue(service)),
        SETTLE_SECONDS,
        "nothing waits for the good next hop",
    )
    return _queue(service)


def _captured(file: Path) -> list[str]:
    """The recipients of acknowledged messages whose mail is captured."""
    sent: dict[str, list[str]] = {}
    captured: list[str] = []
    for event in read(file):
        match event:
            case Sent():
                sent[event.uuid] = event.recipients
            case Final() if event.code < 300:
                captured += (each for each in sent[event.uuid] if each.endswith(f"@{CAPTURE}"))
    return captured


def _counted_captured(service: SoakedService) -> int:
    """How many recipients the service says it captured."""
    name = 'pillarbox_outcome_recipients_total{state="captured"} '
    lines = service.get("/metrics")[1].splitlines()
    return sum(round(float(line.removeprefix(name))) for line in lines if line.startswith(name))
