"""Daily limits of accounts: exact in one worker, and never above the limit in several."""

from collections import Counter
from dataclasses import dataclass, field

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import parse_mailbox
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.sending_limits import LOOK_AGAIN_SECONDS, Charge, SendingLimits
from pillarbox.route import RouteTable
from pillarbox.store.records import Account, Tenant

DAY_SECONDS = 86_400


def account(limit: int | None = None) -> Account:
    """An account with a limit."""
    tenant = Tenant(1, "one", frozenset({"t1.test"}), RouteTable([]))
    mailbox = parse_mailbox("u1@t1.test")
    return Account(1, tenant, mailbox, None, frozenset({mailbox.key}), recipients_per_day=limit)


@dataclass
class Ledger:
    """A store in memory that counts how often it is asked."""

    used: Counter[tuple[int, str]] = field(default_factory=Counter)
    asked: int = 0

    async def lease(self, account_id: int, *, day: str, recipients: int, limit: int) -> int:
        """As store.account_usage does."""
        self.asked += 1
        leased = max(0, min(recipients, limit - self.used[account_id, day]))
        self.used[account_id, day] += leased
        return leased

    async def give_back(self, account_id: int, *, day: str, recipients: int) -> None:
        """As store.account_usage does."""
        self.used[account_id, day] -= recipients


class Worker:
    """One worker's limits, with a clock that stands still."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        self.now = 1_800_000_000.0
        clock = Clock(lambda: self.now, lambda: int(self.now * 1000))
        self.limits = SendingLimits(self.ledger, clock)

    async def send(self, sender: Account, recipients: int = 1) -> Charge | Denial:
        """One message as a session charges it."""
        charge = self.limits.charge(sender, recipients)
        return charge or await self.limits.lease_and_charge(sender, recipients)

    async def count(self, sender: Account, messages: int) -> int:
        """How many of so many messages are taken."""
        return sum([isinstance(await self.send(sender), Charge) for _ in range(messages)])


async def test_row_44_exactly_the_limit_is_taken() -> None:
    """Also where it is no multiple of a portion; the store is asked once for each portion."""
    worker = Worker()

    assert await worker.count(account(1010), 2000) == 1010
    assert worker.ledger.asked <= 102


async def test_row_44_two_workers_share_a_limit() -> None:
    """Each holds back at most one portion from the other."""
    ledger = Ledger()
    workers = Worker(ledger), Worker(ledger)
    sender = account(1000)

    taken = [await worker.count(sender, 1) for worker in workers * 800]

    assert 1000 - 10 <= sum(taken) <= 1000


async def test_account_without_a_limit_sends_what_it_likes() -> None:
    """The store is not asked."""
    assert await Worker().count(account(), 10) == 10


async def test_refusal_names_the_limit() -> None:
    """A refusal that the client can try again after midnight."""
    worker = Worker()
    await worker.send(account(1))

    denial = await worker.send(account(1))

    assert isinstance(denial, Denial)
    assert denial.refusal is Refusal.DAILY_LIMIT
    assert str(denial.reply("S")).startswith("451 4.7.1 This login has reached its limit of 1 ")


async def test_small_messages_use_what_large_ones_leave() -> None:
    """A message that is too large for the rest does not use it up."""
    worker = Worker()
    sender = account(10)

    taken = [isinstance(await worker.send(sender, n), Charge) for n in (8, 5, 2, 1)]

    assert taken == [True, False, True, False]


async def test_recipient_beyond_the_limit_is_refused_before_the_content() -> None:
    """At RCPT, as soon as it is known."""
    worker = Worker()
    sender = account(5)
    assert worker.limits.on_rcpt(sender, 5) is None
    assert worker.limits.on_rcpt(sender, 6) is not None

    await worker.send(sender, 4)
    await worker.send(sender, 2)

    assert worker.limits.on_rcpt(sender, 1) is None
    assert worker.limits.on_rcpt(sender, 2) is not None


async def test_used_up_limit_costs_the_store_nothing() -> None:
    """It is asked again after a while, not for each message."""
    worker = Worker()
    await worker.count(account(3), 100)
    asked = worker.ledger.asked
    assert asked <= 4

    worker.now += LOOK_AGAIN_SECONDS + 1
    await worker.count(account(3), 100)

    assert worker.ledger.asked == asked + 1


async def test_next_day_begins_anew() -> None:
    """At midnight UTC."""
    worker = Worker()
    assert await worker.count(account(3), 10) == 3

    worker.now += DAY_SECONDS

    assert await worker.count(account(3), 10) == 3


async def test_raised_limit_holds_at_once() -> None:
    """The administrator's remedy works without a wait."""
    worker = Worker()
    assert await worker.count(account(3), 10) == 3

    assert await worker.count(account(5), 10) == 2


async def test_message_that_was_not_taken_costs_nothing() -> None:
    """What the store refused is given back."""
    worker = Worker()
    for _ in range(10):
        charge = await worker.send(account(3), 3)
        assert isinstance(charge, Charge)
        worker.limits.give_back(charge)

    assert await worker.count(account(3), 10) == 3


async def test_rest_is_given_back_at_the_end() -> None:
    """The next worker goes on where this one ended."""
    ledger = Ledger()
    first = Worker(ledger)
    assert await first.count(account(1000), 5) == 5
    await first.limits.close()

    assert await Worker(ledger).count(account(1000), 2000) == 995
