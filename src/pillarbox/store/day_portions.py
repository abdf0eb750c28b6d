"""What may be used in a day, leased in portions by several workers."""

from typing import Any

from sqlalchemy import Column, Connection, Table, select, update

from pillarbox.store.upsert import insert_or_update


class DayPortions:
    """A table with a row for each `owner`, its primary key: the `day`, and in `used` what has been
    leased on it."""

    def __init__(self, table: Table, owner: Column[Any], used: Column[Any]) -> None:
        self._table = table
        self._owner = owner
        self._used = used

    def lease(self, connection: Connection, key: object, day: str, wanted: int, limit: int) -> int:
        """Lease as much of what is wanted as the limit leaves."""
        table, used, is_it = self._table, self._used, self._owner == key
        row = {self._owner.name: key, "day": day, used.name: 0}
        made = insert_or_update(connection, table).values(row)
        connection.execute(made.on_conflict_do_nothing())
        # A worker whose clock is behind goes on with the day that has begun elsewhere.
        begun = {"day": day, used.name: 0}
        connection.execute(update(table).where(is_it, table.c.day < day).values(begun))
        so_far: int = connection.scalar(select(used).where(is_it).with_for_update()) or 0
        leased = max(0, min(wanted, limit - so_far))
        if leased:
            counted = {used.name: so_far + leased}
            connection.execute(update(table).where(is_it).values(counted))
        return leased

    def give_back(self, connection: Connection, key: object, day: str, amount: int) -> None:
        """Give back what was not used, if the day is still the one that it was leased for."""
        table, used = self._table, self._used
        is_it = (self._owner == key, table.c.day == day)
        connection.execute(update(table).where(*is_it).values({used.name: used - amount}))
