"""How many connections there are, of whom, and which of them have waited too long."""

import math

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


def test_addresses_of_one_ipv6_network_count_together() -> None:
    """A /64 is one source."""
    registry = Registry(sessions=10, sessions_per_source=1)

    assert registry.admit(Member(), "2001:db8::1") is Admission.OPEN
    assert registry.admit(Member(), "2001:db8::2") is Admission.REFUSED
    assert registry.admit(Member(), "2001:db8:0:1::1") is Admission.OPEN


def test_refused_connections_are_bounded() -> None:
    """A flood is not even told."""
    registry = Registry(sessions=0, sessions_per_source=1)
    members = [Member() for _ in range(REFUSING + 1)]

    admissions = [registry.admit(member, "192.0.2.1") for member in members]

    assert admissions == [Admission.REFUSED] * REFUSING + [Admission.DROPPED]
    assert registry.is_refused(members[0])
    assert len(registry) == REFUSING


def test_end_of_a_connection_makes_room() -> None:
    """Counts go down again, once for each connection."""
    registry = Registry(sessions=1, sessions_per_source=1)
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
    registry = Registry(sessions=10, sessions_per_source=10)
    early, late, never = Member(), Member(), Member()
    early.deadline, late.deadline = 10.0, 20.0
    for member in (early, late, never):
        registry.admit(member, "192.0.2.1")

    registry.sweep(10.0)

    assert (early.calls, late.calls, never.calls) == (["expire"], [], [])


def test_all_are_told_to_stop() -> None:
    """And to end at once."""
    registry = Registry(sessions=10, sessions_per_source=10)
    member = Member()
    registry.admit(member, "192.0.2.1")

    registry.stop()
    registry.abort()

    assert member.calls == ["stop", "abort"]
