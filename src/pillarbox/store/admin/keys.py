"""All that is sealed: who sealed it, and sealing it again with another master key."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Column, Connection, select, update

from pillarbox.errors import SecretError
from pillarbox.store import grants, route_rows, sign_in_rows, signing_keys
from pillarbox.store.generation import Part, moved
from pillarbox.store.schema_directory import dkim_key, oauth_grant, route
from pillarbox.store.seal import Seal, key_id, sealed_by


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """Where sealed values stand; `context` gives the place of one by the key of its row."""

    key: Column[int]
    column: Column[bytes]
    context: Callable[[int], str]


SEALED = (
    SealedColumn(route.c.id, route.c.password_sealed, route_rows.secret_context),
    SealedColumn(route.c.id, route.c.oauth_secret_sealed, sign_in_rows.secret_context),
    SealedColumn(route.c.id, route.c.oauth_key_sealed, sign_in_rows.key_context),
    SealedColumn(oauth_grant.c.route_id, oauth_grant.c.refresh_token_sealed, grants.secret_context),
    SealedColumn(dkim_key.c.id, dkim_key.c.private_sealed, signing_keys.secret_context),
)
"""Every column whose name ends in `_sealed`; a test looks for one that is missing."""


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many values were sealed again; the places of those that no key opens."""

    values: int
    unreadable: tuple[str, ...]


def reseal(connection: Connection, seal: Seal, master_key: bytes) -> Resealed:
    """Seal with this key what is sealed with another one that `seal` knows.

    A value that somebody changes meanwhile is left as that one wrote it.
    """
    name, new = key_id(master_key), Seal(master_key)
    values = 0
    unreadable = []
    for each in SEALED:
        query = select(each.key, each.column).where(each.column.is_not(None))
        for row_id, sealed in connection.execute(query).all():
            if sealed_by(sealed) == name:
                continue
            context = each.context(row_id)
            try:
                again = new.seal(seal.open(sealed, context), context)
            except SecretError:
                unreadable.append(context)
                continue
            statement = update(each.column.table).where(each.key == row_id, each.column == sealed)
            values += connection.execute(statement.values({each.column.name: again})).rowcount
    if values:
        # Services open it again, and look for the new key.
        moved(connection, Part.DIRECTORY)
    return Resealed(values, tuple(unreadable))


def count_by_key(connection: Connection) -> Counter[bytes | None]:
    """How many values are sealed with which key; None: by one that did not say."""
    return Counter(
        sealed_by(sealed)
        for each in SEALED
        for sealed in connection.scalars(select(each.column).where(each.column.is_not(None)))
    )
