"""Which addresses are public, and what an error of a connection is called (pillarbox.net.reach)."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.explain.failures import FailureKind
from pillarbox.net.reach import is_public, stream_failure


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::808:808"],
)
def test_public_address(address: str) -> None:
    """Also where an IPv6 address carries one of IPv4."""
    assert is_public(address)


@pytest.mark.parametrize("prefix", ["::ffff:0:0", "2002::", "64:ff9b::", "::"])
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1"])
def test_private_address_in_every_wrapping(prefix: str, address: str) -> None:
    """IPv4-mapped, 6to4, NAT64 and IPv4-compatible addresses are what they carry."""
    octets = bytes(map(int, address.split(".")))
    groups = f"{octets[:2].hex()}:{octets[2:].hex()}"
    wrapped = {
        "::ffff:0:0": f"::ffff:{groups}",
        "2002::": f"2002:{groups}::1",
        "64:ff9b::": f"64:ff9b::{groups}",
        "::": f"::{groups}",
    }[prefix]

    assert not is_public(address)
    assert not is_public(wrapped)


@given(st.ip_addresses())
def test_every_address_has_an_answer(address: object) -> None:
    """Nothing raises."""
    assert is_public(str(address)) in (True, False)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), FailureKind.CONNECTION_REFUSED),
        (ConnectionResetError(), FailureKind.CONNECTION_LOST),
        (TimeoutError(), FailureKind.CONNECTION_TIMED_OUT),
        (ssl.SSLEOFError(), FailureKind.HANDSHAKE_FAILED),
        (OSError(101, "Network is unreachable"), FailureKind.UNREACHABLE),
    ],
)
def test_error_has_its_name(error: OSError, kind: FailureKind) -> None:
    """A connection that is cut in the middle was reached all the same."""
    assert stream_failure(error).kind is kind
