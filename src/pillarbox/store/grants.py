"""Refresh tokens: what a person granted to a route. Sealed, and the newest one is never lost.

Some issuers take a refresh token back once it was used, so two processes must not use one at the
same time, and the next token is durable before anything is done with what came beside it. Who
wants to use one leases it (store.lanes has the same idea), and saves what came of it. An
administrator who signs in anew meanwhile wins: the version has moved. Owners are named by a token
that is made for each use.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update

from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.oauth.sign_in import Grant
from pillarbox.store.clock import database_now
from pillarbox.store.database import Database
from pillarbox.store.schema_directory import oauth_grant
from pillarbox.store.seal import Seal
from pillarbox.store.upsert import insert_or_update


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """What administrators may know of a grant."""

    signed_in_at: Timestamp
    used_at: Timestamp


class Grants:
    """One for each process, over its database. All methods raise SpoolUnavailable."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def lease(self, grant_id: int, *, owner: str, lease_ms: int) -> Grant | bool:
        """Take the refresh token of a route to use it; True: somebody else has it, ask again;
        False: there is none. Raises SecretError."""
        return await self._database.write(
            lambda c: lease(c, grant_id, owner=owner, lease_ms=lease_ms, seal=self._seal)
        )

    async def save(self, used: Grant, refresh_token: str, *, owner: str, now: Timestamp) -> None:
        """Keep the token that came in place of `used`, and end the lease. Raises SecretError."""
        await self._database.write(
            lambda c: save(c, used, refresh_token, owner=owner, now=now, seal=self._seal)
        )

    async def release(self, grant_id: int, *, owner: str) -> None:
        """End the lease: the token is what it was."""
        await self._database.write(lambda c: release(c, grant_id, owner=owner))


def put_grant(
    connection: Connection, route_id: int, refresh_token: str, *, seal: Seal, now: Timestamp
) -> None:
    """Keep what a person granted just now in place of what was there. Raises SecretError."""
    sealed = seal.seal(refresh_token.encode(), secret_context(route_id))
    query = select(oauth_grant.c.version).where(oauth_grant.c.route_id == route_id)
    values = {
        "refresh_token_sealed": sealed,
        "version": (connection.scalar(query) or 0) + 1,
        "signed_in_at": now,
        "used_at": now,
        "owner": "",
        "lease_until": 0,
    }
    statement = insert_or_update(connection, oauth_grant).values(route_id=route_id, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[oauth_grant.c.route_id], set_=values)
    )


def lease(
    connection: Connection, grant_id: int, *, owner: str, lease_ms: int, seal: Seal
) -> Grant | bool:
    """See Grants.lease."""
    now = database_now(connection)
    is_it = oauth_grant.c.route_id == grant_id
    is_free = or_(oauth_grant.c.owner == "", oauth_grant.c.lease_until < now)
    statement = (
        update(oauth_grant)
        .where(is_it, is_free)
        .values(owner=owner, lease_until=now + lease_ms)
        .returning(oauth_grant.c.refresh_token_sealed, oauth_grant.c.version)
    )
    row = connection.execute(statement).first()
    if row is None:
        return connection.scalar(select(oauth_grant.c.version).where(is_it)) is not None
    return Grant(grant_id, seal.open(row[0], secret_context(grant_id)).decode(), row[1])


def save(
    connection: Connection,
    used: Grant,
    refresh_token: str,
    *,
    owner: str,
    now: Timestamp,
    seal: Seal,
) -> None:
    """See Grants.save."""
    values: dict[str, int | bytes] = {"used_at": now}
    if refresh_token != used.refresh_token:
        sealed = seal.seal(refresh_token.encode(), secret_context(used.grant_id))
        values |= {"refresh_token_sealed": sealed, "version": used.version + 1}
    # Also where the lease has ended meanwhile: who took it over has an older token than this one,
    # and what it saves then does not fit the version any more.
    is_it = (oauth_grant.c.route_id == used.grant_id, oauth_grant.c.version == used.version)
    connection.execute(update(oauth_grant).where(*is_it).values(values))
    release(connection, used.grant_id, owner=owner)


def release(connection: Connection, grant_id: int, *, owner: str) -> None:
    """See Grants.release."""
    is_ours = (oauth_grant.c.route_id == grant_id, oauth_grant.c.owner == owner)
    connection.execute(update(oauth_grant).where(*is_ours).values(owner="", lease_until=0))


def grant_facts(connection: Connection, grant_id: int) -> GrantFacts | None:
    """When somebody signed in, and when the grant was used last; None: nobody did."""
    query = select(oauth_grant.c.signed_in_at, oauth_grant.c.used_at)
    row = connection.execute(query.where(oauth_grant.c.route_id == grant_id)).first()
    return None if row is None else GrantFacts(*row)


def secret_context(route_id: int) -> str:
    """The place for which a refresh token is sealed."""
    return f"route {format_id(route_id)}: refresh token"
