"""What strangers do to a search for settings: attacks rows 67 and 68, and servers that lie
(pillarbox.client.discovery, net.fetch, net.reach). The deadline is 10 seconds in real life."""

import asyncio
import time

import pytest
from tests.support.mail_world import (
    World,
    autoconfig,
    page,
    redirect,
    silence,
)
from tests.support.smtp_peer import Peer
from tests.unit.client.discovery.conftest import Search

from pillarbox.discovery.answer import Discovery
from pillarbox.discovery.findings import CheckState, Source

ADDRESS = "ann@corp.com"
CONFIG = "/mail/config-v1.1.xml"
AUTOCONFIG = "autoconfig.corp.com"

BILLION_LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<clientConfig>&c;</clientConfig>"""
EXTERNAL = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<clientConfig>&a;</clientConfig>"""


def outcome(found: Discovery, source: Source = Source.AUTOCONFIG) -> str:
    """What came of asking a source."""
    return next(asked.outcome for asked in found.asked if asked.source is source)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.1"),
        *("224.0.0.1", "255.255.255.255"),
    ],
)
async def test_row_67_server_in_a_private_network_is_not_connected_to(
    world: World, search: Search, address: str
) -> None:
    """Whoever controls a domain could have us look around in our own network."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")
    world.dns("mail.corp.com", "A", address)
    await world.mail("other.com", 587)

    found = await search(ADDRESS)

    assert found.best is None
    assert "private network" in found.rejected[0].checks[0].problem
    assert not world.connections


@pytest.mark.parametrize(
    "address",
    [
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
    ],
)
async def test_row_67_nor_by_an_ipv6_address_that_leads_there(
    world: World, search: Search, address: str
) -> None:
    """Mapped, compatible, 6to4 and NAT64 addresses are judged as what they carry."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")
    world.dns("mail.corp.com", "AAAA", address)

    found = await search(ADDRESS)

    assert found.best is None
    assert not world.connections


async def test_row_67_own_private_servers_can_be_asked_for(world: World, search: Search) -> None:
    """With the option, and for hosts of the domain itself only."""
    servers = ("0 1 587 mail.corp.com.", "9 1 587 mail.evil.com.")
    world.dns("_submission._tcp.corp.com", "SRV", *servers)
    world.dns("mail.corp.com", "A", "10.0.0.25")
    world.dns("mail.evil.com", "A", "10.0.0.26")

    await search(ADDRESS, allow_private=True)

    assert {address for address, _ in world.connections} == {"10.0.0.25"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "localhost", "0x7f.1", "a b.com", "[::1]"]
)
async def test_row_67_document_that_names_an_address_is_not_believed(
    world: World, search: Search, host: str
) -> None:
    """Hosts have names; texts that some programs read as addresses are not even looked up."""
    await world.web(AUTOCONFIG, {CONFIG: autoconfig(host)})

    found = await search(ADDRESS)

    assert found.best is None
    assert {port for _, port in world.connections} <= {80, 443}


async def test_row_67_name_that_flips_gains_nothing(world: World, search: Search) -> None:
    """DNS rebinding: the connection goes to the address that was judged, not to the name."""
    await world.web(AUTOCONFIG, {CONFIG: autoconfig("smtp.corp.com")})
    await world.mail("smtp.corp.com", 587)
    world.flip(AUTOCONFIG, "127.0.0.1")
    world.flip("smtp.corp.com", "127.0.0.1")

    await search(ADDRESS)

    assert "127.0.0.1" not in {address for address, _ in world.connections}


@pytest.mark.parametrize(
    "location",
    [
        *("https://127.0.0.1/", "https://localhost/", "http://corp.com/", "file:///etc/passwd"),
        *("https://corp.com:8443/", "https://user@corp.com/", "ftp://corp.com/", "https://[::1"),
        "https://inside.corp.com/",
    ],
)
async def test_row_68_redirect_to_elsewhere_is_refused(
    world: World, search: Search, location: str
) -> None:
    """HTTPS at port 443 of a public host, or nothing."""
    world.dns("inside.corp.com", "A", "10.0.0.1")
    await world.web(AUTOCONFIG, {CONFIG: redirect(location)})

    found = await search(ADDRESS)

    assert found.best is None
    assert outcome(found).startswith("failed: https://autoconfig.corp.com/mail/config-v1.1.xml:")
    assert {port for _, port in world.connections} <= {80, 443}
    assert world.count(AUTOCONFIG) == 1


