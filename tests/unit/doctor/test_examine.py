"""A gallery of servers: the doctor names what is wrong first, and nothing where all is well
(pillarbox.doctor, pillarbox.diagnosis)."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest
import trustme
from tests.support.mail_world import World, open_world
from tests.support.smtp_peer import Peer

from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.findings import findings, working_doors
from pillarbox.diagnosis.report import as_json, render, verdict
from pillarbox.diagnosis.target import read_target
from pillarbox.doctor import Tools, examine

HOST = "mail.corp.com"
Broken: TypeAlias = Callable[[World], Awaitable[None]]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world with nobody in it."""
    async with open_world() as made:
        yield made


async def look(world: World, target: str = HOST, *, seconds: float = 8.0) -> Facts:
    """What the doctor sees."""

    async def lookup(host: str) -> list[str]:
        return list(world.records.get((host, "A"), []))

    tools = Tools(world.trust, world.connect, lookup, session_seconds=seconds)
    return await examine(read_target(target), tools)


def ids(facts: Facts) -> list[str]:
    """The findings by their ids, in their order."""
    return [finding.id for finding in findings(facts)]


def ports(facts: Facts) -> list[int]:
    """The ports that work."""
    return [door.port for door in working_doors(facts)]


async def test_healthy_server_has_no_findings(world: World) -> None:
    """No false alarm; the settings that work stand at the end, TLS from the first octet first."""
    await world.mail(HOST, 25, mechanisms="")
    await world.mail(HOST, 465, 587)

    facts = await look(world)

    assert ids(facts) == []
    assert ports(facts) == [465, 25, 587]
    assert verdict(facts).startswith("OK ")
    assert "Settings that work" in render(facts)
    assert "FAIL" not in render(facts)


@pytest.mark.parametrize(
    ("target", "served", "word"),
    [
        (f"smtps://{HOST}:587", 587, "STARTTLS"),
        (f"submission://{HOST}:465", 465, "SSL/TLS"),
    ],
)
async def test_wrong_way_for_a_port_is_seen(
    world: World, target: str, served: int, word: str
) -> None:
    """The most frequent mistake of all: both ways are tried, so the right one is known."""
    await world.mail(HOST, served)

    facts = await look(world, target)

    assert ids(facts)[0] == "MODE-WRONG"
    assert word in findings(facts)[0].fix
    assert ports(facts) == [served]


async def test_microsoft_on_port_465_is_explained(world: World) -> None:
    """Not "time-out", but that the port was never served."""
    await world.mail("smtp.office365.com", 587, mechanisms="LOGIN XOAUTH2")

    facts = await look(world, "smtp.office365.com:465")

    assert ids(facts) == ["PORT-NOT-SERVED", "AUTH-NO-PLAIN"]
    assert findings(facts)[0].fix == "use port 587 with STARTTLS"


async def _expired(world: World) -> None:
    context = world.tls(HOST, not_after=datetime(2020, 1, 1, tzinfo=UTC))
    await world.mail(HOST, 587, context=context)


async def _other_name(world: World) -> None:
    await world.mail(HOST, 587, certificate="other.com")


async def _unknown_authority(world: World) -> None:
    await world.mail(HOST, 587, context=world.tls(HOST, authority=trustme.CA()))


def _script(*lines: str) -> Broken:
    """A server at port 587 that says these lines, each after the next command."""

    async def talk(peer: Peer) -> None:
        for line in lines:
            peer.send(*line.split("|"))
            await peer.line()
        await peer.until_closed()

    async def build(world: World) -> None:
        await world.mail(HOST, 587, script=talk)

    return build


async def _silent(world: World) -> None:
    async def nothing(peer: Peer) -> None:
        await peer.until_closed()

    await world.mail(HOST, 587, script=nothing)


async def _cuts(world: World) -> None:
    async def cut(peer: Peer) -> None:
        peer.cut()

    await world.mail(HOST, 587, script=cut)


async def _nobody(world: World) -> None:
    world.address_of(HOST)


async def _no_host(_: World) -> None:
    return


