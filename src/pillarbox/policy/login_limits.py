"""How many passwords may be tried: limits for guessers that do not lock out the owner.

Every try is charged before the password is checked and given back if it was right, so parallel
tries count too. What is counted, each as a bucket that leaks empty within the window:

- tries from one source, whatever the account: who sprays one password over many accounts is
  stopped here;
- tries from one source for one account;
- tries for one account from all sources that never logged in to it. A source that did has only its
  own count, so strangers can not lock it out. A part of the strangers' tries is kept for sources
  that have not failed at all, one at a time: an owner at a new place gets a turn during an attack.

The same wrong password again tells a guesser nothing and is often a device with an old password:
it weighs little. `now` is a monotonic time in seconds. All is in memory and bounded; the oldest
is forgotten first.
"""

from collections import OrderedDict
from dataclasses import dataclass

from pillarbox.values import quick

REMEMBERED = 20_000
"""Sources, accounts and pairs of both that are counted, each."""

REPEAT_WEIGHT = 0.05
"""Of the same wrong password again: twenty weigh as much as one guess."""

STRANGERS_SHARE = 0.75
"""Of the tries for one account; the rest is for sources without any failure."""

FRESH_SECONDS = 10.0
"""Time between two tries for one account that are kept for such sources."""


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class Buckets:
    """Leaky buckets by name: each holds `limit` and leaks that much in `window_seconds`."""

    def __init__(self, limit: float, window_seconds: float, remembered: int = REMEMBERED) -> None:
        self._limit = limit
        self._leak = limit / window_seconds
        self._remembered = remembered
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def level(self, name: str, now: float) -> float:
        """How much is in the bucket."""
        bucket = self._buckets.get(name)
        return 0.0 if bucket is None else max(0.0, bucket.level - (now - bucket.at) * self._leak)

    def wait_seconds(self, name: str, now: float) -> float:
        """How long until there is room for one more; 0 if there is room now."""
        return max(0.0, self.level(name, now) + 1 - self._limit) / self._leak

    def add(self, name: str, now: float, weight: float = 1.0) -> None:
        """Put something in, or take it out again (a negative weight)."""
        level = max(0.0, self.level(name, now) + weight)
        self._buckets[name] = _Bucket(level, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)


@quick(frozen=True, slots=True)
class Try:
    """A try that was charged: to be ended by `LoginLimits.succeeded` if the password was right."""

    source: str
    account: str
    buckets: tuple[tuple[Buckets, str], ...]


class LoginLimits:
    """The counts of one process. Accounts are named by the key of the user name that was given,
    whether there is such an account or not."""

    def __init__(
        self, *, tries_per_source: int, tries_per_account: int, window_seconds: float
    ) -> None:
        strangers = max(1.0, tries_per_account * STRANGERS_SHARE // 1)
        self._sources = Buckets(tries_per_source, window_seconds)
        self._pairs = Buckets(tries_per_account, window_seconds)
        self._strangers = Buckets(strangers, window_seconds)
        self._fresh = Buckets(1.0, FRESH_SECONDS)
        self._friends: OrderedDict[str, None] = OrderedDict()

    def begin(self, source: str, account: str, now: float) -> Try | float:
        """Charge one try; or, where there is no room for it, the seconds until there is."""
        pair = f"{source} {account}"
        wait = max(self._sources.wait_seconds(source, now), self._pairs.wait_seconds(pair, now))
        if wait > 0:
            return wait
        charged = [(self._sources, source), (self._pairs, pair)]
        if pair not in self._friends:
            shared = self._room_for_stranger(source, account, now)
            if isinstance(shared, float):
                return shared
            charged.append((shared, account))
        for buckets, name in charged:
            buckets.add(name, now)
        return Try(source, account, tuple(charged))

    def _room_for_stranger(self, source: str, account: str, now: float) -> Buckets | float:
        wait = self._strangers.wait_seconds(account, now)
        if wait == 0:
            return self._strangers
        fresh_wait = self._fresh.wait_seconds(account, now)
        if self._sources.level(source, now) > 0:
            return wait
        return self._fresh if fresh_wait == 0 else min(wait, fresh_wait)

    def succeeded(self, tried: Try, now: float) -> None:
        """The password was right: the try costs nothing, and the source is known from now on."""
        self.give_back(tried, now)
        pair = f"{tried.source} {tried.account}"
        self._friends[pair] = None
        self._friends.move_to_end(pair)
        if len(self._friends) > REMEMBERED:
            self._friends.popitem(last=False)

    def give_back(self, tried: Try, now: float) -> None:
        """Nothing was learnt from the try: it costs nothing."""
        for buckets, name in tried.buckets:
            buckets.add(name, now, -1.0)

    def repeat(self, source: str, now: float) -> float:
        """Count a password that is known to be wrong; the seconds to wait if it is too much."""
        wait = self._sources.wait_seconds(source, now)
        if wait == 0:
            self._sources.add(source, now, REPEAT_WEIGHT)
        return wait
