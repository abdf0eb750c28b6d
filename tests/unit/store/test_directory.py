"""store.directory: who may log in, and what is remembered of it."""

from functools import partial

import pytest
from sqlalchemy import Connection, Executable, select, update
from tests.support.storing import now_ms, until

from pillarbox.errors import SecretError
from pillarbox.retry import RetryPolicy
from pillarbox.route import Route, SmartHost, TlsMode
from pillarbox.store.admin.accounts import (
    add_account,
    add_send_as,
    disable_account,
    limit_account,
    remove_account,
)
from pillarbox.store.admin.credentials import add_network, add_password, remove_credential
from pillarbox.store.admin.routes import add_route
from pillarbox.store.admin.tenants import (
    TenantSettings,
    add_domain,
    add_tenant,
    change_tenant,
    disable_tenant,
)
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.passwords import match_password
from pillarbox.store.schema_directory import credential
from pillarbox.store.seal import Seal, new_master_key

NOW = now_ms()
ADDRESS = "Printer@Here.example"


def _execute(statement: Executable, connection: Connection) -> None:
    connection.execute(statement)


@pytest.fixture
def directory(database: Database, seal: Seal) -> Directory:
    """A directory with a tenant `acme`, its domain and one account without credentials."""
    settings = TenantSettings(keep_content_days=3, retry_first_seconds=5, size_limit_octets=1000)
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW, settings=settings))
    database.write_now(lambda c: add_domain(c, "acme", "HERE.example", now=NOW))
    database.write_now(lambda c: add_account(c, ADDRESS, now=NOW))
    return Directory(database, seal)


async def test_an_account_is_found_by_its_address(database: Database, directory: Directory) -> None:
    """In any case; with the hashes of its passwords and all about its tenant."""
    made = database.write_now(
        lambda c: add_password(c, ADDRESS, "hall", now=NOW, expires_at=NOW + 5)
    )

    found = await directory.login("printer@HERE.EXAMPLE")

    assert found is not None
    (password,) = found.credentials
    assert match_password([password.password_hash], made.password) == 0
    assert (password.label, password.expires_at) == ("hall", NOW + 5)
    account = found.account
    assert account.address.address == ADDRESS
    assert account.send_as == {"printer@here.example"}
    assert account.tenant.domains == {"here.example"}
    assert account.tenant.keep_content_days == 3
    assert account.tenant.size_limit_octets == 1000
    assert account.tenant.retry == RetryPolicy(first_seconds=5)
    assert password.password_hash not in repr(found)


@pytest.mark.parametrize("name", ["nobody@here.example", "printer", "", "@", "a@b@c", "x" * 500])
async def test_other_names_find_nobody(directory: Directory, name: str) -> None:
    """Whatever a client sends as user name."""
    assert await directory.login(name) is None


async def test_who_is_switched_off_can_not_log_in(database: Database, directory: Directory) -> None:
    """An account, or all of a tenant; switched on again it works."""
    for switch in (partial(disable_account, address=ADDRESS), partial(disable_tenant, name="acme")):
        database.write_now(partial(switch, disabled_at=NOW))
        await directory.refresh()
        assert await directory.login(ADDRESS) is None
        database.write_now(partial(switch, disabled_at=None))
        await directory.refresh()
        assert await directory.login(ADDRESS) is not None


async def test_what_was_read_is_kept_until_something_changes(
    database: Database, directory: Directory
) -> None:
    """Neither a known nor an unknown name costs a second query; a change is seen at once."""
    assert await directory.login(ADDRESS) is not None
    assert await directory.login("new@here.example") is None
    await directory.refresh()
    assert await directory.login(ADDRESS) is not None
    assert await directory.login("new@here.example") is None
    before = directory.generation
    database.write_now(lambda c: remove_account(c, ADDRESS))
    database.write_now(lambda c: add_account(c, "new@here.example", now=NOW))
    assert await directory.login(ADDRESS) is not None

    changed = await directory.refresh()

    assert changed
    assert directory.generation > before
    assert await directory.login(ADDRESS) is None
    assert await directory.login("new@here.example") is not None
    assert not await directory.refresh()


