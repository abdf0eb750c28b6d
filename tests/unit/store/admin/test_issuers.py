"""store.admin.issuers and the credentials that are subjects of an issuer."""

from dataclasses import replace

import pytest
from tests.support.storing import now_ms

from pillarbox.errors import DirectoryError
from pillarbox.store.admin.accounts import add_account
from pillarbox.store.admin.credentials import add_password, add_subject, list_credentials
from pillarbox.store.admin.issuers import list_issuers, remove_issuer, set_issuer
from pillarbox.store.admin.tenants import add_domain, add_tenant, disable_tenant, remove_tenant
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.records import CredentialKind, Issuer
from pillarbox.store.seal import Seal

NOW = now_ms()
ADDRESS = "app@acme.example"
URL = "https://login.example/acme"
ISSUER = Issuer(URL, frozenset({"api://mail", "11112222"}), "appid", "SMTP.Send", "/etc/ca.pem")


@pytest.fixture
def filled(database: Database) -> Database:
    """One account."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    database.write_now(lambda c: add_domain(c, "acme", "acme.example", now=NOW))
    database.write_now(lambda c: add_account(c, ADDRESS, now=NOW))
    return database


def test_an_issuer_comes_back_as_it_was_set(filled: Database) -> None:
    """A second one takes the place of the first."""
    filled.write_now(lambda c: set_issuer(c, "acme", replace(ISSUER, claim="sub"), now=NOW))
    filled.write_now(lambda c: set_issuer(c, "acme", ISSUER, now=NOW))

    (found,) = filled.read_now(list_issuers)

    assert (found.tenant, found.issuer, found.created_at) == ("acme", ISSUER, NOW)


@pytest.mark.parametrize(
    "wanted",
    [
        replace(ISSUER, url="http://login.example/acme"),
        replace(ISSUER, url="https:///acme"),
        replace(ISSUER, url="https://user@login.example/"),
        replace(ISSUER, url="https://login.example/?tenant=1"),
        replace(ISSUER, url="https://login.example/#"),
        replace(ISSUER, url="https://login.example:x/"),
        replace(ISSUER, url="https://login.example/{tenantid}/v2.0"),
        replace(ISSUER, audiences=frozenset()),
        replace(ISSUER, audiences=frozenset({"two words"})),
        replace(ISSUER, claim="name"),
        replace(ISSUER, scope="two words"),
    ],
)
def test_an_issuer_that_can_not_be_one_is_refused(filled: Database, wanted: Issuer) -> None:
    """Nothing is kept of it."""
    with pytest.raises(DirectoryError):
        filled.write_now(lambda c: set_issuer(c, "acme", wanted, now=NOW))

    assert filled.read_now(list_issuers) == []


@pytest.mark.parametrize(
    "other", [replace(ISSUER, url="https://other.example"), replace(ISSUER, claim="sub"), None]
)
async def test_a_subject_is_bound_to_the_issuer_of_its_time(
    filled: Database, other: Issuer | None
) -> None:
    """Another issuer or claim does not inherit it."""
    directory = Directory(filled, Seal(None))
    filled.write_now(lambda c: set_issuer(c, "acme", ISSUER, now=NOW))
    filled.write_now(lambda c: add_subject(c, ADDRESS, "erp", subject="id-1", now=NOW))
    if other is None:
        filled.write_now(lambda c: remove_issuer(c, "acme"))
    else:
        filled.write_now(lambda c: set_issuer(c, "acme", other, now=NOW))

    login = await directory.login(ADDRESS)

    assert login is not None
    assert login.subjects == ()
    (found,) = filled.read_now(list_credentials)

    assert found.kind is CredentialKind.OAUTH2
    assert (found.issuer, found.claim, found.subject) == (URL, "appid", "id-1")


def test_a_subject_needs_an_issuer(filled: Database) -> None:
    """The error says how to set one."""
    with pytest.raises(DirectoryError, match="pillarbox issuer set"):
        filled.write_now(lambda c: add_subject(c, ADDRESS, "erp", subject="id-1", now=NOW))


async def test_the_directory_knows_issuers_and_subjects(filled: Database) -> None:
    """Those of tenants that are switched on, and they go with their tenant."""
    directory = Directory(filled, Seal(None))
    filled.write_now(lambda c: set_issuer(c, "acme", ISSUER, now=NOW))
    filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW))
    filled.write_now(
        lambda c: add_subject(c, ADDRESS, "erp", subject="id-1", now=NOW, expires_at=NOW + 5)
    )
    await directory.refresh()

    login = await directory.login(ADDRESS)

    assert login is not None
    assert await directory.issuers() == {login.account.tenant.tenant_id: ISSUER}
    assert [known.label for known in login.credentials] == ["hall"]
    (subject,) = login.subjects
    assert (subject.issuer, subject.claim, subject.subject) == (URL, "appid", "id-1")
    assert (subject.label, subject.expires_at) == ("erp", NOW + 5)
    filled.write_now(lambda c: disable_tenant(c, "acme", disabled_at=NOW))
    await directory.refresh()
    assert await directory.issuers() == {}
    filled.write_now(lambda c: remove_tenant(c, "acme"))
    assert filled.read_now(list_issuers) == []


def test_an_issuer_can_be_removed(filled: Database) -> None:
    """Once."""
    filled.write_now(lambda c: set_issuer(c, "acme", ISSUER, now=NOW))

    filled.write_now(lambda c: remove_issuer(c, "acme"))

    assert filled.read_now(list_issuers) == []
    with pytest.raises(DirectoryError, match="no issuer"):
        filled.write_now(lambda c: remove_issuer(c, "acme"))
