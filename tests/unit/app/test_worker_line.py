"""The line between supervisor and worker carries questions, answers and lanes."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from pillarbox.app.worker_line import HOPS, METRICS, READINESS, SupervisorEnd, WorkerEnd

LANE = 2**63 - 25


class Ends:
    """Both ends, and what they heard."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.woken: asyncio.Queue[int] = asyncio.Queue()
        self.supervisor = SupervisorEnd(ours, self.said.put_nowait)
        self.worker = WorkerEnd(theirs)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """A line that is open."""
    made = Ends()
    yield made
    made.supervisor.close()
    made.worker.close()


async def test_questions_are_answered(ends: Ends) -> None:
    """Two who ask at once get the same answer; a large text comes in one piece."""
    text = b"x" * 100_000
    ends.worker.listen({METRICS: lambda _: text, READINESS: lambda _: b"{}"}, ends.woken.put_nowait)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(ends.supervisor.ask(METRICS, 10)) for _ in range(2)]
        ready = tasks.create_task(ends.supervisor.ask(READINESS, 10))

    assert [task.result() for task in asked] == [text, text]
    assert ready.result() == b"{}"


async def test_each_question_gets_its_own_answer(ends: Ends) -> None:
    """Two of one kind at once, with other details."""
    ends.worker.listen({HOPS: bytes.upper}, ends.woken.put_nowait)

    async with asyncio.TaskGroup() as tasks:
        one = tasks.create_task(ends.supervisor.ask(HOPS, 10, b"one"))
        two = tasks.create_task(ends.supervisor.ask(HOPS, 10, b"two"))

    assert (one.result(), two.result()) == (b"ONE", b"TWO")


async def test_a_worker_that_does_not_answer_is_left_out(ends: Ends) -> None:
    """It has not begun to listen, or hangs; the next question is asked anew."""
    assert await ends.supervisor.ask(METRICS, 0.01) is None

    ends.worker.listen({METRICS: lambda _: b"late"}, ends.woken.put_nowait)

    assert await ends.supervisor.ask(METRICS, 10) == b"late"


async def test_lanes_are_told_once_and_handed_on(ends: Ends) -> None:
    """Mail for the same lane within a moment is one message."""
    other = Ends()
    other.worker.listen({}, other.woken.put_nowait)
    for _ in range(10):
        ends.worker.wake_owner(LANE)

    lanes = await ends.said.get()
    other.supervisor.wake(lanes)

    assert await other.woken.get() == LANE
    assert len(lanes) == 8
    other.supervisor.close()
    other.worker.close()


async def test_the_other_end_may_be_gone(ends: Ends) -> None:
    """A worker that died costs the supervisor nothing."""
    ends.worker.close()

    ends.supervisor.wake(LANE.to_bytes(8))

    assert await ends.supervisor.ask(METRICS, 0.01) is None
