"""`pillarbox domain dns`, with a DNS server of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import dns.zone
import pytest
from tests.support.mail_world import World, open_world
from tests.unit.cli.conftest import Service

DOMAIN = "example.org"
EX_USAGE = 64
EX_DATA = 65
EX_TEMPFAIL = 75
FOUND = ("v=spf1 mx -all", "v=DMARC1; p=none")


@pytest.fixture
async def world(office: Service) -> AsyncIterator[World]:
    """The DNS that the configuration of the office names; the host has an address."""
    async with open_world() as world:
        address, port = world.dns_server
        text = office.config_file.read_text()
        office.config_file.write_text(f'dns_servers = ["{address}:{port}"]\n{text}')
        world.dns("mail.example.org", "A", "192.0.2.1")
        yield world


async def _run(office: Service, *options: str) -> tuple[int, str]:
    result = await asyncio.to_thread(office.run, "domain", "dns", DOMAIN, *options)
    return result.exit_code, result.stdout


async def _json(office: Service, *options: str) -> tuple[int, dict[str, Any], list[str]]:
    """Exit code, the records by purpose, and the forecasts."""
    code, text = await _run(office, "--json", *options)
    shown = json.loads(text)
    records = {record["purpose"]: record for record in shown["records"]}
    return code, records, [forecast["dmarc"] for forecast in shown["forecasts"]]


def _publish(world: World, lines: str) -> None:
    """Let the DNS have what stands in lines for a zone file."""
    zone = dns.zone.from_text(f"$TTL 60\n{lines}", ".", relativize=False, check_origin=False)
    for name, node in zone.nodes.items():
        for rdataset in node:
            texts = [rdata.to_text() for rdata in rdataset]
            world.dns(name.to_text(True), dns.rdatatype.to_text(rdataset.rdtype), *texts)


async def test_what_a_zone_file_gets_is_right(office: Service, world: World) -> None:
    """From nothing to mail that passes by both, by what the command prints."""
    key = office.json("dkim", "create", DOMAIN)
    office.do("dkim", "activate", DOMAIN, key["selector"])
    code, records, forecasts = await _json(office)
    assert (code, forecasts) == (EX_DATA, ["fail"])
    assert {record["dns"] for record in records.values()} == {"missing"}
    assert records["submissions"]["value"] == "0 1 465 mail.example.org."

    _, lines = await _run(office, "--zone")
    _publish(world, lines)
    code, records, forecasts = await _json(office)

    assert {purpose: record["dns"] for purpose, record in records.items()} == dict.fromkeys(
        ("spf", "dkim", "dmarc", "submissions", "submission", "mta-sts", "tls-rpt"), "right"
    )
    assert (code, forecasts) == (0, ["both"])


async def test_people_read_what_to_do(office: Service, world: World) -> None:
    """The line to publish beside what is there, and what comes of it."""
    world.dns(DOMAIN, "TXT", f'"{FOUND[0]}"')
    world.dns(f"_dmarc.{DOMAIN}", "TXT", f'"{FOUND[1]}"')

    code, text = await _run(office, "--address", "198.51.100.7")

    assert code == EX_DATA
    assert "spf: wrong: this host (mail.example.org): fail for 198.51.100.7" in text
    assert 'publish  example.org. IN TXT "v=spf1 mx a:mail.example.org -all"' in text
    assert all(f"in DNS   {found}" in text for found in FOUND)
    assert "pillarbox dkim create example.org" in text
    assert "this host (mail.example.org): fails DMARC" in text


async def test_optional_records_are_no_fault(office: Service, world: World) -> None:
    """Nor are those of a domain that sends by SPF alone."""
    world.dns(DOMAIN, "TXT", '"v=spf1 a:mail.example.org -all"')
    world.dns(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=none"')

    code, records, forecasts = await _json(office)

    assert (code, forecasts) == (0, ["spf"])
    assert not records["mta-sts"]["needed"]


async def test_a_claim_is_among_them(office: Service, world: World) -> None:
    """So that all can be published at once."""
    del world
    office.do("domain", "add", "claimed.example", "--proof", "dns")

    result = await asyncio.to_thread(office.run, "domain", "dns", "claimed.example", "--json")

    records = {record["purpose"]: record for record in json.loads(result.stdout)["records"]}
    assert (records["ownership"]["needed"], records["ownership"]["dns"]) == (True, "missing")


async def test_a_dns_that_is_away_is_no_verdict(office: Service, world: World) -> None:
    """Try later, and nothing is said to be missing."""
    world.broken |= {DOMAIN, *(f"{name}.{DOMAIN}" for name in ("_dmarc", "_mta-sts", "_smtp._tls"))}
    world.broken |= {f"{label}._tcp.{DOMAIN}" for label in ("_submissions", "_submission")}

    code, text = await _run(office)

    assert code == EX_TEMPFAIL
    assert "missing" not in text
    assert (await _run(office, "--address", "mail.example.org"))[0] == EX_USAGE


async def test_the_return_path_has_its_records(office: Service, world: World) -> None:
    """Also for a domain below the one that has it."""
    for name in ("bounces.example.org", "sub.example.org"):
        office.do("domain", "add", name)
    office.do("domain", "change", DOMAIN, "--return-path", "bounces.example.org")
    result = await asyncio.to_thread(office.run, "domain", "dns", "sub.example.org", "--zone")
    _publish(world, result.stdout)

    text = office.config_file.read_text()
    listeners = '[[listeners]]\nport = 587\n[[listeners]]\nport = 25\npurpose = "returns"\n'
    office.config_file.write_text(f"{text}\n{listeners}")

    _, records, _ = await _json(office)

    assert records["return-path"]["value"] == "10 mail.example.org."
    assert records["submission"]["value"].endswith(" 587 mail.example.org.")
    assert records["return-path"]["dns"] == records["return-path-spf"]["dns"] == "right"
