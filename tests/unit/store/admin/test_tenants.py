"""store.admin.tenants: tenants and their domains."""

from functools import partial

import pytest
from sqlalchemy import Connection, update
from tests.support.storing import Queue, now_ms, settlement

from pillarbox.errors import DirectoryError
from pillarbox.store import schema
from pillarbox.store.admin.accounts import add_account, add_send_as, list_accounts
from pillarbox.store.admin.domain_claims import claim_domain
from pillarbox.store.admin.tenants import (
    TenantSettings,
    add_domain,
    add_tenant,
    change_tenant,
    list_domains,
    list_tenants,
    remove_domain,
    remove_tenant,
    show_tenant,
)
from pillarbox.store.database import Database
from pillarbox.store.generation import Part, generation

NOW = now_ms()


def _two_tenants(connection: Connection) -> None:
    for name in ("acme", "zeta"):
        add_tenant(connection, name, now=NOW)
        add_domain(connection, name, f"{name}.example", now=NOW)


def test_a_tenant_is_shown_as_it_was_made(database: Database) -> None:
    """With its settings, domains and the number of its accounts."""
    settings = TenantSettings(keep_content_days=7, delay_notice_seconds=None, recipient_limit=20)
    tenant_id = database.write_now(lambda c: add_tenant(c, "acme", now=NOW, settings=settings))
    for name in ("b.example", "A.example"):
        database.write_now(partial(add_domain, tenant_name="acme", name=name, now=NOW))
    database.write_now(lambda c: add_account(c, "x@a.example", now=NOW))

    info = database.read_now(lambda c: show_tenant(c, "acme"))

    assert info.tenant_id == tenant_id
    assert info.settings == settings
    assert info.domains == ("a.example", "b.example")
    assert (info.accounts, info.created_at, info.disabled_at) == (1, NOW, None)


@pytest.mark.parametrize("name", ["", "Acme", "-a", "a b", "a/b", "x" * 65, "ä"])
def test_a_name_that_can_not_be_typed_is_refused(database: Database, name: str) -> None:
    """Names go into commands and file names."""
    with pytest.raises(DirectoryError, match="lower-case"):
        database.write_now(lambda c: add_tenant(c, name, now=NOW))


def test_a_name_is_given_once(database: Database) -> None:
    """And says so in words."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))

    with pytest.raises(DirectoryError, match="already"):
        database.write_now(lambda c: add_tenant(c, "acme", now=NOW))


@pytest.mark.parametrize(
    "settings",
    [
        TenantSettings(retry_first_seconds=0),
        TenantSettings(retry_first_seconds=100, retry_longest_seconds=50),
        TenantSettings(give_up_seconds=0),
        TenantSettings(size_limit_octets=0),
        TenantSettings(keep_content_days=-1),
    ],
)
def test_senseless_settings_are_refused(database: Database, settings: TenantSettings) -> None:
    """Before any mail gets lost in them."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))

    with pytest.raises(DirectoryError):
        database.write_now(lambda c: change_tenant(c, "acme", settings))


def test_settings_can_be_changed(database: Database) -> None:
    """All of them at once."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    settings = TenantSettings(give_up_seconds=3600)

    database.write_now(lambda c: change_tenant(c, "acme", settings))

    assert database.read_now(lambda c: show_tenant(c, "acme")).settings == settings


def test_an_unknown_tenant_is_named(database: Database) -> None:
    """With the command that shows those that exist."""
    with pytest.raises(DirectoryError, match="tenant list"):
        database.read_now(lambda c: show_tenant(c, "nobody"))


def test_a_domain_belongs_to_one_tenant(database: Database) -> None:
    """Who has it already is not told."""
    database.write_now(_two_tenants)

    with pytest.raises(DirectoryError, match="not free") as caught:
        database.write_now(lambda c: add_domain(c, "acme", "ZETA.example", now=NOW))

    assert "zeta" not in str(caught.value).replace("zeta.example", "")


def test_a_domain_is_kept_as_its_a_label(database: Database) -> None:
    """Unicode and case make no other domain (RFC 5890)."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))

    database.write_now(lambda c: add_domain(c, "acme", "Bücher.Example", now=NOW))

    names = [info.name for info in database.read_now(lambda c: list_domains(c, "acme"))]
    assert names == ["xn--bcher-kva.example"]
    with pytest.raises(DirectoryError, match="already"):
        database.write_now(lambda c: add_domain(c, "acme", "xn--bcher-kva.example", now=NOW))


@pytest.mark.parametrize(
    "name", ["", "a b.example", "[192.0.2.1]", "127.0.0.1", "-x.example", "a..b"]
)
def test_what_is_no_domain_is_refused(database: Database, name: str) -> None:
    """Literals too, and what programs read as an address: nobody owns one."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))

    with pytest.raises(DirectoryError, match=r"no(t a)? domain"):
        database.write_now(lambda c: add_domain(c, "acme", name, now=NOW))
    with pytest.raises(DirectoryError, match=r"no(t a)? domain"):
        database.write_now(lambda c: claim_domain(c, "acme", name, now=NOW))


def test_a_domain_with_accounts_stays(database: Database) -> None:
    """The accounts go first; then the grants for the domain go with it."""
    database.write_now(_two_tenants)
    database.write_now(lambda c: add_domain(c, "acme", "other.example", now=NOW))
    database.write_now(lambda c: add_account(c, "x@acme.example", now=NOW))
    database.write_now(lambda c: add_send_as(c, "x@acme.example", "@other.example"))

    with pytest.raises(DirectoryError, match=r"x@acme\.example"):
        database.write_now(lambda c: remove_domain(c, "acme", "acme.example"))
    with pytest.raises(DirectoryError, match="no domain"):
        database.write_now(lambda c: remove_domain(c, "acme", "zeta.example"))
    database.write_now(lambda c: remove_domain(c, "acme", "other.example"))

    (account,) = database.read_now(list_accounts)
    assert account.send_as == ()


async def test_a_tenant_with_mail_in_the_queue_stays(queue: Queue) -> None:
    """Else nobody would know where its mail goes."""
    database = queue.database
    tenant_id = database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    message = await queue.put()
    database.write_now(lambda c: c.execute(update(schema.message).values(tenant_id=tenant_id)))

    with pytest.raises(DirectoryError, match="mail in the queue"):
        database.write_now(lambda c: remove_tenant(c, "acme"))
    await queue.spool.settle(settlement(message))
    database.write_now(lambda c: remove_tenant(c, "acme"))

    assert database.read_now(list_tenants) == []


def test_all_that_a_tenant_has_goes_with_it(database: Database) -> None:
    """Its domains are free for others, its accounts are gone."""
    database.write_now(_two_tenants)
    database.write_now(lambda c: add_account(c, "x@acme.example", now=NOW))

    database.write_now(lambda c: remove_tenant(c, "acme"))

    assert database.read_now(list_accounts) == []
    database.write_now(lambda c: add_domain(c, "zeta", "acme.example", now=NOW))


def test_each_change_moves_the_generation(database: Database) -> None:
    """Running processes look at it once a second."""
    before = database.read_now(lambda c: generation(c, Part.DIRECTORY))

    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))

    assert database.read_now(lambda c: generation(c, Part.DIRECTORY)) == before + 1
