"""What is configured reaches the parts."""

import pytest
from pydantic import ValidationError

from pillarbox.app.outgoing import configured_receivers, delivery_timeouts
from pillarbox.config import Delivery
from pillarbox.route import LanePlan


def test_each_time_of_a_delivery_reaches_its_step() -> None:
    """No two of them are mixed up."""
    delivery = Delivery(
        connect_timeout_seconds=1,
        handshake_timeout_seconds=2,
        greeting_timeout_seconds=3,
        command_timeout_seconds=4,
        data_timeout_seconds=5,
        block_timeout_seconds=6,
        end_timeout_seconds=7,
        quit_timeout_seconds=8,
    )

    timeouts = delivery_timeouts(delivery)

    assert (timeouts.connect, timeouts.handshake, timeouts.greeting) == (1, 2, 3)
    assert (timeouts.command, timeouts.data, timeouts.block) == (4, 5, 6)
    assert (timeouts.end, timeouts.quit) == (7, 8)


def test_limits_of_receivers_are_those_of_the_configuration() -> None:
    """The first that fits, shared by the workers; a name that is none is refused."""
    rows = [
        {"mx": ["*.mail.icloud.com", "mx.example.org"], "connections": 4},
        {"mx": ["*.icloud.com"], "messages_per_minute": 600},
    ]
    receivers = configured_receivers(Delivery.model_validate({"receivers": rows}), LanePlan(0, 2))

    assert receivers.of(["mx01.mail.icloud.com"]).connections == 2
    assert receivers.of(["mx.icloud.com"]).messages_per_minute == 300
    assert receivers.of(["mx.icloud.com"]).messages_per_connection is None
    with pytest.raises(ValidationError):
        Delivery.model_validate({"receivers": [{"mx": ["*example"]}]})
