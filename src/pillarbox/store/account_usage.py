"""What accounts have used of their daily limits, in portions that are leased to workers.

A worker leases some recipients at once and counts them down in memory, so that a message costs no
query. What all workers together lease in one day is never more than the limit. A day is one of
UTC; what a worker that died had leased counts as used until it ends.
"""

from pillarbox.store.database import Database
from pillarbox.store.day_portions import DayPortions
from pillarbox.store.schema_directory import account_usage

_PORTIONS = DayPortions(account_usage, account_usage.c.account_id, account_usage.c.recipients)


class AccountUsage:
    """One for each process, over its database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lease(self, account_id: int, *, day: str, recipients: int, limit: int) -> int:
        """Lease up to so many recipients of this day (YYYY-MM-DD); how many there were.

        Raises SpoolUnavailable.
        """
        return await self._database.write(
            lambda c: _PORTIONS.lease(c, account_id, day, recipients, limit)
        )

    async def give_back(self, account_id: int, *, day: str, recipients: int) -> None:
        """Give back what was not used. Raises SpoolUnavailable."""
        await self._database.write(lambda c: _PORTIONS.give_back(c, account_id, day, recipients))
