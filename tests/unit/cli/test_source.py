"""`pillarbox source`, and routes that send from chosen addresses."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.mail_world import open_world
from tests.support.storing import Queue, make_message, now_ms
from tests.unit.cli.conftest import Service

from pillarbox.app.self_look import SelfLooker
from pillarbox.app.source_checks import name_problem
from pillarbox.config import load
from pillarbox.doctor.progress import Progress
from pillarbox.net.binding import why_not_bound

EX_UNAVAILABLE = 69


@pytest.fixture
async def named(office: Service) -> AsyncIterator[Service]:
    """A service that asks a DNS of the test's own."""
    async with open_world() as world:
        address, port = world.dns_server
        text = office.config_file.read_text()
        office.config_file.write_text(f'dns_servers = ["{address}:{port}"]\n{text}')
        yield office


async def test_an_address_of_this_machine_becomes_a_source(named: Service) -> None:
    """With what it may send today; one of another machine is refused with the reason."""
    words = ("--name", "Out.Example.org", "--warm-up", "default")
    added = await asyncio.to_thread(named.run, "source", "add", "127.0.0.1", *words)

    [source] = named.json("source", "list")
    shown = named.do("source", "list")
    refused = named.run("source", "add", "192.0.2.77")

    assert "WARNING: the name of 127.0.0.1 in the DNS (PTR) is missing" in added.stderr
    assert (source["name"], source["allowed_today"]) == ("out.example.org", 50)
    assert source["sent_today"] == 0
    assert "50 today, 50000 at the end" in shown
    assert refused.exit_code == EX_UNAVAILABLE
    assert "give this machine the address" in refused.stderr
    assert why_not_bound("::1") == ""


async def test_a_route_names_its_sources_with_weights(named: Service) -> None:
    """They are shown, changed and taken away again; an unknown one is refused with the fix."""
    await asyncio.to_thread(named.do, "source", "add", "127.0.0.1")
    await asyncio.to_thread(named.do, "source", "add", "::1", "--warm-up", "50,100")
    unknown = named.run("route", "add", "--mx", "--source", "127.0.0.9")
    route = named.json("route", "add", "--mx", "--source", "127.0.0.1=3", "--source", "::1")

    assert unknown.exit_code != 0
    assert "pillarbox source add 127.0.0.9" in unknown.stderr
    pool = [{"address": "127.0.0.1", "weight": 3}, {"address": "::1", "weight": 1}]
    assert route["next_hop"]["sources"] == pool
    assert "from 127.0.0.1 (weight 3), ::1" in named.do("route", "show", route["id"])
    assert named.run("source", "remove", "::1").exit_code != 0
    named.do("route", "change", route["id"], "--source", "none")
    assert named.json("route", "show", route["id"])["next_hop"]["sources"] == []
    await asyncio.to_thread(named.do, "source", "change", "::1", "--warm-up", "none")
    named.do("source", "remove", "::1")
    assert named.run("route", "add", "--capture", "--source", "127.0.0.1").exit_code != 0


async def test_a_name_that_the_dns_does_not_know_is_told_with_the_fix() -> None:
    """PTR and address have to agree with what is said in EHLO."""
    async with open_world() as world:
        world.dns("1.2.0.192.in-addr.arpa", "PTR", "out.example.org.")
        world.dns("2.2.0.192.in-addr.arpa", "PTR", "pool-2.isp.example.")
        world.dns("3.2.0.192.in-addr.arpa", "PTR", "out.example.org.")
        world.dns("out.example.org", "A", "192.0.2.1")
        servers = (world.dns_server,)

        right = await name_problem("192.0.2.1", "out.example.org", servers)
        other = await name_problem("192.0.2.2", "out.example.org", servers)
        none = await name_problem("192.0.2.4", "out.example.org", servers)
        back = await name_problem("192.0.2.3", "out.example.org", servers)

    assert right == ""
    assert "is pool-2.isp.example" in other
    assert "source change 192.0.2.2 --name" in other
    assert "is missing" in none
    assert "add an A record" in back


async def test_the_doctor_looks_at_sources_and_at_mail_that_waits(named: Service) -> None:
    """What is wrong with each address, and the oldest mail that is not held."""
    await asyncio.to_thread(named.do, "source", "add", "127.0.0.1")
    queue = Queue(named.database)
    old = make_message(lanes=(queue.lane,), received_at=now_ms() - 10 * 3_600_000)
    await queue.spool.put(old)

    settings = load(named.config_file, {})
    looked = await SelfLooker(settings, named.database, Progress()).look()

    assert looked.service is not None
    [(address, problem)] = looked.service.sources
    assert address == "127.0.0.1"
    assert "is missing" in problem
    assert looked.service.oldest_seconds > 9 * 3600
