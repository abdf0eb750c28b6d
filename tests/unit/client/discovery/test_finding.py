"""The server of an address, for a client that is given nothing else (client.finding)."""

import pytest
from tests.support.mail_world import World
from tests.unit.client.discovery.conftest import Search

from pillarbox.client import ArgumentError, DiscoveryError, connect
from pillarbox.client.finding import chosen
from pillarbox.client.server import Server

ADDRESS = "ann@corp.com"


async def test_the_best_server_of_the_domain_is_taken(world: World, search: Search) -> None:
    """TLS from the first octet where there is one."""
    world.dns("_submissions._tcp.corp.com", "SRV", "0 1 465 mail.corp.com.")
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.corp.com.")
    await world.mail("mail.corp.com", 465, 587)

    assert chosen(await search(ADDRESS)) == Server("mail.corp.com", 465, is_implicit=True)


async def test_no_login_goes_to_a_stranger(world: World, search: Search) -> None:
    """RFC 6186 section 6: a server outside of the domain is named, and not used."""
    world.dns("_submission._tcp.corp.com", "SRV", "0 1 587 mail.hosting.net.")
    await world.mail("mail.hosting.net", 587)

    with pytest.raises(DiscoveryError) as raised:
        chosen(await search(ADDRESS))

    assert raised.value.code == "not-confirmed"
    assert raised.value.fix.endswith("submission://mail.hosting.net:587")


async def test_the_blocking_client_does_not_search_inside_of_a_loop() -> None:
    """It would stop everything that runs there."""
    with (
        connect("ann@corp.com") as client,
        pytest.raises(ArgumentError) as raised,
    ):
        client.send(b"A: b\r\n\r\n", sender="a@corp.com", recipients="b@corp.com")

    assert "connect_async" in raised.value.fix


async def test_where_nothing_is_found_the_error_says_so(search: Search) -> None:
    """In a domain without any server."""
    with pytest.raises(DiscoveryError) as raised:
        chosen(await search(ADDRESS))

    assert raised.value.code == "nothing-found"
    assert "pillarbox find" in raised.value.fix
