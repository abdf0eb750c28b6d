"""The ready queue: whose turn it is."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.support.queueing import make_attempt, make_message

from pillarbox.delivery.attempt import Attempt
from pillarbox.scheduler.ready import (
    DEAREST_OCTETS,
    QUANTUM_OCTETS,
    SMALL_BEFORE_LARGE,
    SMALL_OCTETS,
    ReadyQueue,
    cost_octets,
)

LARGE = SMALL_OCTETS + 1


def attempt(tenant: int = 1, credential: int | None = 1, size: int = 1000) -> Attempt:
    """An attempt of this tenant and credential."""
    return make_attempt(make_message(tenant_id=tenant, credential_id=credential, size_octets=size))


def take_all(queue: ReadyQueue) -> list[Attempt]:
    """Everything, in the order of turns."""
    taken = []
    while (found := queue.take()) is not None:
        taken.append(found)
    return taken


def test_one_sender_is_served_in_order_of_arrival() -> None:
    """First come, first served inside a credential."""
    queue = ReadyQueue()
    attempts = [attempt() for _ in range(20)]
    for one in attempts:
        queue.put(one)

    assert take_all(queue) == attempts
    assert queue.length == 0


def test_empty_queue_gives_none() -> None:
    """There may be nothing to do."""
    assert ReadyQueue().take() is None


def test_tenant_with_one_message_does_not_wait_for_one_with_thousands() -> None:
    """A backlog of one tenant delays another by one turn at most."""
    queue = ReadyQueue()
    for _ in range(5000):
        queue.put(attempt(tenant=1))
    mine = attempt(tenant=2)
    queue.take()
    queue.put(mine)

    order = take_all(queue)

    assert order.index(mine) <= QUANTUM_OCTETS // 4096 + 1


def test_credentials_of_a_tenant_take_turns() -> None:
    """A device that floods does not hold up the other devices of its tenant."""
    queue = ReadyQueue()
    for _ in range(5000):
        queue.put(attempt(credential=1))
    mine = attempt(credential=2)
    queue.take()
    queue.put(mine)

    order = take_all(queue)

    assert order.index(mine) <= QUANTUM_OCTETS // 4096 + 1


def test_small_messages_go_before_large_ones() -> None:
    """A small message that came later overtakes a large one."""
    queue = ReadyQueue()
    large, small = attempt(size=LARGE), attempt()
    queue.put(large)
    queue.put(small)

    assert take_all(queue) == [small, large]


def test_large_message_is_overtaken_a_bounded_number_of_times() -> None:
    """A stream of small messages does not starve a large one."""
    queue = ReadyQueue()
    large = attempt(size=10**9)
    queue.put(large)
    for _ in range(100):
        queue.put(attempt())

    assert take_all(queue).index(large) == SMALL_BEFORE_LARGE


def test_tenant_of_large_messages_gets_no_more_than_its_share() -> None:
    """Turns count octets: one with large messages sends fewer of them."""
    queue = ReadyQueue()
    for _ in range(200):
        queue.put(attempt(tenant=1, size=SMALL_OCTETS))
        queue.put(attempt(tenant=2, size=1000))

    first = Counter(one.message.tenant_id for one in take_all(queue)[:100])

    assert first[2] > 8 * first[1]


def test_attempt_that_was_put_back_is_the_next_of_its_sender() -> None:
    """What was taken but not tried keeps its place."""
    queue = ReadyQueue()
    first, second = attempt(), attempt()
    queue.put(first)
    queue.put(second)
    taken = queue.take()
    assert taken is first

    queue.put_back(first)

    assert take_all(queue) == [first, second]


def test_clear_returns_everything() -> None:
    """A lane that drops its memory knows what it drops."""
    queue = ReadyQueue()
    attempts = [attempt(tenant=n % 3, credential=n % 2) for n in range(30)]
    for one in attempts:
        queue.put(one)

    dropped = queue.clear()

    assert {one.message.queue_id for one in dropped} == {one.message.queue_id for one in attempts}
    assert queue.take() is None


class ReadyQueueMachine(RuleBasedStateMachine):
    """Any order of calls: nothing is lost or doubled, and tenants that have mail all the time
    get shares that differ by a bounded number of octets."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = ReadyQueue()
        self.inside: dict[int, Attempt] = {}
        self.taken: list[Attempt] = []
        # Octets served to the others while a tenant had mail, and to itself.
        self.served: dict[int, Counter[int]] = {}

    @rule(
        tenant=st.integers(1, 4),
        credential=st.integers(1, 3),
        size=st.sampled_from([0, 100, 5000, SMALL_OCTETS, LARGE, 500_000, 50_000_000]),
        times=st.integers(1, 5),
    )
    def put(self, tenant: int, credential: int, size: int, times: int) -> None:
        """New mail."""
        for _ in range(times):
            one = attempt(tenant, credential, size)
            self.queue.put(one)
            self.inside[one.message.queue_id] = one
            self.served.setdefault(tenant, Counter())

    @rule(times=st.integers(1, 8))
    def take(self, times: int) -> None:
        """Serve some."""
        for _ in range(times):
            one = self.queue.take()
            if one is None:
                assert not self.inside
                return
            assert self.inside.pop(one.message.queue_id) is one
            self.taken.append(one)
            for counter in self.served.values():
                counter[one.message.tenant_id] += cost_octets(one)
            if one.message.tenant_id not in self._waiting():
                # It waits no more: its account begins anew.
                del self.served[one.message.tenant_id]

    @rule()
    def put_back(self) -> None:
        """Give back the last one."""
        if self.taken:
            one = self.taken.pop()
            self.queue.put_back(one)
            self.inside[one.message.queue_id] = one
            # Turns that were given back are outside the account.
            self.served = {tenant: Counter() for tenant in self._waiting()}

    def _waiting(self) -> set[int]:
        return {one.message.tenant_id for one in self.inside.values()}

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        """The queue holds exactly what was put and not taken."""
        held = [one.message.queue_id for one in self.queue]
        assert self.queue.length == len(held) == len(self.inside)
        assert set(held) == self.inside.keys()

    @invariant()
    def nobody_waits_for_more_than_debts(self) -> None:
        """While a tenant waits, another gets ahead of it by two dearest messages and some turns:
        both may begin and end with a debt or with a credit."""
        for tenant, counter in self.served.items():
            for other, octets in counter.items():
                if other != tenant:
                    assert octets - counter[tenant] <= 2 * (DEAREST_OCTETS + 2 * QUANTUM_OCTETS)


ReadyQueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60)
test_ready_queue_in_any_order_of_calls = ReadyQueueMachine.TestCase
