"""store.grants: refresh tokens are used by one process at a time, and the newest one is kept."""

from pathlib import Path

import pytest
from tests.support.storing import now_ms, open_database

from pillarbox.mail.envelope import Timestamp
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, Grant, SignIn
from pillarbox.route import Microsoft365, Route
from pillarbox.store.admin.routes import add_route, change_route, remove_route
from pillarbox.store.admin.tenants import add_tenant
from pillarbox.store.database import Database
from pillarbox.store.grants import GrantFacts, Grants, grant_facts
from pillarbox.store.seal import Seal

NOW = now_ms()
HOP = Microsoft365(
    "alerts@contoso.example",
    Cloud.WORLDWIDE,
    SignIn(Flow.DEVICE_CODE, "app", "https://login.test", "tenant"),
)
LEASE_MS = 60_000


@pytest.fixture
def grant_id(database: Database, seal: Seal) -> int:
    """A route that a person signed in for with the token "first"."""
    return granted(database, seal)


def granted(database: Database, seal: Seal) -> int:
    """Make it."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    route = Route(0, "", "", HOP)
    return database.write_now(
        lambda c: add_route(c, "acme", route, seal=seal, now=NOW, refresh_token="first")
    )


async def leased(grants: Grants, grant_id: int, owner: str, *, lease_ms: int = LEASE_MS) -> Grant:
    """Lease it, which must succeed."""
    grant = await grants.lease(grant_id, owner=owner, lease_ms=lease_ms)
    assert isinstance(grant, Grant)
    return grant


async def save(grants: Grants, used: Grant, token: str, owner: str, now: Timestamp = NOW) -> None:
    """Keep what came of a grant."""
    await grants.save(used, token, owner=owner, now=now)


async def test_one_process_uses_a_token_at_a_time(
    database: Database, seal: Seal, grant_id: int
) -> None:
    """The other one waits, and then gets the newer token."""
    one, other = Grants(database, seal), Grants(database, seal)

    first = await leased(one, grant_id, "one")
    while_leased = await other.lease(grant_id, owner="other", lease_ms=LEASE_MS)
    await save(one, first, "second", "one")
    second = await leased(other, grant_id, "other")

    assert first.refresh_token == "first"
    assert while_leased is True
    assert second.refresh_token == "second"


async def test_a_lease_that_ended_is_taken_over(
    database: Database, seal: Seal, grant_id: int
) -> None:
    """A process that died does not keep the others from signing in."""
    grants = Grants(database, seal)

    await leased(grants, grant_id, "dead", lease_ms=-1)

    assert (await leased(grants, grant_id, "living")).refresh_token == "first"


async def test_a_failed_attempt_leaves_the_token(
    database: Database, seal: Seal, grant_id: int
) -> None:
    """It is given back as it was."""
    grants = Grants(database, seal)

    await leased(grants, grant_id, "one")
    await grants.release(grant_id, owner="one")

    assert (await leased(grants, grant_id, "other")).version == 1


async def test_who_signs_in_anew_wins(database: Database, seal: Seal, grant_id: int) -> None:
    """What a refresh with the old token brings comes too late."""
    grants = Grants(database, seal)
    old = await leased(grants, grant_id, "one")
    route = Route(grant_id, "", "", HOP)

    database.write_now(lambda c: change_route(c, route, seal=seal, now=NOW, refresh_token="new"))
    await save(grants, old, "from the old one", "one")

    assert (await leased(grants, grant_id, "other")).refresh_token == "new"


async def test_use_is_noted_also_where_the_token_stays(
    database: Database, seal: Seal, grant_id: int
) -> None:
    """Some issuers give the same one again; it lives on by being used."""
    grants = Grants(database, seal)

    await save(grants, await leased(grants, grant_id, "one"), "first", "one", NOW + 5)

    assert database.read_now(lambda c: grant_facts(c, grant_id)) == GrantFacts(NOW, NOW + 5)
    assert (await leased(grants, grant_id, "one")).version == 1


async def test_a_removed_route_has_no_grant(database: Database, seal: Seal, grant_id: int) -> None:
    """Nothing secret of it is left."""
    database.write_now(lambda c: remove_route(c, grant_id))

    assert await Grants(database, seal).lease(grant_id, owner="x", lease_ms=1) is False
    assert database.read_now(lambda c: grant_facts(c, grant_id)) is None


async def test_no_refresh_token_stands_in_the_files(tmp_path: Path, seal: Seal) -> None:
    """Neither in the database nor in its log."""
    database = open_database(f"sqlite:///{tmp_path / 'pillarbox.db'}")
    grant_id = granted(database, seal)
    grants = Grants(database, seal)
    await save(grants, await leased(grants, grant_id, "one"), "rolled-over-4711", "one")
    octets = _octets(tmp_path)
    await database.close()

    assert b"alerts@contoso.example" in octets
    assert b"rolled-over-4711" not in octets


def _octets(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())
