"""store.admin.accounts: accounts and as whom they may send."""

from functools import partial

import pytest
from tests.support.storing import now_ms

from pillarbox.errors import DirectoryError
from pillarbox.store.admin.accounts import (
    add_account,
    add_send_as,
    disable_account,
    list_accounts,
    remove_account,
    remove_send_as,
    show_account,
)
from pillarbox.store.admin.credentials import add_password, list_credentials
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database

NOW = now_ms()
ADDRESS = "Printer@acme.example"


@pytest.fixture
def filled(database: Database) -> Database:
    """Tenants `acme` and `zeta` with a domain each, and one account."""
    for name in ("acme", "zeta"):
        database.write_now(partial(add_tenant, name=name, now=NOW))
        domain = f"{name}.example"
        database.write_now(partial(add_domain, tenant_name=name, name=domain, now=NOW))
    database.write_now(lambda c: add_account(c, ADDRESS, now=NOW))
    return database


def test_an_account_belongs_to_the_tenant_of_its_domain(filled: Database) -> None:
    """It starts without credentials and grants."""
    info = filled.read_now(lambda c: show_account(c, "printer@ACME.example"))

    assert (info.address, info.tenant, info.send_as, info.credentials) == (ADDRESS, "acme", (), 0)


def test_an_address_is_given_once(filled: Database) -> None:
    """Case does not make another one."""
    with pytest.raises(DirectoryError, match="already"):
        filled.write_now(lambda c: add_account(c, "PRINTER@acme.example", now=NOW))


def test_the_domain_must_be_there(filled: Database) -> None:
    """The error says how to add it."""
    with pytest.raises(DirectoryError, match=r"domain add new\.example"):
        filled.write_now(lambda c: add_account(c, "x@new.example", now=NOW))


@pytest.mark.parametrize("address", ["x@zeta.example", "x@new.example"])
def test_the_domain_must_be_one_of_the_tenant(filled: Database, address: str) -> None:
    """Whether another tenant has it or nobody: the same words."""
    with pytest.raises(DirectoryError, match="not one of tenant 'acme'"):
        filled.write_now(lambda c: add_account(c, address, now=NOW, tenant_name="acme"))


@pytest.mark.parametrize("address", ["", "printer", "a b@acme.example", "x@"])
def test_what_is_no_address_is_refused(filled: Database, address: str) -> None:
    """With the reason."""
    with pytest.raises(DirectoryError, match="no mail address"):
        filled.write_now(lambda c: add_account(c, address, now=NOW))


def test_grants_are_given_and_taken(filled: Database) -> None:
    """Addresses, whole domains, the null reverse-path."""
    for pattern in ("Office@acme.example", "@ACME.example", "<>"):
        filled.write_now(partial(add_send_as, address=ADDRESS, pattern=pattern))
    shown = filled.read_now(lambda c: show_account(c, ADDRESS)).send_as
    assert shown == ("<>", "@acme.example", "office@acme.example")

    filled.write_now(lambda c: remove_send_as(c, ADDRESS, "@acme.example"))

    shown = filled.read_now(lambda c: show_account(c, ADDRESS)).send_as
    assert shown == ("<>", "office@acme.example")
    with pytest.raises(DirectoryError, match="was not allowed"):
        filled.write_now(lambda c: remove_send_as(c, ADDRESS, "@acme.example"))


@pytest.mark.parametrize("pattern", ["x@zeta.example", "@zeta.example", "@nobody.example"])
def test_no_grant_for_what_is_not_the_tenants(filled: Database, pattern: str) -> None:
    """One tenant never sends as another."""
    with pytest.raises(DirectoryError, match="not one of the tenant"):
        filled.write_now(lambda c: add_send_as(c, ADDRESS, pattern))


@pytest.mark.parametrize("pattern", ["*@acme.example", "acme.example"])
def test_all_of_a_domain_is_written_in_one_way(filled: Database, pattern: str) -> None:
    """A star would be a local part as any other, and the grant of nothing."""
    with pytest.raises(DirectoryError, match=r"write @acme\.example for"):
        filled.write_now(lambda c: add_send_as(c, ADDRESS, pattern))


@pytest.mark.parametrize("pattern", ["printer@acme.example", "@acme.example"])
def test_a_grant_is_given_once(filled: Database, pattern: str) -> None:
    """The account's own address needs none."""
    filled.write_now(lambda c: add_send_as(c, ADDRESS, "@acme.example"))

    with pytest.raises(DirectoryError, match="already"):
        filled.write_now(lambda c: add_send_as(c, ADDRESS, pattern))


def test_accounts_are_listed_by_tenant(filled: Database) -> None:
    """All, or those of one."""
    filled.write_now(lambda c: add_account(c, "a@zeta.example", now=NOW))

    everybody = [info.address for info in filled.read_now(list_accounts)]
    of_zeta = filled.read_now(lambda c: list_accounts(c, tenant_name="zeta"))

    assert everybody == ["a@zeta.example", ADDRESS]
    assert [info.address for info in of_zeta] == ["a@zeta.example"]


def test_an_account_goes_with_its_credentials(filled: Database) -> None:
    """Nothing is left that could log in."""
    filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW))

    filled.write_now(lambda c: remove_account(c, ADDRESS))

    assert filled.read_now(list_credentials) == []
    with pytest.raises(DirectoryError, match="account list"):
        filled.read_now(lambda c: show_account(c, ADDRESS))


def test_an_account_is_switched_off_and_on(filled: Database) -> None:
    """The moment is shown."""
    filled.write_now(lambda c: disable_account(c, ADDRESS, disabled_at=NOW))
    assert filled.read_now(lambda c: show_account(c, ADDRESS)).disabled_at == NOW

    filled.write_now(lambda c: disable_account(c, ADDRESS, disabled_at=None))
    assert filled.read_now(lambda c: show_account(c, ADDRESS)).disabled_at is None
