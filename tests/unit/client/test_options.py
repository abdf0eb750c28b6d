"""What connect() is given: limits that are none, and those that can not be used."""

import math
from typing import Any

import pytest
from tests.support.sending import Face, letter
from tests.support.smtp_peer import serve
from tests.support.taking_peer import take_many

from pillarbox.client import ArgumentError, Pool, Timeouts, connect

NO_LIMIT = [None, math.inf, Timeouts(connect=None, reply=None, block=1e12, confirmation=None)]


@pytest.mark.parametrize("limit", NO_LIMIT, ids=["none", "inf", "each"])
async def test_no_limit_can_be_set(face: Face, limit: Any) -> None:
    """As with smtplib and most others, None waits as long as it takes."""
    pool = Pool(age=math.inf, idle=math.inf, wait=math.inf)
    async with serve(take_many) as server:
        client = face.client(server.port, timeout=limit, pool=pool)
        results = [await face.send(client, letter()) for _ in range(2)]
        await face.close(client)

    assert all(result.is_complete for result in results)


@pytest.mark.parametrize("timeout", [0, -1, math.nan, "30", True, Timeouts(block=0)])
def test_limit_that_can_not_be_kept_is_refused_in_words(timeout: Any) -> None:
    """Zero would never get an answer, and a negative one would wait for ever."""
    with pytest.raises(ArgumentError, match=r"(timeout|block)=.*fix: write seconds, or None"):
        connect("smtp://mx.test", timeout=timeout)


POOLS: list[dict[str, Any]] = [
    *({"connections": None}, {"messages": 2.5}, {"age": None}, {"idle": -1}, {"wait": math.nan}),
    *({"rate": (0, 1)}, {"rate": (1, 0)}, {"rate": 5}, {"rate": (1, "s")}),
]


@pytest.mark.parametrize("options", POOLS, ids=repr)
def test_pool_that_can_not_be_used_is_refused_in_words(options: dict[str, Any]) -> None:
    """When the client is made, and not by some error of the first message."""
    with pytest.raises(ArgumentError, match="fix:") as raised:
        connect("smtp://mx.test", pool=Pool(**options))

    assert next(iter(options)) in str(raised.value)