async def test_grants_come_with_the_account(database: Database, directory: Directory) -> None:
    """Addresses and whole domains."""
    database.write_now(lambda c: add_send_as(c, ADDRESS, "Office@here.example"))
    database.write_now(lambda c: add_send_as(c, ADDRESS, "@HERE.example"))

    found = await directory.login(ADDRESS)

    assert found is not None
    assert found.account.send_as == {"printer@here.example", "office@here.example", "@here.example"}


async def test_limit_of_the_tenant_holds_without_an_own_one(
    database: Database, directory: Directory
) -> None:
    """And the account's own one goes before it; without any there is no limit."""
    limits = []
    for tenants, own in ((None, None), (3, None), (3, 5)):
        settings = TenantSettings(account_recipients_per_day=tenants)
        await database.write(partial(change_tenant, name="acme", settings=settings))
        await database.write(partial(limit_account, address=ADDRESS, recipients_per_day=own))
        await directory.refresh()
        found = await directory.login(ADDRESS)
        assert found is not None
        limits.append(found.account.recipients_per_day)

    assert limits == [None, 3, 5]


async def test_routes_come_with_the_password_opened(
    database: Database, directory: Directory, seal: Seal
) -> None:
    """Only the service that has the master key can use a smart host."""
    hop = SmartHost(
        "smtp.far.example", 587, TlsMode.STARTTLS, username="me", password="open sesame"
    )
    database.write_now(lambda c: add_route(c, "acme", Route(0, "", "", hop), seal=seal, now=NOW))

    login = await directory.login(ADDRESS)

    assert login is not None
    route = login.account.tenant.routes.choose("here.example", "far.example")
    assert route is not None
    assert route.next_hop == hop
    with pytest.raises(SecretError):
        await Directory(database, Seal(new_master_key())).tenant(login.account.tenant.tenant_id)


async def test_accounts_and_tenants_are_found_by_id(directory: Directory) -> None:
    """For mail that is in the queue already; None when they are gone."""
    login = await directory.login(ADDRESS)
    assert login is not None

    assert await directory.account(login.account.account_id) == login.account
    assert await directory.tenant(login.account.tenant.tenant_id) is not None
    assert await directory.account(1) is None
    assert await directory.tenant(1) is None


async def test_networks_are_found_narrowest_first(database: Database, directory: Directory) -> None:
    """Also for IPv4 that came through an IPv6 socket, and not after their end."""
    for label, network, ends in (
        ("wide", "192.0.2.0/24", None),
        ("narrow", "192.0.2.16/28", None),
        ("over", "192.0.2.17", NOW - 1),
        ("six", "2001:db8::/64", None),
    ):
        add = partial(add_network, address=ADDRESS, label=label, network=network, now=NOW)
        database.write_now(add)
        change = update(credential).where(credential.c.label == label).values(expires_at=ends)
        database.write_now(partial(_execute, change))

    async def networks(address: str) -> list[str]:
        found = await directory.network_accounts(address, now=NOW)
        assert all(record.account.credential_id is not None for record in found)
        return [str(record.network) for record in found]

    assert await networks("192.0.2.17") == ["192.0.2.16/28", "192.0.2.0/24"]
    assert await networks("::ffff:192.0.2.200") == ["192.0.2.0/24"]
    assert await networks("2001:db8::1%eth0") == ["2001:db8::/64"]
    assert await networks("198.51.100.1") == []


async def test_the_last_use_of_a_credential_is_noted(
    database: Database, directory: Directory
) -> None:
    """At most once a minute, and nobody waits for it."""
    made = database.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW))

    def last_use() -> int | None:
        found: int | None = database.read_now(lambda c: c.scalar(select(credential.c.last_used_at)))
        return found

    directory.touch(made.credential_id, NOW)
    directory.touch(made.credential_id, NOW + 59_000)
    await database.write(lambda _: None)
    assert last_use() == NOW

    directory.touch(made.credential_id, NOW + 61_000)
    await until(lambda: last_use() == NOW + 61_000)


async def test_a_removed_password_is_gone(database: Database, directory: Directory) -> None:
    """The account stays with the others."""
    for label in ("hall", "office"):
        database.write_now(partial(add_password, address=ADDRESS, label=label, now=NOW))
    database.write_now(lambda c: remove_credential(c, ADDRESS, "hall"))

    found = await directory.login(ADDRESS)

    assert found is not None
    assert [one.label for one in found.credentials] == ["office"]
