"""What time servers say (pillarbox.net.clocks)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pillarbox.net.clocks import clock_ahead_seconds, is_clock_kept

EPOCH = 2_208_988_800
ERA = 1 << 32


class TimeServer(asyncio.DatagramProtocol):
    """Answers with its own time, which is `behind` ours; other answers are for tests."""

    def __init__(self, *, behind: float = 0.0, stratum: int = 2, forged: bool = False) -> None:
        self.behind, self.stratum, self.forged = behind, stratum, forged

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep it."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """As RFC 5905 has it, with the mark of who asked."""
        mark = bytes(8) if self.forged else data[40:48]
        now = time.time() - self.behind + EPOCH
        stamp = (int(now) % ERA).to_bytes(4, "big") + int(now % 1 * ERA).to_bytes(4, "big")
        self.transport.sendto(bytes([0x24, self.stratum]) + bytes(22) + mark + stamp * 2, addr)


@asynccontextmanager
async def serving(server: TimeServer) -> AsyncIterator[int]:
    """Its port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@pytest.mark.parametrize("behind", [0.0, 90.0, -7200.0, -15 * 365 * 86_400.0])
async def test_clock_is_compared_with_a_time_server(behind: float) -> None:
    """Before it or behind it, also in the second era of NTP, from 2036 on."""
    async with serving(TimeServer(behind=behind)) as port:
        ahead = await clock_ahead_seconds("127.0.0.1", port)

    assert ahead == pytest.approx(behind, abs=1.0)


async def test_server_that_knows_no_time_is_no_answer() -> None:
    """Stratum 0 says that it has no clock."""
    async with serving(TimeServer(stratum=0)) as port:
        assert await clock_ahead_seconds("127.0.0.1", port) is None


async def test_packet_that_does_not_repeat_our_mark_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Anybody could send it."""
    monkeypatch.setattr("pillarbox.net.clocks.ANSWER_SECONDS", 0.3)
    async with serving(TimeServer(behind=90, forged=True)) as port:
        assert await clock_ahead_seconds("127.0.0.1", port) is None


async def test_port_at_which_nobody_listens_is_no_answer() -> None:
    """Nor is a name that is none."""
    async with serving(TimeServer()) as port:
        pass

    assert await clock_ahead_seconds("127.0.0.1", port) is None
    assert await clock_ahead_seconds("a..b", port) is None


def test_kernel_says_whether_its_clock_is_kept() -> None:
    """Linux does; which it is depends on the machine."""
    assert is_clock_kept() in (True, False)
