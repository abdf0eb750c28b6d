"""Load balancers that begin with the PROXY protocol, which is not spoken here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.wire import PROXY_HEADERS

from pillarbox.explain.refusals import Refusal

if TYPE_CHECKING:
    from tests.unit.smtp.conftest import Sessions


@pytest.mark.parametrize("header", PROXY_HEADERS)
def test_the_proxy_protocol_is_named(sessions: Sessions, header: bytes) -> None:
    """What comes behind it answers nothing that its client has read, so the session ends."""
    session = sessions.connected()

    assert session.send(header).startswith(b"554 5.5.0 The PROXY protocol ")
    assert session.protocol.refusals == [Refusal.PROXY_PROTOCOL]
    assert session.protocol.closing


@pytest.mark.parametrize("header", PROXY_HEADERS)
def test_the_proxy_protocol_before_the_banner_is_named(sessions: Sessions, header: bytes) -> None:
    """A load balancer does not wait for the 220."""
    protocol = sessions.silent()
    protocol.receive(header)

    protocol.greet()

    assert protocol.data_to_send().startswith(b"554 5.5.0 The PROXY protocol ")
    assert protocol.refusals == [Refusal.PROXY_PROTOCOL]


def test_behind_ehlo_proxy_is_an_unknown_command(sessions: Sessions) -> None:
    """It begins a connection, and nothing else."""
    session = sessions.ready()

    assert session.codes(b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 587\r\n") == [500]
    assert not session.protocol.closing
