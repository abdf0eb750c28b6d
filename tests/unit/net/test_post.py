"""Handing octets to a web server that a stranger names: bounded in place, size and time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.mail_world import Page, World, open_world, page, redirect, silence

from pillarbox.net import post as module
from pillarbox.net.dns import DnsResolver
from pillarbox.net.fetch import FetchError
from pillarbox.net.post import post
from pillarbox.net.reach import Reach

HOST = "reports.far.example"
URL = f"https://{HOST}/v1?x=1"
KIND = "application/tlsrpt+gzip"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """No server yet."""
    async with open_world() as made:
        yield made


async def _post(world: World, url: str = URL, content: bytes = b"\x1f\x8b\x00") -> None:
    reach = Reach(DnsResolver.of_servers([world.dns_server]), world.trust, world.connect)
    await post(url, reach, content, kind=KIND)


async def _refused(world: World, url: str = URL) -> str:
    with pytest.raises(FetchError) as raised:
        await _post(world, url)
    return str(raised.value)


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "204 No Content"])
async def test_a_server_takes_it(world: World, status: str) -> None:
    """Type, length and every octet; once."""
    await world.web(HOST, {"/v1": page("", status=status)})
    content = bytes(range(256)) * 1000

    await _post(world, content=content)

    assert world.posted == [(KIND, content)]
    assert world.requests == [f"{HOST} POST /v1?x=1 HTTP/1.1"]


async def _endless(writer: asyncio.StreamWriter) -> None:
    """A head, and content without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def _long_head(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"X-More: " + b"x" * 60_000)
        await writer.drain()


async def test_an_endless_answer_is_not_read(world: World) -> None:
    """Its status is enough."""
    await world.web(HOST, {"/v1": _endless})

    await _post(world)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (page("", status="500 Broken"), "the server answered 500"),
        (redirect("https://elsewhere.example/"), "the server answered 302"),
        (_long_head, "the answer is no HTTP"),
    ],
)
async def test_a_server_does_not_take_it(world: World, answer: Page, said: str) -> None:
    """Nothing is followed, and nothing is kept of what has no end."""
    await world.web(HOST, {"/v1": answer})

    assert await _refused(world) == said


async def test_a_silent_server_gets_its_time_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is for all of it."""
    monkeypatch.setattr(module, "POST_SECONDS", 0.5)
    await world.web(HOST, {"/v1": silence})

    assert await _refused(world) == "it took too long"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1"])
async def test_no_private_network_is_reached(world: World, address: str) -> None:
    """Whatever the record of a domain names (SSRF)."""
    world.dns("inside.far.example", "AAAA" if ":" in address else "A", address)

    assert "private network" in await _refused(world, "https://inside.far.example/")
    assert not world.connections


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/v1",
        f"https://{HOST}:8080/v1",
        f"https://user:secret@{HOST}/v1",
        "https://127.0.0.1/v1",
        "https:///v1",
        f"https://{HOST}/a b",
    ],
)
async def test_other_services_are_not_reached(world: World, url: str) -> None:
    """HTTPS at its port, by a name."""
    await world.web(HOST, {"/v1": page("")})

    await _refused(world, url)

    assert not world.posted


async def test_a_certificate_for_another_name_is_not_taken(world: World) -> None:
    """Nobody between gets to know what was counted."""
    await world.web(HOST, {"/v1": page("")}, certificate="other.example")

    assert await _refused(world) == "certificate name mismatch"
    assert not world.posted
