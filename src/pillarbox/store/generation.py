"""Two numbers that tell running processes that something was changed: each change moves one in its
own transaction, each process looks at them once a second."""

from enum import StrEnum

from sqlalchemy import BigInteger, Connection, Text, cast, select, update

from pillarbox.store.schema import setting


class Part(StrEnum):
    """What changed."""

    DIRECTORY = "directory_generation"
    """Tenants, accounts, routes: caches are void."""
    QUEUE = "queue_generation"
    """Somebody held, released, retried or bounced mail: what a scheduler has in memory is void."""


def moved(connection: Connection, part: Part) -> None:
    """Say that something was changed; to be called in the transaction of the change."""
    number = cast(setting.c.value, BigInteger) + 1
    connection.execute(
        update(setting).where(setting.c.name == part).values(value=cast(number, Text))
    )


def generation(connection: Connection, part: Part) -> int:
    """The number as it is now."""
    query = select(cast(setting.c.value, BigInteger)).where(setting.c.name == part)
    return connection.scalar(query) or 0
