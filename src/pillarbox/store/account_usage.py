"""What accounts have used of their daily limits, in portions that are leased to workers.

A worker leases some recipients at once and counts them down in memory, so that a message costs no
query. What all workers together lease in one day is never more than the limit. A day is one of
UTC; what a worker that died had leased counts as used until it ends.
"""

from sqlalchemy import Connection, select, update

from pillarbox.store.database import Database
from pillarbox.store.schema_directory import account_usage
from pillarbox.store.upsert import insert_or_update


class AccountUsage:
    """One for each process, over its database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lease(self, account_id: int, *, day: str, recipients: int, limit: int) -> int:
        """Lease up to so many recipients of this day (YYYY-MM-DD); how many there were.

        Raises SpoolUnavailable.
        """
        return await self._database.write(lambda c: _lease(c, account_id, day, recipients, limit))

    async def give_back(self, account_id: int, *, day: str, recipients: int) -> None:
        """Give back what was not used. Raises SpoolUnavailable."""
        await self._database.write(lambda c: _give_back(c, account_id, day, recipients))


def _lease(connection: Connection, account_id: int, day: str, wanted: int, limit: int) -> int:
    row = {"account_id": account_id, "day": day, "recipients": 0}
    insert = insert_or_update(connection, account_usage).values(row)
    connection.execute(insert.on_conflict_do_nothing())
    is_it = account_usage.c.account_id == account_id
    # A worker whose clock is behind goes on with the day that has begun elsewhere.
    is_old = account_usage.c.day < day
    connection.execute(update(account_usage).where(is_it, is_old).values(day=day, recipients=0))
    query = select(account_usage.c.recipients).where(is_it).with_for_update()
    used: int = connection.scalar(query) or 0
    leased = max(0, min(wanted, limit - used))
    if leased:
        connection.execute(update(account_usage).where(is_it).values(recipients=used + leased))
    return leased


def _give_back(connection: Connection, account_id: int, day: str, recipients: int) -> None:
    is_it = (account_usage.c.account_id == account_id, account_usage.c.day == day)
    left = account_usage.c.recipients - recipients
    connection.execute(update(account_usage).where(*is_it).values(recipients=left))