async def test_row_68_few_redirects_are_followed(world: World, search: Search) -> None:
    """Three lead to the document; a circle ends."""
    pages = {
        CONFIG: redirect("/b"),
        "/b": redirect("https://www.corp.com/c"),
        "/loop": redirect("/loop"),
    }
    await world.web(AUTOCONFIG, pages)
    await world.web("www.corp.com", {"/c": autoconfig("smtp.corp.com")})
    await world.web("corp.com", {"/.well-known/autoconfig" + CONFIG: redirect("/loop")})
    await world.mail("smtp.corp.com", 587)

    found = await search(ADDRESS)

    assert found.best is not None
    assert found.best.source is Source.AUTOCONFIG


async def test_row_68_circle_of_redirects_ends(world: World, search: Search) -> None:
    """After the third redirect it is over."""
    await world.web(AUTOCONFIG, {CONFIG: redirect(CONFIG)})

    found = await search(ADDRESS)

    assert "redirected too often" in outcome(found)
    assert world.count(AUTOCONFIG) == 4


async def test_row_68_certificate_of_another_name_is_refused(world: World, search: Search) -> None:
    """Web server and mail server alike."""
    await world.web(AUTOCONFIG, {CONFIG: autoconfig("smtp.corp.com")}, certificate="evil.com")
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")
    await world.mail("mail.corp.com", 587, certificate="evil.com")

    found = await search(ADDRESS)

    assert "certificate name mismatch" in outcome(found)
    assert found.best is None
    assert found.rejected[0].checks[0].problem == "certificate name mismatch"


@pytest.mark.parametrize("size", [70_000, 20_000_000])
async def test_row_68_huge_document_is_refused(world: World, search: Search, size: int) -> None:
    """Beyond 64 KiB nobody reads on."""
    await world.web(AUTOCONFIG, {CONFIG: page(b" " * size)})

    assert "too large" in outcome(await search(ADDRESS))


async def test_row_68_endless_header_is_refused(world: World, search: Search) -> None:
    """A header that does not end takes 16 KiB and no more."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"a" * 4096)
            await writer.drain()

    await world.web(AUTOCONFIG, {CONFIG: endless})

    assert "no HTTP" in outcome(await search(ADDRESS))


@pytest.mark.parametrize("document", [BILLION_LAUGHS, EXTERNAL])
async def test_row_68_document_with_entities_is_refused(
    world: World, search: Search, document: str
) -> None:
    """Neither bombs nor files of this machine."""
    await world.web(AUTOCONFIG, {CONFIG: page(document)})

    assert "document type" in outcome(await search(ADDRESS))


async def test_row_68_slow_servers_do_not_hold_up_the_others(world: World, search: Search) -> None:
    """Web servers that never answer and a DNS that is silent about some names."""
    await world.web(AUTOCONFIG, {CONFIG: silence})
    await world.web("v1.ispdb.net", {"/corp.com": silence})
    world.mute |= {"_submissions._tcp.corp.com", "corp.com"}
    await world.mail("mail.corp.com", 587)
    world.mute.add("smtp.corp.com")
    began = time.monotonic()

    found = await search(ADDRESS, seconds=2)

    assert time.monotonic() - began < 8
    assert "not waited for" in {asked.outcome for asked in found.asked}


async def test_silent_mail_server_does_not_outlast_the_deadline(
    world: World, search: Search
) -> None:
    """It takes the connection and says nothing; the settings are told, unverified."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")
    await world.mail("mail.corp.com", 587, script=lambda peer: _says(peer, b""))
    began = time.monotonic()

    found = await search(ADDRESS, seconds=1)

    assert time.monotonic() - began < 5
    assert not found.suggestions or not found.suggestions[0].is_verified


