"""Whom a limit counts: the source of a connection. Who has one IPv6 address has its whole /64."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

_CACHED = 8192
_HOST_BITS = 64


@lru_cache(_CACHED)
def plain_address(address: str) -> str:
    """The address without a zone; IPv4 that came through an IPv6 socket as IPv4."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


@lru_cache(_CACHED)
def source_of(address: str) -> str:
    """The name under which connections from this address are counted."""
    parsed = ip_address(plain_address(address))
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return f"{IPv6Address(int(parsed) >> _HOST_BITS << _HOST_BITS)}/{_HOST_BITS}"
