"""Heals clients that speak TLS from the first octet on a port that begins in plain text.

Their first connection can not be saved: the greeting has gone out in plain text before they say
anything. So their address is remembered, and its next connections wait a moment for a ClientHello
before the greeting. Others never wait. Several clients behind one address share the memory; for
those that do it right the greeting comes a moment later.
"""

import asyncio
import socket
from collections import OrderedDict
from dataclasses import dataclass

from pillarbox.explain.refusals import Refusal
from pillarbox.observe.log import log
from pillarbox.reception.services import Door
from pillarbox.reception.sessions import Story

MAX_SOURCES = 4096
"""The address that was not seen for the longest time is forgotten first."""

FORGET_AFTER = 10
"""So many connections in a row without a ClientHello show that the client was corrected. One is not
enough: behind one address of a NAT others may stand that did it right all the time."""

HEALED = " (without STARTTLS)"
"""Stands behind the encryption of a session that was healed."""

ADVICE = "set the client to port 465 with SSL/TLS, or to STARTTLS on the port that it uses now"

_HANDSHAKE = 0x16
_MAJOR_VERSION = 3


@dataclass(slots=True)
class _Seen:
    """A source that has begun with TLS. `right` counts its connections since that did not."""

    until: float
    right: int = 0
    is_healed: bool = False


class WrongPorts:
    """The sources (an IPv4 address, an IPv6 /64) that are expected to begin with TLS.

    In the memory of one process: after a restart a client fails once more.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def expects(self, source: str, door: Door) -> bool:
        """Whether a connection from there should wait for a ClientHello."""
        seen = self._seen.get(source)
        if seen is None or door.certificate is None:
            return False
        if seen.until <= door.services.clock.seconds():
            del self._seen[source]
            return False
        return door.services.limits.wrong_port_wait_seconds > 0

    def take_over(
        self, transport: asyncio.Transport, source: str, door: Door
    ) -> socket.socket | None:
        """The socket of a fresh transport that should wait, which is over then; None: it should
        not. To pause it would not do: uvloop begins to read behind `connection_made`."""
        if source not in self._seen or not self.expects(source, door):
            return None
        try:
            taken: socket.socket = transport.get_extra_info("socket").dup()
        except OSError:
            # Too many open files: then it is not healed.
            return None
        taken.setblocking(False)
        transport.set_protocol(asyncio.Protocol())
        transport.abort()
        return taken

    def remember(self, source: str, door: Door, story: Story) -> None:
        """A session began with TLS where its greeting had gone out in plain text."""
        if self._keep(source, door):
            log.warning(
                "reception.wrong_port",
                session_id=story.text_id,
                listener=story.listener,
                address=story.address,
                advice=ADVICE,
            )

    def settle(self, source: str, tls: str, door: Door, story: Story) -> str:
        """A connection has waited: its encryption, "" if it did not begin with TLS. What the
        session shall say of it."""
        if not tls:
            self._count_right(source)
            return ""
        self._keep(source, door)
        seen = self._seen[source]
        if not seen.is_healed:
            seen.is_healed = True
            story.refusals.append(Refusal.WRONG_PORT_HEALED)
            log.warning(
                "reception.wrong_port_healed",
                session_id=story.text_id,
                listener=story.listener,
                address=story.address,
                advice=ADVICE,
            )
        return tls + HEALED

    def _count_right(self, source: str) -> None:
        seen = self._seen.get(source)
        if seen is not None:
            seen.right += 1
            if seen.right >= FORGET_AFTER:
                del self._seen[source]

    def _keep(self, source: str, door: Door) -> bool:
        """Remember the source from now on; whether it was not known."""
        services = door.services
        now = services.clock.seconds()
        before = self._seen.pop(source, None)
        is_new = before is None or before.until <= now
        seen = _Seen(now + services.limits.wrong_port_memory_seconds)
        seen.is_healed = not is_new and before is not None and before.is_healed
        self._seen[source] = seen
        if len(self._seen) > MAX_SOURCES:
            self._seen.popitem(last=False)
        return is_new


def begins_tls(octets: bytes) -> bool:
    """Whether these are the first octets of a handshake record (RFC 8446 5.1), or may be."""
    return octets[:1] == bytes((_HANDSHAKE,)) and octets[1:2] in (b"", bytes((_MAJOR_VERSION,)))


async def hears_tls(accepted: socket.socket, wait_seconds: float) -> bool:
    """Wait for the first octets of a connection; whether they begin TLS.

    They are only looked at, so that the handshake still finds them.
    """
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(accepted.fileno(), came.set)
    try:
        async with asyncio.timeout(wait_seconds):
            await came.wait()
        return begins_tls(accepted.recv(2, socket.MSG_PEEK))
    except OSError:
        # TimeoutError is one of them.
        return False
    finally:
        loop.remove_reader(accepted.fileno())