@pytest.mark.parametrize(
    ("build", "first"),
    [
        (_no_host, "DNS-NO-HOST"),
        (_nobody, "TCP-REFUSED"),
        (_expired, "TLS-CERT-EXPIRED"),
        (_other_name, "TLS-CERT-NAME"),
        (_unknown_authority, "TLS-CERT-UNTRUSTED"),
        (_script("220 hi", "250-hi|250 AUTH PLAIN"), "STARTTLS-MISSING"),
        (_script("220 hi", "250-hi|250 STARTTLS", "454 TLS not available"), "STARTTLS-REFUSED"),
        (_script("220 hi", "250-hi|250 STARTTLS", "220 go|250 x"), "STARTTLS-INJECTED"),
        (_script("554 no"), "BANNER-REFUSED"),
        (_script("421 too many"), "BANNER-REFUSED"),
        (_script("220 hi", "550 no"), "EHLO-REFUSED"),
        (_script("HTTP/1.1 400 Bad Request"), "SMTP-NOT-SPOKEN"),
        (_cuts, "SMTP-CUT"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("target", [HOST, f"{HOST}:587"])
async def test_broken_server_is_named_first(
    world: World, target: str, build: Broken, first: str
) -> None:
    """With the port named and without."""
    await build(world)

    facts = await look(world, target)

    assert ids(facts)[0] == first
    assert verdict(facts).startswith("FAIL ")
    assert first in render(facts)


async def test_reply_that_is_known_is_explained(world: World) -> None:
    """The words of the server, and what is behind them."""
    said = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using Spamhaus"
    await _script(said)(world)

    first = findings(await look(world))[0]

    assert (first.id, first.evidence) == ("BANNER-REFUSED", said)
    assert "block list" in first.cause


async def test_silent_server_is_given_up(world: World) -> None:
    """It takes the connection and says nothing."""
    await _silent(world)

    facts = await look(world, seconds=0.5)

    assert ids(facts)[0] == "BANNER-NONE"


async def test_filtered_port_is_told_from_a_closed_one(world: World) -> None:
    """No answer at all is a firewall, most of the time."""

    async def connect(_: str, __: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise TimeoutError

    async def lookup(_: str) -> list[str]:
        return ["11.0.0.1"]

    facts = await examine(read_target(HOST), Tools(world.trust, connect, lookup))

    assert ids(facts)[0] == "TCP-FILTERED"


async def test_login_before_tls_is_a_warning(world: World) -> None:
    """It works, but passwords could go in the clear."""
    context = world.tls(HOST)

    async def careless(peer: Peer) -> None:
        await peer.greet("STARTTLS", "AUTH PLAIN")
        await peer.expect("STARTTLS")
        peer.send("220 go")
        await peer.start_tls(context)
        await peer.hello("AUTH PLAIN")
        await peer.until_closed()

    await world.mail(HOST, 587, script=careless)

    facts = await look(world)

    assert ids(facts) == ["AUTH-BEFORE-TLS"]
    assert verdict(facts).startswith("WARN ")


async def test_server_without_a_login_is_a_warning(world: World) -> None:
    """Port 25 takes mail of others and needs none; port 587 does."""
    await world.mail(HOST, 25, 587, mechanisms="")

    assert ids(await look(world)) == ["AUTH-NOT-OFFERED"]


async def test_one_address_that_fails_is_a_warning(world: World) -> None:
    """Clients meet it by chance; each address is looked at."""
    await world.mail(HOST, 587)
    world.dns(HOST, "A", "11.0.0.99")

    facts = await look(world)

    assert ids(facts) == ["TCP-REFUSED"]
    assert findings(facts)[0].where == "port 587 at 11.0.0.99"
    assert verdict(facts).startswith("WARN ")


async def test_address_that_this_machine_can_not_reach_is_no_alarm(world: World) -> None:
    """A machine without IPv6 says nothing about the server's IPv6."""
    await world.mail(HOST, 587)

    async def lookup(_: str) -> list[str]:
        return [world.address_of(HOST), "2001:db8::25"]

    async def connect(address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if ":" in address:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return await world.connect(address, port)

    facts = await examine(read_target(HOST), Tools(world.trust, connect, lookup))

    assert verdict(facts).startswith("OK ")
    assert ids(facts) == ["TCP-UNREACHABLE"]


async def test_json_says_what_the_text_says(world: World) -> None:
    """With its version, the stages and their times."""
    await world.mail(HOST, 587, mechanisms="LOGIN XOAUTH2")

    told = as_json(await look(world, f"{HOST}:587"))

    assert isinstance(told, dict)
    assert told["version"] == 1
    assert told["ok"] is True
    assert told["working"] == [{"port": 587, "encryption": "starttls"}]
    [attempt] = [a for a in told["attempts"] if a["works"]]
    assert [step["stage"] for step in attempt["steps"]] == [
        *("tcp", "banner", "ehlo", "starttls", "tls", "auth"),
    ]
    assert attempt["mechanisms"] == ["LOGIN", "XOAUTH2"]
