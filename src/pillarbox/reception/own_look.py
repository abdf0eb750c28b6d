"""How reception knows the doctor's look at its own service: some twenty sessions that fail on
purpose (app.self_look).

By IPv4 the look comes from an address of the loopback of its own. By IPv6 the loopback has but one
address: there it comes from ports of its own, and from the very address that it connects to, as no
other machine can.
"""

from asyncio import BaseTransport
from collections.abc import Callable
from typing import Any

OWN_LOOK_ADDRESS = "127.80.66.1"

OWN_LOOK_PORTS = range(23_000, 24_000)
"""Below those that systems give to clients by themselves."""


def address_of(peer: tuple[Any, ...], our_end: Callable[[], tuple[Any, ...]]) -> str:
    """Whose session this is: the address of the client, OWN_LOOK_ADDRESS for a look by IPv6."""
    address: str = peer[0]
    if peer[1] in OWN_LOOK_PORTS and ":" in address and address == our_end()[0]:
        return OWN_LOOK_ADDRESS
    return address


def client_of(transport: BaseTransport) -> str:
    """The same of a transport; "" where the client is gone already."""
    peer = transport.get_extra_info("peername")
    return address_of(peer, lambda: transport.get_extra_info("sockname")) if peer else ""
