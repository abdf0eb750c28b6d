"""How many connections to the settings for clients one source may have."""

from pillarbox.policy.clock import Clock
from pillarbox.reception.handshake_limits import HandshakeLimits
from pillarbox.reception.web_gate import PER_SOURCE, WebGate


def test_one_source_leaves_room_for_others() -> None:
    """However it is written; who goes makes room for the next."""
    gate = WebGate(HandshakeLimits(1000, Clock(lambda: 0.0)))

    assert all(gate.enter("::ffff:192.0.2.1") for _ in range(PER_SOURCE))
    assert not gate.enter("192.0.2.1")
    assert gate.enter("192.0.2.2")

    gate.leave("::ffff:192.0.2.1")
    assert gate.enter("192.0.2.1")


def test_handshakes_without_end_are_refused() -> None:
    """Also one after the other; another source has its own."""
    gate = WebGate(HandshakeLimits(2, Clock(lambda: 0.0)))

    entered = []
    for _ in range(3):
        entered.append(gate.enter("192.0.2.1"))
        if entered[-1]:
            gate.leave("192.0.2.1")

    assert entered == [True, True, False]
    assert gate.enter("2001:db8::1")
