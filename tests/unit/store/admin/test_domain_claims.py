"""store.admin.domain_claims: of all who say that a domain is theirs one has it (attacks row 41)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import Connection
from tests.support.storing import now_ms

from pillarbox.errors import DirectoryError
from pillarbox.store.admin.accounts import add_account, list_accounts
from pillarbox.store.admin.domain_claims import (
    DomainClaim,
    claim_domain,
    list_claims,
    prove_claim,
    touches_another,
    withdraw_claim,
)
from pillarbox.store.admin.tenants import (
    add_domain,
    add_tenant,
    list_domains,
    move_domain,
    remove_domain,
)
from pillarbox.store.database import Database

NOW = now_ms()
DOMAIN = "acme.example"
ROUNDS = 5
"""Of each race: the first ones of two threads are seldom at once."""


@pytest.fixture
def database(database: Database) -> Database:
    """With the tenants acme and zeta, which have no domain."""
    for name in ("acme", "zeta"):
        database.write_now(partial(add_tenant, name=name, now=NOW))
    return database


def _claim(database: Database, tenant: str, name: str = DOMAIN) -> DomainClaim:
    return database.write_now(lambda c: claim_domain(c, tenant, name, now=NOW))


def _prove(database: Database, claim: DomainClaim) -> None:
    database.write_now(lambda c: prove_claim(c, claim, now=NOW))


def _owners(database: Database) -> dict[str, tuple[str, str]]:
    """Tenant and proof of each domain."""
    found = database.read_now(list_domains)
    return {one.name: (one.tenant, one.proof) for one in found}


def test_a_claim_gives_nothing(database: Database) -> None:
    """No account, not even a name that others could not use any more."""
    _claim(database, "acme")

    assert _owners(database) == {}
    with pytest.raises(DirectoryError, match="no tenant has the domain"):
        database.write_now(lambda c: add_account(c, f"boss@{DOMAIN}", now=NOW))


def test_who_proves_it_has_it(database: Database) -> None:
    """Whoever claimed it first; the others can not prove it any more."""
    first, second = _claim(database, "acme"), _claim(database, "zeta")
    _prove(database, second)

    with pytest.raises(DirectoryError, match="not free"):
        _prove(database, first)

    assert _owners(database) == {DOMAIN: ("zeta", "dns")}
    assert database.read_now(list_claims) == [first]
    database.write_now(lambda c: add_account(c, f"boss@{DOMAIN}", now=NOW, tenant_name="zeta"))


def test_each_claim_has_a_token_of_its_own(database: Database) -> None:
    """What A published does not prove the claim of B, nor one that B makes when A has gone; A
    itself has to prove it anew."""
    first = _claim(database, "acme")
    _prove(database, first)
    database.write_now(lambda c: remove_domain(c, "acme", DOMAIN))

    tokens = {first.token, _claim(database, "zeta").token, _claim(database, "acme").token}

    assert len(tokens) == 3
    assert _owners(database) == {}


@pytest.mark.parametrize(
    "name", ["ACME.example", "\uff41cme.example", "acme\u3002example", "ACME\uff0eEXAMPLE"]
)
def test_other_spellings_are_the_same_domain(database: Database, name: str) -> None:
    """Wide letters and dots are mapped (UTS 46): there is no second claim of one name."""
    _claim(database, "acme")

    with pytest.raises(DirectoryError, match=r"claims acme\.example already"):
        _claim(database, "acme", name)


@pytest.mark.parametrize("twin", ["\u0430cme.example", "acm\u0435.example", "acme.ex\u0430mple"])
def test_a_twin_is_another_domain(database: Database, twin: str) -> None:
    """A look-alike has a name of its own in DNS, where it has to be proved; it is shown as what it
    is."""
    _prove(database, _claim(database, "acme"))

    claim = _claim(database, "zeta", twin)

    assert claim.name != DOMAIN
    assert "xn--" in claim.name
    assert _owners(database) == {DOMAIN: ("acme", "dns")}


def test_a_domain_that_one_has_is_not_claimed(database: Database) -> None:
    """Neither proved nor by an administrator's word; that word ends an open claim."""
    claim = _claim(database, "acme")
    database.write_now(lambda c: add_domain(c, "acme", DOMAIN, now=NOW))

    assert database.read_now(list_claims) == []
    assert _owners(database) == {DOMAIN: ("acme", "administrator")}
    with pytest.raises(DirectoryError, match="already"):
        _claim(database, "acme")
    with pytest.raises(DirectoryError, match="withdrawn"):
        _prove(database, claim)


