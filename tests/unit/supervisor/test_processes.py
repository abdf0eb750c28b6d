"""Workers are started again, sooner after they ran well, and are told who died before them."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.app.order import WorkerOrder
from pillarbox.supervisor import exits
from pillarbox.supervisor.processes import (
    LONGEST_PAUSE_SECONDS,
    Shared,
    Slot,
    describe_exit,
    end_workers,
)


@pytest.fixture
def life() -> Iterator[int]:
    """The reading end of a life pipe."""
    reader, writer = os.pipe()
    yield reader
    os.close(reader)
    os.close(writer)


@pytest.fixture
def slot(life: int) -> Slot:
    """A slot without a configuration."""
    return Slot(0, Shared(None, {}, life, life), lambda: None, lambda: None)


def _program(path: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let slots start this program instead of a worker; it has `order` and `ready()`."""
    path.write_text(f"#!{sys.executable}\n{HEAD}{body}\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))


HEAD = """
import json, os, signal, sys, time
order = sys.argv[3]

def ready():
    os.write(json.loads(order)["status_descriptor"], b"ready\\n")

"""


@pytest.mark.parametrize(
    ("code", "text"), [(70, "exit code 70"), (-9, "signal SIGKILL"), (-250, "signal 250")]
)
def test_an_exit_is_told_in_words(code: int, text: str) -> None:
    """Numbers of signals get their names."""
    assert describe_exit(code) == text


async def test_a_dead_worker_is_replaced_and_its_token_handed_on(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second worker gets the token of the first, the third only that of the second."""
    keep = f"open('{tmp_path}/orders', 'a').write(order + '\\n')"
    script = f"{keep}\nready()\nos.kill(os.getpid(), signal.SIGKILL)"
    _program(tmp_path / "program", script, monkeypatch)
    stopping = asyncio.Event()
    starts = iter(range(3))
    slot.on_ready = lambda: stopping.set() if next(starts) == 2 else None

    await slot.keep_running(stopping)

    texts = (tmp_path / "orders").read_text().splitlines()
    first, second, third = [WorkerOrder.from_text(text) for text in texts]
    assert first.dead_tokens == ()
    assert second.dead_tokens == (first.token,)
    assert third.dead_tokens == (second.token,)


async def test_tokens_wait_until_a_successor_is_ready(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A successor that dies before it is ready has released nothing."""
    orders = tmp_path / "orders"
    script = (
        f"file = open('{orders}', 'a+')\nfile.write(order + '\\n')\nfile.flush()\nfile.seek(0)\n"
        "sys.exit(70 if len(file.readlines()) == 1 else 78)"
    )
    _program(tmp_path / "program", script, monkeypatch)
    slot.dead_tokens = ["old"]
    stopping = asyncio.Event()

    async with asyncio.timeout(20):
        code = await slot.keep_running(stopping)

    assert code == 78
    first, second = [WorkerOrder.from_text(text) for text in orders.read_text().splitlines()]
    assert first.dead_tokens == ("old",)
    assert second.dead_tokens == ("old", first.token)


async def test_a_start_that_fails_is_tried_again(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may have no process or no memory left for a moment: other workers go on."""
    program, away = tmp_path / "program", tmp_path / "away"
    _program(program, "ready()\ntime.sleep(60)", monkeypatch)
    program.rename(away)
    stopping = asyncio.Event()
    open_files: list[int] = []

    def before_start() -> None:
        open_files.append(len(list(Path("/proc/self/fd").iterdir())))
        if len(open_files) == 3:
            away.rename(program)

    def end() -> None:
        stopping.set()
        slot.send(signal.SIGTERM)

    slot.on_tokens, slot.on_ready = before_start, end

    async with asyncio.timeout(20):
        code = await slot.keep_running(stopping)

    assert code == exits.OK
    assert open_files[1] == open_files[2]


async def test_a_worker_that_can_not_start_ends_the_service(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong configuration does not get better by trying again."""
    _program(tmp_path / "program", "sys.exit(78)", monkeypatch)

    assert await slot.keep_running(asyncio.Event()) == exits.CONFIG


async def test_a_worker_that_does_not_end_is_killed(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time to drain there is no more waiting."""
    monkeypatch.setattr("pillarbox.supervisor.processes.KILL_AFTER_SECONDS", 0.0)
    _program(
        tmp_path / "program",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nready()\ntime.sleep(60)",
        monkeypatch,
    )
    stopping = asyncio.Event()
    ready = asyncio.Event()
    slot.on_ready = ready.set

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(slot.keep_running(stopping))
        await ready.wait()
        stopping.set()
        await end_workers([slot], 0.2)

    assert slot.process is not None
    assert slot.process.returncode == -signal.SIGKILL
    assert running.result() == exits.SOFTWARE


async def test_a_worker_that_starts_while_the_service_ends_is_ended(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not there yet when the others were told, and would go on for ever."""
    _program(tmp_path / "program", "ready()\ntime.sleep(600)", monkeypatch)
    stopping = asyncio.Event()
    slot.on_tokens = stopping.set

    async with asyncio.timeout(20):
        code = await slot.keep_running(stopping)

    assert code == exits.OK
    assert slot.process is not None
    assert slot.process.returncode == -signal.SIGTERM


def test_pauses_grow_and_a_good_run_ends_them(slot: Slot) -> None:
    """At once, then longer and longer up to the limit; after a good run at once again."""
    pauses = [slot.pause_after(1.0) for _ in range(12)]

    assert pauses[:4] == [0.0, 0.5, 1.0, 2.0]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert slot.pause_after(3600.0) == 0.0
