"""Numbers of processes. Each running process holds one by a lease; it is part of every id that the
process makes (mail.identifier), so no two processes make the same id."""

import secrets

from sqlalchemy import Connection, delete, func, select, update

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.identifier import INSTANCES
from pillarbox.store.clock import database_now
from pillarbox.store.database import Database
from pillarbox.store.schema import instance
from pillarbox.store.upsert import insert_or_update


class Instances:
    """Claims, renews and gives back numbers. All methods raise SpoolUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, *, token: str, lease_ms: int) -> int:
        """Take a number that nobody holds."""
        return await self._database.write(lambda c: claim(c, token=token, lease_ms=lease_ms))

    async def renew(self, *, token: str, lease_ms: int) -> bool:
        """Whether the number is still ours; if not, no more ids may be made with it."""
        return await self._database.write(lambda c: renew(c, token=token, lease_ms=lease_ms))

    async def release(self, token: str) -> None:
        """Give the number back, also that of a process that is known to be dead."""
        await self._database.write(lambda c: release(c, token))


def claim(connection: Connection, *, token: str, lease_ms: int) -> int:
    """See Instances.claim. Free numbers are taken at random: one that was just given back is
    seldom used again at once, so a clock that was set back does not repeat ids."""
    now = database_now(connection)
    held = set(connection.scalars(select(instance.c.number).where(instance.c.lease_until >= now)))
    free = [number for number in range(1, INSTANCES) if number not in held]
    while free:
        number = free.pop(secrets.randbelow(len(free)))
        values = {"token": token, "lease_until": now + lease_ms}
        taken = connection.scalar(
            insert_or_update(connection, instance)
            .values({"number": number} | values)
            .on_conflict_do_update(
                index_elements=[instance.c.number],
                set_=values,
                where=instance.c.lease_until < now,
            )
            .returning(instance.c.number)
        )
        if taken is not None:
            return number
    raise SpoolUnavailable(SpoolTrouble.AWAY, f"all {INSTANCES} numbers of processes are taken")


def renew(connection: Connection, *, token: str, lease_ms: int) -> bool:
    """See Instances.renew."""
    lease_until = database_now(connection) + lease_ms
    result = connection.execute(
        update(instance).where(instance.c.token == token).values(lease_until=lease_until)
    )
    return result.rowcount == 1


def release(connection: Connection, token: str) -> None:
    """See Instances.release."""
    connection.execute(delete(instance).where(instance.c.token == token))


def count_living(connection: Connection) -> int:
    """How many processes hold a number now: 0 means that no service runs."""
    is_living = instance.c.lease_until >= database_now(connection)
    return connection.scalar(select(func.count()).where(is_living)) or 0