def test_a_claim_that_is_gone_proves_nothing(database: Database) -> None:
    """Also where the DNS was asked before and answered after it."""
    claim = _claim(database, "acme")
    assert database.write_now(lambda c: withdraw_claim(c, claim))

    with pytest.raises(DirectoryError, match="withdrawn"):
        _prove(database, claim)

    assert not database.write_now(lambda c: withdraw_claim(c, claim))
    assert _owners(database) == {}


def test_a_domain_that_was_given_away_has_no_old_proof(database: Database) -> None:
    """The record of the one before says nothing about the next one."""
    _prove(database, _claim(database, "acme"))

    database.write_now(lambda c: move_domain(c, DOMAIN, "zeta"))

    (moved,) = database.read_now(list_domains)
    assert (moved.tenant, moved.proof, moved.token) == ("zeta", "administrator", "")


@pytest.mark.parametrize(
    ("name", "touches"),
    [
        ("mail.acme.example", True),
        ("a.b.acme.example", True),
        ("example", True),
        ("xacme.example", False),
        ("acme.example.net", False),
        ("_cme.example", False),
        ("own.example", False),
        ("www.own.example", False),
    ],
)
def test_families_of_others_are_seen(database: Database, name: str, touches: bool) -> None:
    """Above and below what another tenant has; one's own are nobody else's."""
    database.write_now(lambda c: add_domain(c, "acme", DOMAIN, now=NOW))
    database.write_now(lambda c: add_domain(c, "zeta", "own.example", now=NOW))

    assert database.read_now(lambda c: touches_another(c, "zeta", name)) is touches


def _at_once(database: Database, *changes: Callable[[Connection], object]) -> list[bool]:
    """Make changes at the same time; which of them could be made."""
    together = Barrier(len(changes))

    def make(change: Callable[[Connection], object]) -> bool:
        together.wait()
        try:
            database.write_now(change)
        except DirectoryError:
            return False
        return True

    with ThreadPoolExecutor(len(changes)) as threads:
        return list(threads.map(make, changes))


def test_one_of_two_who_prove_at_once_has_it(database: Database) -> None:
    """The other one is told, and can not use it."""
    for number in range(ROUNDS):
        name = f"d{number}.example"
        claims = [_claim(database, tenant, name) for tenant in ("acme", "zeta")]

        made = _at_once(database, *(partial(prove_claim, claim=one, now=NOW) for one in claims))

        assert sorted(made) == [False, True]
        assert _owners(database)[name] == (claims[made.index(True)].tenant, "dns")


def test_one_claim_of_a_tenant_is_one(database: Database) -> None:
    """Twice at once is once."""
    for number in range(ROUNDS):
        claiming = partial(claim_domain, tenant_name="acme", name=f"d{number}.example", now=NOW)

        assert sorted(_at_once(database, claiming, claiming)) == [False, True]


def test_no_account_is_left_in_a_domain_that_goes(database: Database) -> None:
    """Who adds one and who gives the domain away wait for each other: never both."""
    for number in range(ROUNDS):
        name = f"d{number}.example"
        database.write_now(partial(add_domain, tenant_name="acme", name=name, now=NOW))

        made = _at_once(
            database,
            partial(add_account, address=f"x@{name}", now=NOW),
            partial(move_domain, name=name, tenant_name="zeta"),
        )

        owners = [
            account.tenant
            for account in database.read_now(list_accounts)
            if account.address == f"x@{name}"
        ]
        assert True in made
        assert owners in ([], [_owners(database)[name][0]])
