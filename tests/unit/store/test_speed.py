"""What a message costs in the store; run by `make bench`. CPU time counts, not that of the disk."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest
from tests.support.storing import Queue, make_message, settlement

pytestmark = pytest.mark.bench

MESSAGES = 4_000
PUT_MICROSECONDS = 60
SETTLE_MICROSECONDS = 60
"""At 20 in a commit, on SQLite; twice of what is measured on a quiet machine with 2 cores."""


async def _measure(
    works: Sequence[Callable[[], Awaitable[object]]], together: int
) -> tuple[float, float]:
    """Microseconds of CPU time and of time for one piece of work, so many at a time."""
    waiting = iter(works)

    async def client() -> None:
        for work in waiting:
            await work()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(together)))
    scale = 1e6 / len(works)
    return (time.process_time() - cpu) * scale, (time.perf_counter() - wall) * scale


@pytest.mark.parametrize("together", [1, 20, 100])
async def test_a_put_and_a_settlement_are_cheap(queue: Queue, together: int) -> None:
    """Both run once for every message."""
    count = MESSAGES if together > 1 else MESSAGES // 10
    messages = [make_message(lanes=(queue.lane,), content=bytes(4096)) for _ in range(count)]
    results = [settlement(message) for message in messages]
    figures = [
        await _measure(works, together)
        for works in (
            [partial(queue.spool.put, message) for message in messages],
            [partial(queue.spool.settle, result) for result in results],
        )
    ]

    kind = "sqlite" if queue.database.file else "postgresql"
    text = ", ".join(
        f"{name} {cpu:.0f} µs CPU {wall:.0f} µs"
        for name, (cpu, wall) in zip(("put", "settle"), figures, strict=True)
    )
    print(f"{kind}, {together} together: {text}")  # noqa: T201 - the figures are the result
    if kind == "sqlite" and together >= 20:
        assert figures[0][0] < PUT_MICROSECONDS
        assert figures[1][0] < SETTLE_MICROSECONDS
