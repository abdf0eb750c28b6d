"""How many connections there are, of whom, and which of them have waited too long."""

import math

from pillarbox.config import Limits
from pillarbox.explain.refusals import Refusal
from pillarbox.reception.registry import REFUSING, Admission, Registry


class Member:
    """A connection of which only its deadline counts."""

    def __init__(self) -> None:
        self.deadline = math.inf
        self.source = ""
        self.calls: list[str] = []

    def expire(self) -> None:
        """Note it."""
        self.calls.append("expire")

    def stop(self) -> None:
        """Note it."""
        self.calls.append("stop")

    def abort(self) -> None:
        """Note it."""
        self.calls.append("abort")


def _registry(*, sessions: int, per_address: int) -> Registry:
    return Registry(Limits(sessions=sessions, sessions_per_address=per_address))


def test_addresses_of_one_ipv6_network_count_together() -> None:
    """A /64 is one source."""
    registry = _registry(sessions=10, per_address=1)

    assert registry.admit(Member(), "2001:db8::1") is Admission.OPEN
    assert registry.admit(Member(), "2001:db8::2") is Admission.REFUSED
    assert registry.admit(Member(), "2001:db8:0:1::1") is Admission.OPEN


def test_refused_connections_are_bounded() -> None:
    """A flood is not even told."""
    registry = _registry(sessions=1000, per_address=1)
    registry.admit(Member(), "192.0.2.1")
    members = [Member() for _ in range(REFUSING + 1)]

    admissions = [registry.admit(member, "192.0.2.1") for member in members]

    assert admissions == [Admission.REFUSED] * REFUSING + [Admission.DROPPED]
    assert registry.refusal(members[0]) is Refusal.TOO_MANY_SESSIONS
    assert len(registry) == REFUSING + 1


def test_refused_connections_are_fewer_where_sessions_are_few() -> None:
    """They take open files as well, and there may be no more of these."""
    registry = _registry(sessions=8, per_address=8)

    admissions = [registry.admit(Member(), f"192.0.2.{number}") for number in range(12)]

    assert admissions[6:] == [Admission.OPEN] * 2 + [Admission.REFUSED] * 3 + [Admission.DROPPED]


def test_row_56_the_last_sessions_are_shared_out_among_addresses() -> None:
    """Where only a quarter is left one address gets 2 % of it, and each new one its first."""
    registry = _registry(sessions=1000, per_address=900)
    flood = [registry.admit(Member(), "192.0.2.1") for _ in range(800)]

    assert flood == [Admission.OPEN] * 750 + [Admission.REFUSED] * 50
    for number in range(1, 201):
        others = [Member() for _ in range(6)]
        admissions = [registry.admit(other, f"198.51.100.{number}") for other in others]
        assert admissions[0] is Admission.OPEN
        assert admissions[5] is not Admission.OPEN
        assert registry.refusal(others[5]) in {Refusal.SERVICE_BUSY, None}
        for other in others[1:]:
            registry.remove(other)


def test_end_of_a_connection_makes_room() -> None:
    """Counts go down again, once for each connection."""
    registry = _registry(sessions=1, per_address=1)
    first, second = Member(), Member()
    registry.admit(first, "192.0.2.1")
    registry.admit(second, "192.0.2.1")
    for _ in range(2):
        registry.remove(first)
        registry.remove(second)

    assert len(registry) == 0
    assert registry.admit(Member(), "192.0.2.1") is Admission.OPEN


def test_only_passed_deadlines_expire() -> None:
    """One look a second at all connections."""
    registry = _registry(sessions=10, per_address=10)
    early, late, never = Member(), Member(), Member()
    early.deadline, late.deadline = 10.0, 20.0
    for member in (early, late, never):
        registry.admit(member, "192.0.2.1")

    registry.sweep(10.0)

    assert (early.calls, late.calls, never.calls) == (["expire"], [], [])


def test_all_are_told_to_stop() -> None:
    """And to end at once."""
    registry = _registry(sessions=10, per_address=10)
    member = Member()
    registry.admit(member, "192.0.2.1")

    registry.stop()
    registry.abort()

    assert member.calls == ["stop", "abort"]
