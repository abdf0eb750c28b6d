"""How many recipients an account may send to in a day (UTC), however many sessions it has.

A message is charged when all of its content is here, at once and before it is put, so sessions at
the same time can not pass the limit together; what was not put after all is given back. A worker
charges against a portion that it has leased from the store (store.account_usage): only now and
then a message waits for a lease, and all workers together never exceed the limit.
"""

import datetime
from dataclasses import dataclass
from typing import Protocol

from pillarbox.errors import SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.store.records import Account
from pillarbox.values import quick

PORTIONS = 100
"""A worker leases this part of a limit at once: what it holds back from others is little."""

LOOK_AGAIN_SECONDS = 5.0
"""After the store had nothing left it is asked again at most so often: another worker may have
given something back, or the limit may have been raised."""


class Ledger(Protocol):
    """What is asked of the store (store.account_usage)."""

    async def lease(self, account_id: int, *, day: str, recipients: int, limit: int) -> int:
        """Lease up to so many recipients; how many there were."""
        ...

    async def give_back(self, account_id: int, *, day: str, recipients: int) -> None:
        """Give back what was not used."""
        ...


@dataclass(slots=True)
class _Lease:
    """What this worker may still send for an account on a day. `used_up_until`: the store had
    nothing left under this limit, and is not asked before that moment."""

    day: str
    limit: int
    left: int = 0
    used_up_until: float = 0.0


@quick(frozen=True, slots=True)
class Charge:
    """What a message was charged with."""

    account_id: int
    day: str
    recipients: int


_NO_CHARGE = Charge(0, "", 0)


class SendingLimits:
    """The limits of one worker."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._leases: dict[int, _Lease] = {}

    def on_rcpt(self, account: Account, recipients: int) -> Denial | None:
        """Refuse a recipient that is one too many, as far as that is known without the store."""
        limit = account.recipients_per_day
        if limit is None:
            return None
        lease = self._lease(account.account_id, limit)
        is_used_up = lease.used_up_until > self._clock.seconds()
        if recipients > limit or (is_used_up and recipients > lease.left):
            return _denial(limit)
        return None

    def charge(self, account: Account, recipients: int) -> Charge | None:
        """Charge a message if that is possible at once; if not, ask `lease_and_charge`."""
        limit = account.recipients_per_day
        if limit is None:
            return _NO_CHARGE
        lease = self._lease(account.account_id, limit)
        if lease.left < recipients:
            return None
        lease.left -= recipients
        return Charge(account.account_id, lease.day, recipients)

    async def lease_and_charge(self, account: Account, recipients: int) -> Charge | Denial:
        """Charge a message, with a lease from the store. Raises SpoolUnavailable."""
        limit = account.recipients_per_day
        if limit is not None and self._lease(account.account_id, limit).left < recipients:
            await self._extend(account.account_id, limit, recipients)
        charge = self.charge(account, recipients)
        return _denial(limit or 0) if charge is None else charge

    async def _extend(self, account_id: int, limit: int, recipients: int) -> None:
        lease = self._lease(account_id, limit)
        if lease.used_up_until > self._clock.seconds():
            return
        wanted = max(recipients, limit // PORTIONS)
        leased = await self._ledger.lease(account_id, day=lease.day, recipients=wanted, limit=limit)
        # What was leased for a day or a limit that is over belongs to nobody: it counts as used.
        lease.left += leased
        if leased < wanted:
            lease.used_up_until = self._clock.seconds() + LOOK_AGAIN_SECONDS

    def give_back(self, charge: Charge) -> None:
        """The message was not taken after all."""
        lease = self._leases.get(charge.account_id)
        if lease is not None and lease.day == charge.day:
            lease.left += charge.recipients

    async def close(self) -> None:
        """Give back what is left, for the next worker."""
        leases, self._leases = self._leases, {}
        for account_id, lease in leases.items():
            if lease.left:
                try:
                    await self._ledger.give_back(account_id, day=lease.day, recipients=lease.left)
                except SpoolUnavailable:
                    # It counts as used today.
                    return

    def _lease(self, account_id: int, limit: int) -> _Lease:
        """The lease for this day under this limit. What was left of another one counts as used."""
        day = self._today()
        lease = self._leases.get(account_id)
        if lease is None or lease.day != day or lease.limit != limit:
            lease = self._leases[account_id] = _Lease(day, limit)
        return lease

    def _today(self) -> str:
        moment = self._clock.timestamp() / 1000
        return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d")


def _denial(limit: int) -> Denial:
    return Denial(Refusal.DAILY_LIMIT, "the daily limit of the account", {"limit": limit})
