"""Whether the clock of this machine is right: what the kernel says, and what time servers say
(SNTP, RFC 5905)."""

import asyncio
import ctypes
import os
import time
from contextlib import suppress

ANSWER_SECONDS = 3.0

_EPOCH_SECONDS = 2_208_988_800
"""From 1900, where NTP begins, to 1970."""
_CLIENT_VERSION_4 = 0x23
_SERVER_MODE = 4
_PACKET_OCTETS = 48
_UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""


class _Timex(ctypes.Structure):
    """The beginning of struct timex; the rest is longer than that of any kernel."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def is_clock_kept() -> bool | None:
    """Whether some program keeps the clock of the kernel right; None where it does not say. In a
    container it is the clock of the host. No right and no network is needed."""
    state = _Timex()
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.byref(state))
    except (AttributeError, OSError):
        return None
    return None if answer < 0 else not state.status & _UNSYNCHRONISED


class _Asking(asyncio.DatagramProtocol):
    """Takes the first packet that answers ours."""

    def __init__(self, mark: bytes, answer: "asyncio.Future[tuple[bytes, float]]") -> None:
        self._mark = mark
        self._answer = answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Packets that do not repeat our mark are somebody else's."""
        del addr
        if len(data) >= _PACKET_OCTETS and data[24:32] == self._mark and not self._answer.done():
            self._answer.set_result((data, time.time()))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there."""
        if not self._answer.done():
            self._answer.set_exception(exc)


async def clock_ahead_seconds(host: str, port: int) -> float | None:
    """How far this machine's clock is before that of a time server; None without an answer."""
    loop = asyncio.get_running_loop()
    mark = os.urandom(8)
    answer: asyncio.Future[tuple[bytes, float]] = loop.create_future()
    packet = bytes([_CLIENT_VERSION_4]) + bytes(39) + mark
    with suppress(OSError, TimeoutError, UnicodeError):
        async with asyncio.timeout(ANSWER_SECONDS):
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Asking(mark, answer), remote_addr=(host, port)
            )
            try:
                sent = time.time()
                transport.sendto(packet)
                data, heard = await answer
            finally:
                transport.close()
        return _ahead(data, sent, heard)
    return None


def _ahead(data: bytes, sent: float, heard: float) -> float | None:
    """From the middle of our times to the middle of theirs. A server without a clock of its own
    says so: stratum 0, or no time."""
    received, transmitted = _seconds(data[32:40]), _seconds(data[40:48])
    if data[0] & 7 != _SERVER_MODE or not 1 <= data[1] <= 15 or not transmitted:
        return None
    return (sent + heard) / 2 - (received + transmitted) / 2


def _seconds(stamp: bytes) -> float:
    whole = int.from_bytes(stamp[:4], "big")
    if not whole:
        return 0.0
    if whole < 1 << 31:
        # The second era begins in 2036.
        whole += 1 << 32
    return whole - _EPOCH_SECONDS + int.from_bytes(stamp[4:], "big") / (1 << 32)
