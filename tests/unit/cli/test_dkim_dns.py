"""`pillarbox dkim check` and `rotate`, with a DNS server of their own."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from tests.support.mail_world import World, open_world
from tests.unit.cli.conftest import Service

DOMAIN = "example.org"
EX_DATA = 65
EX_NO_SUCH = 67


@pytest.fixture
async def world(office: Service) -> AsyncIterator[World]:
    """The DNS that the configuration of the office names."""
    async with open_world() as world:
        address, port = world.dns_server
        text = office.config_file.read_text()
        office.config_file.write_text(f'dns_servers = ["{address}:{port}"]\n{text}')
        yield world


async def _check(office: Service) -> tuple[int, dict[str, str]]:
    """Exit code, and what DNS says by selector."""
    result = await asyncio.to_thread(office.run, "dkim", "check", "--json")
    return result.exit_code, {key["selector"]: key["dns"] for key in json.loads(result.stdout)}


async def test_check_asks_the_dns_that_is_configured(office: Service, world: World) -> None:
    """A key that signs and can not be verified is an error; one that does not sign yet is none."""
    key = office.json("dkim", "create", DOMAIN, "--selector", "one")
    assert await _check(office) == (0, {"one": "missing"})

    office.do("dkim", "activate", DOMAIN, "one")
    assert await _check(office) == (EX_DATA, {"one": "missing"})

    value = key["record"]["value"]
    world.dns(key["record"]["name"], "TXT", f'"{value[:200]}" "{value[200:]}"')
    assert await _check(office) == (0, {"one": "right"})

    world.is_dead = True
    assert await _check(office) == (EX_DATA, {"one": "no answer"})


def test_rotate_makes_a_successor_of_each_active_key(office: Service) -> None:
    """Of its algorithm; they wait for their records."""
    for selector, algorithm in (("one", "rsa-sha256"), ("two", "ed25519-sha256")):
        office.do("dkim", "create", DOMAIN, "--selector", selector, "--algorithm", algorithm)
        office.do("dkim", "activate", DOMAIN, selector)

    made = office.json("dkim", "rotate", DOMAIN)

    assert sorted(key["algorithm"] for key in made) == ["ed25519-sha256", "rsa-sha256"]
    assert {key["state"] for key in made} == {"new"}
    states = [key["state"] for key in office.json("dkim", "list")]
    assert sorted(states) == ["active", "active", "new", "new"]


def test_there_is_nothing_to_rotate(office: Service) -> None:
    """The first key is made, not rotated."""
    result = office.run("dkim", "rotate", DOMAIN)
    assert (result.exit_code, "dkim create" in result.stderr) == (EX_NO_SUCH, True)
