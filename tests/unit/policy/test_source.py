"""Under which name connections are counted."""

import pytest

from pillarbox.policy.source import plain_address, source_of


@pytest.mark.parametrize(
    ("address", "plain"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"),
     ("2001:DB8:0::1", "2001:db8::1")],
)  # fmt: skip
def test_addresses_have_one_spelling(address: str, plain: str) -> None:
    """IPv4 through an IPv6 socket is IPv4, zones are left out."""
    assert plain_address(address) == plain


def test_ipv4_addresses_are_counted_alone() -> None:
    """One IPv4 address is one source."""
    assert source_of("192.0.2.1") == "192.0.2.1"


def test_ipv4_through_an_ipv6_socket_is_counted_alone() -> None:
    """All of it has the same first 64 bits."""
    assert source_of("::ffff:192.0.2.1") == source_of("192.0.2.1")


def test_ipv6_addresses_of_one_network_are_one_source() -> None:
    """Who has one address of a /64 has them all."""
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert source_of("2001:db8:0:1::1") != source_of("2001:db8::1")
