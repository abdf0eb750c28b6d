"""The addresses that mail to MX hosts comes from, and what each has sent on a day while it is
warmed up: in portions that are leased to workers, as for accounts (store.account_usage)."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select, update

from pillarbox.errors import DirectoryError, NoSuchEntry
from pillarbox.sources import SourceFacts, pool_of
from pillarbox.store.database import Database
from pillarbox.store.day_portions import DayPortions
from pillarbox.store.generation import Part, moved
from pillarbox.store.schema_directory import route, source, source_usage

_PORTIONS = DayPortions(source_usage, source_usage.c.address, source_usage.c.messages)


class Sources:
    """One for each process, over its database. All methods raise SpoolUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Mapping[str, SourceFacts]:
        """What is known of each address."""
        return await self._database.read(list_sources)

    async def lease(self, address: str, *, day: str, messages: int, limit: int) -> int:
        """Lease up to so many messages of this day (YYYY-MM-DD); how many there were. What all
        workers lease in one day is never more than the limit."""
        return await self._database.write(
            lambda c: _PORTIONS.lease(c, address, day, messages, limit)
        )

    async def give_back(self, address: str, *, day: str, messages: int) -> None:
        """Give back what was not used."""
        await self._database.write(lambda c: _PORTIONS.give_back(c, address, day, messages))


def list_sources(connection: Connection) -> dict[str, SourceFacts]:
    """What is known of each address."""
    return {
        row.address: SourceFacts(
            row.name, tuple(map(int, row.warm_up.split(","))) if row.warm_up else (), row.warm_since
        )
        for row in connection.execute(select(source).order_by(source.c.address))
    }


def sent_on(connection: Connection, day: str) -> dict[str, int]:
    """What each address has sent on a day, as far as it is counted; leased portions count."""
    query = select(source_usage.c.address, source_usage.c.messages)
    rows = connection.execute(query.where(source_usage.c.day == day))
    return {row.address: row.messages for row in rows}


def save_source(connection: Connection, address: str, facts: SourceFacts, *, is_new: bool) -> None:
    """Add an address, or change what is known of it. Raises DirectoryError."""
    moved(connection, Part.DIRECTORY)
    there = address in list_sources(connection)
    if is_new and there:
        raise DirectoryError(f"there is a source {address} already: change that one")
    if not is_new and not there:
        raise _no_source(address)
    values = {
        "name": facts.name,
        "warm_up": ",".join(map(str, facts.warm_up)),
        "warm_since": facts.warm_since,
    }
    if is_new:
        connection.execute(insert(source).values(address=address, **values))
    else:
        connection.execute(update(source).where(source.c.address == address).values(values))


def remove_source(connection: Connection, address: str) -> None:
    """Remove an address that no route uses. Raises DirectoryError."""
    moved(connection, Part.DIRECTORY)
    pools = connection.scalars(select(route.c.sources).where(route.c.sources.is_not(None)))
    if any(each.address == address for text in pools for each in pool_of(text)):
        raise DirectoryError(f"a route sends from {address}: take it out of that route first")
    if connection.execute(delete(source).where(source.c.address == address)).rowcount == 0:
        raise _no_source(address)


def check_known(connection: Connection, addresses: list[str]) -> None:
    """Raise DirectoryError, with the fix, for an address that nothing is known of."""
    known = list_sources(connection)
    for address in addresses:
        if address not in known:
            raise _no_source(address)


def _no_source(address: str) -> NoSuchEntry:
    return NoSuchEntry(f"there is no source {address}: pillarbox source add {address} --name NAME")
