"""Values of options (pillarbox.cli.option_types)."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.cli.option_types import HOST_PORT, LIMIT, HostPort, Limit


@given(st.text() | st.text("[]:1a.", max_size=12))
def test_host_and_port_never_raise_another_error(text: str) -> None:
    """Whatever is typed is a host with a port, or a usage error."""
    try:
        found = HOST_PORT.convert(text, None, None)
    except click.BadParameter:
        return
    assert found.host
    assert found.port is None or 1 <= found.port <= 65535


@pytest.mark.parametrize("text", ["relay.example:0", "relay.example:65536", "[::1]:" + "9" * 5000])
def test_a_port_is_one_that_can_be_connected_to(text: str) -> None:
    """Port 0 is not taken for no port."""
    with pytest.raises(click.BadParameter, match="a port is from 1 to 65535"):
        HOST_PORT.convert(text, None, None)


@given(st.ip_addresses(v=6), st.integers(1, 65535))
def test_ipv6_literals_stand_in_brackets(address: object, port: int) -> None:
    """RFC 3986 section 3.2.2, as in every program that takes host and port."""
    assert HOST_PORT.convert(f"[{address}]:{port}", None, None) == HostPort(str(address), port)
    assert HOST_PORT.convert(f"[{address}]", None, None) == HostPort(str(address), None)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "nix", "²", "2147483648", "9" * 5000])
def test_limit_is_a_number_or_none(text: str) -> None:
    """A usage error for everything else."""
    assert LIMIT.convert("none", None, None) == Limit(None)
    assert LIMIT.convert("5", None, None) == Limit(5)
    with pytest.raises(click.BadParameter):
        LIMIT.convert(text, None, None)