async def test_dead_dns_is_told_within_the_deadline(world: World, search: Search) -> None:
    """Nothing answers: no server was found, and the reason is there."""
    world.is_dead = True
    began = time.monotonic()

    found = await search(ADDRESS, seconds=2)

    assert time.monotonic() - began < 8
    assert found.best is None


async def test_failing_dns_is_told_and_does_not_hide_the_rest(world: World, search: Search) -> None:
    """SERVFAIL is no answer: neither "there is none" nor the end of the search."""
    world.broken |= {"_submissions._tcp.corp.com", "corp.com"}
    await world.web(AUTOCONFIG, {CONFIG: autoconfig("smtp.corp.com")})
    await world.mail("smtp.corp.com", 587)

    found = await search(ADDRESS)

    assert found.best is not None
    assert found.best.source is Source.AUTOCONFIG
    assert outcome(found, Source.SRV) == "failed: the DNS servers failed"


async def test_many_records_cause_few_connections(world: World, search: Search) -> None:
    """A domain can not have us knock on the doors of hundreds of hosts."""
    names = [f"mail{number}.corp.com" for number in range(60)]
    world.dns("_submission._tcp.corp.com", "SRV", *(f"{n} 1 587 {h}." for n, h in enumerate(names)))
    for name in names:
        world.address_of(name)

    await search(ADDRESS)

    assert len([port for _, port in world.connections if port == 587]) <= 8


async def _says(peer: Peer, text: bytes) -> None:
    peer.send_raw(text)
    await peer.until_closed()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol broken"),
        (b"554 go away\r\n", "greeting refused"),
        (b"220-" + b"x" * 100_000, "protocol broken"),
        (b"\x16\x03\x01\x02\x00\r\n", "protocol broken"),
    ],
)
async def test_server_that_speaks_nonsense_is_not_suggested(
    world: World, search: Search, text: bytes, problem: str
) -> None:
    """What is no SMTP server, or an unwilling one, is listed with the reason."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")
    await world.mail("mail.corp.com", 587, script=lambda peer: _says(peer, text))

    found = await search(ADDRESS)

    suggestion = (*found.suggestions, *found.rejected)[0]
    assert not suggestion.is_verified
    assert problem in suggestion.checks[0].problem


async def test_stripped_starttls_is_not_suggested(world: World, search: Search) -> None:
    """Attacks row 15: nothing goes on in the clear."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")

    async def stripped(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN")
        await peer.until_closed()

    await world.mail("mail.corp.com", 587, script=stripped)

    found = await search(ADDRESS)

    assert found.best is None
    assert found.rejected[0].checks[0].problem == "tls missing"
    assert found.rejected[0].checks[0].state is CheckState.BAD


async def test_injected_reply_behind_starttls_is_not_believed(world: World, search: Search) -> None:
    """Attacks row 14: what was said in the clear does not count under TLS."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")
    context = world.tls("mail.corp.com")

    async def injects(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send("220 go", "250-mail.corp.com", "250 AUTH INJECTED")
        await peer.start_tls(context)
        await peer.until_closed()

    await world.mail("mail.corp.com", 587, script=injects)

    found = await search(ADDRESS)

    assert found.best is None
    assert found.rejected[0].checks[0].problem == "tls injected"


async def test_wrong_mode_on_a_port_is_recognised(world: World, search: Search) -> None:
    """A server that begins in the clear at port 465 is not what the domain says."""
    world.dns("_submissions._tcp.corp.com", "SRV", "0 1 465 mail.corp.com.")
    await world.mail("mail.corp.com", 2525, script=lambda peer: _says(peer, b"220 hi\r\n"))
    world.lead(world.address_of("mail.corp.com"), 465, world.port("mail.corp.com", 2525))

    found = await search(ADDRESS)

    assert found.best is None
    assert found.rejected[0].checks[0].problem == "not tls"
