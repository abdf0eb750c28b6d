"""How long the doctor takes where nobody answers (pillarbox.doctor.examine)."""

import asyncio
import ssl
import time

import pytest
from tests.gallery.certificates import trust
from tests.gallery.server import Server, serving

from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.findings import findings
from pillarbox.diagnosis.target import read_target
from pillarbox.doctor import Tools, examine
from pillarbox.net.reach import Connect

DEAD_SECONDS = 12.0
TRUST: ssl.SSLContext = trust()


async def _looked_up(_: str) -> list[str]:
    return [f"192.0.2.{n}" for n in range(1, 4)]


async def _look(connect: Connect, first: str) -> Facts:
    began = time.monotonic()
    facts = await examine(read_target("mail.corp.com"), Tools(TRUST, connect, _looked_up))
    seconds = time.monotonic() - began

    assert findings(facts)[0].id == first
    assert seconds < DEAD_SECONDS
    return facts


async def test_host_behind_a_firewall_is_given_up_in_time() -> None:
    """Packets are dropped at all addresses and ports: 24 connections wait at once."""

    async def connect(_: str, __: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await asyncio.Event().wait()
        raise AssertionError

    await _look(connect, "TCP-FILTERED")


@pytest.mark.long
async def test_server_that_says_nothing_is_given_up_in_time() -> None:
    """It takes every connection, in the clear and with TLS, and keeps silent."""
    async with serving(Server(banner="")) as port:

        async def connect(_: str, __: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", port)

        await _look(connect, "BANNER-NONE")
