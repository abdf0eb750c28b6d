"""app.domain_watch: claims follow what DNS says, over a real store and a resolver that says what it
is told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.support.storing import now_ms, open_database
from tests.unit.app.test_key_watch import Zone

from pillarbox.app.domain_watch import CLAIM_MS, DomainWatch
from pillarbox.policy.clock import Clock
from pillarbox.publish.dns_records import ownership_record
from pillarbox.store.admin.domain_claims import DomainClaim, claim_domain, list_claims
from pillarbox.store.admin.tenants import add_tenant, list_domains
from pillarbox.store.database import Database

DOMAIN = "example.org"


@dataclass
class House:
    """A store with the tenants acme and zeta, and the watch over it."""

    database: Database
    zone: Zone
    watch: DomainWatch

    def claim(self, tenant: str, *, age_ms: int = 0) -> DomainClaim:
        """Claim the domain for a tenant."""
        at = now_ms() - age_ms
        return self.database.write_now(lambda c: claim_domain(c, tenant, DOMAIN, now=at))

    def publish(self, *claims: DomainClaim) -> None:
        """Let DNS have the records of these claims and no others."""
        records = [ownership_record(DOMAIN, claim.token) for claim in claims]
        self.zone.records = {name: [text for _, text in records] for name, _ in records}

    def owners(self) -> list[str]:
        """The tenants that have a domain."""
        return [found.tenant for found in self.database.read_now(list_domains)]


@pytest.fixture
async def house(sqlite_url: str) -> AsyncIterator[House]:
    """Two tenants without a domain."""
    database = open_database(sqlite_url)
    database.write_now(lambda c: add_tenant(c, "acme", now=now_ms()))
    database.write_now(lambda c: add_tenant(c, "zeta", now=now_ms()))
    zone = Zone()
    yield House(database, zone, DomainWatch(database, lambda: zone, Clock()))
    await database.close()


async def test_a_domain_is_of_whom_the_dns_names(house: House) -> None:
    """Not before, not without an answer, and not of whoever claimed it first."""
    house.claim("acme")
    second = house.claim("zeta")
    await house.watch.look()
    assert house.owners() == []

    house.publish(second)
    house.zone.is_dead = True
    await house.watch.look()
    assert house.owners() == []

    house.zone.is_dead = False
    await house.watch.look()
    assert house.owners() == ["zeta"]


async def test_a_proof_that_comes_later_takes_nothing_away(house: House) -> None:
    """A person has to decide: the claim stays as it is."""
    first, second = house.claim("acme"), house.claim("zeta")
    house.publish(first)
    await house.watch.look()

    house.publish(second)
    for _ in range(2):
        await house.watch.look()

    assert house.owners() == ["acme"]
    assert house.database.read_now(list_claims) == [second]


async def test_a_claim_that_nobody_proves_is_forgotten(house: House) -> None:
    """After its time, not before; one that is proved in the last moment is not."""
    house.claim("acme", age_ms=CLAIM_MS)
    kept = house.claim("zeta", age_ms=CLAIM_MS - 600_000)
    await house.watch.look()
    assert house.database.read_now(list_claims) == [kept]

    late = house.claim("acme", age_ms=CLAIM_MS)
    house.publish(late)
    await house.watch.look()
    assert house.owners() == ["acme"]
