"""Servers that the configuration names, with a port where it is not the usual one, and networks."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, PlainValidator

from pillarbox.errors import AddressError
from pillarbox.mail.address import domain_key

_DNS_PORT, _NTP_PORT = 53, 123
_MOST_PORT = 65_535


def ip_text(text: str) -> str:
    """Check that a text is an IP address."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address") from None


def _server(text: str, usual_port: int) -> tuple[str, int]:
    """`HOST`, `HOST:PORT` or `[IPv6]:PORT` as a pair."""
    host, colon, port = text.rpartition(":")
    if not (colon and (host.endswith("]") or ":" not in host)):
        return text.strip("[]"), usual_port
    if not port.isdecimal() or not 1 <= int(port) <= _MOST_PORT:
        raise ValueError(f"{port!r} is no port")
    return host.strip("[]"), int(port)


def _dns_server(value: object) -> object:
    """An address and a port as a pair."""
    if not isinstance(value, str):
        return value
    host, port = _server(value, _DNS_PORT)
    return ip_text(host), port


def _time_server(value: object) -> object:
    """A host and a port as a pair."""
    if not isinstance(value, str):
        return value
    host, port = _server(value, _NTP_PORT)
    try:
        return (host if ":" in host and ip_text(host) else domain_key(host)), port
    except AddressError:
        raise ValueError(f"{host!r} is no host name") from None


def _network(value: object) -> IPv4Network | IPv6Network:
    """Read a network like 10.1.0.0/16."""
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is no network") from None


DnsServer: TypeAlias = Annotated[tuple[str, int], BeforeValidator(_dns_server)]
TimeServer: TypeAlias = Annotated[tuple[str, int], BeforeValidator(_time_server)]
Network: TypeAlias = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
