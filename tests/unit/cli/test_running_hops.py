"""cli.running_hops: what the workers of a service know, added up."""

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import orjson
import pytest

from pillarbox.app.hop_report import page_of
from pillarbox.app.service_socket import NAME, ServiceSocket
from pillarbox.cli.running_hops import read_running
from pillarbox.delivery.hop_state import ConnectionsState, LaneState, SiteState

Workers: TypeAlias = list[list[LaneState]]
Serve: TypeAlias = Callable[[Workers], "asyncio.Future[None]"]


def _lane(hop: str, *, busy: int = 1, site: str = "") -> LaneState:
    connections = ConnectionsState(open=busy, allowed=2, cap=5, grows_after=busy)
    return LaneState(hop, busy, connections, None, "250 ok", "mx", "", site)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What ends with the test."""
    async with AsyncExitStack() as made:
        yield made


async def _serve(stack: AsyncExitStack, folder: Path, *workers: list[LaneState]) -> None:
    """A service whose workers know these lanes; the last one does not answer."""

    async def answer(question: bytes) -> bytes:
        asked = json.loads(question)
        if asked["what"] == "sites":
            site = SiteState("a b", 2, ConnectionsState(), None, "", "DANE")
            answers = [page_of([("a b", site)], asked["after"], asked["limit"])]
        else:
            known = [[(lane.hop, lane) for lane in lanes] for lanes in workers]
            answers = [page_of(lanes, asked["after"], asked["limit"]) for lanes in known]
        return orjson.dumps({"silent": 1, "answers": answers})

    served = ServiceSocket(folder, answer)
    await served.start()
    stack.push_async_callback(served.close)


async def test_the_lanes_of_all_workers_add_up_however_many_there_are(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    """Over several pages, also where one worker knows names that lie between those of another."""
    many = [_lane(f"mx:{number:04}.example") for number in range(1200)]
    some = [_lane(f"mx:{number:04}.example", busy=2, site="a b") for number in range(1, 1300, 2)]
    await _serve(stack, tmp_path, many, some)

    running = await asyncio.to_thread(read_running, tmp_path, None)

    assert len(running.lanes) == 1250
    assert sum(lane.in_flight for lane in running.lanes.values()) == 1200 + 2 * 650
    both = running.lanes["mx:0001.example"]
    assert (both.connections.open, both.connections.allowed, both.connections.cap) == (3, 4, 10)
    assert (both.connections.grows_after, both.site) == (1, "a b")
    assert running.sites["a b"].security == "DANE"
    assert running.silent == 1


async def test_only_the_user_of_the_service_may_ask(stack: AsyncExitStack, tmp_path: Path) -> None:
    """Answers name the domains that mail goes to; a long name of the folder is no hindrance."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    (folder / NAME).write_text("of a service that was killed")
    await _serve(stack, folder, [])

    running = await asyncio.to_thread(read_running, folder, {"mx:one.example"})

    assert (folder / NAME).stat().st_mode & 0o777 == 0o600
    assert not running.trouble
    assert not running.sites


class Ear(io.StringIO):
    """Standard error of a command in another thread; `heard` once there is something on it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()
        self._tell = asyncio.get_running_loop().call_soon_threadsafe

    def write(self, text: str) -> int:
        """Keep it, and say so."""
        written = super().write(text)
        if text:
            self._tell(self.heard.set)
        return written


async def test_a_service_that_hangs_is_waited_for_with_a_word(
    stack: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People would take the command for the one that hangs."""
    ended, ear = asyncio.Event(), Ear()
    monkeypatch.setattr(sys, "stderr", ear)

    async def hang(_: bytes) -> bytes:
        await ended.wait()
        return b""

    served = ServiceSocket(tmp_path, hang)
    await served.start()
    stack.push_async_callback(served.close)

    asking = asyncio.create_task(asyncio.to_thread(read_running, tmp_path, None))
    async with asyncio.timeout(9):
        await ear.heard.wait()
    is_over = asking.done()
    ended.set()

    assert "is waited for up to 10 seconds" in ear.getvalue()
    assert not is_over
    assert (await asking).trouble == "its answer is not whole"


def test_a_service_that_does_not_run_knows_nothing(tmp_path: Path) -> None:
    """Then the store has to do."""
    assert read_running(tmp_path, None).trouble == "No such file or directory"
