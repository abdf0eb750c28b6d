"""Couriers without a network, and which courier a next hop gets."""

import pytest
from tests.support.outgoing import Chunks, message

from pillarbox.delivery.capture import LocalCourier
from pillarbox.delivery.factory import Couriers
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.envelope import RecipientState
from pillarbox.net.tls import ClientContexts
from pillarbox.route import Capture, NextHop, Reject, SmartHost, TlsMode


@pytest.fixture
def couriers() -> Couriers:
    """The couriers of a service."""
    return Couriers(SessionSettings("me.test", ClientContexts(), Timeouts()))


@pytest.mark.parametrize(
    ("next_hop", "state", "reply"),
    [
        (Capture(), RecipientState.CAPTURED, "250 2.0.0 Kept here"),
        (Reject("Not from here"), RecipientState.FAILED, "550 5.7.1 Not from here"),
    ],
)
async def test_local_outcomes(
    couriers: Couriers, next_hop: NextHop, state: RecipientState, reply: str
) -> None:
    """Every recipient of the attempt is captured or refused, at once."""
    courier = couriers.courier_for(next_hop)
    made = message(recipients=3)

    result = await courier.attempt(made, made.recipients[1:], Chunks())
    await courier.close()

    assert [(o.number, o.state) for o in result.outcomes] == [(1, state), (2, state)]
    assert str(result.outcomes[0].reply).startswith(reply)
    assert (result.hop_failure, result.throttled) == (None, False)
    assert isinstance(courier, LocalCourier)
    assert courier.is_open


def test_a_smart_host_gets_an_smtp_courier(couriers: Couriers) -> None:
    """Nothing is connected yet."""
    courier = couriers.courier_for(SmartHost("mx.test", 25, TlsMode.STARTTLS))

    assert isinstance(courier, SmtpCourier)
    assert not courier.is_open
