"""What is configured reaches the parts."""

from pillarbox.app.parts import delivery_timeouts
from pillarbox.config import Delivery


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
