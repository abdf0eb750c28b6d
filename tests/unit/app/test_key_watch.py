"""app.key_watch: keys follow what DNS says, over a real store and a resolver that says what it is
told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from tests.support.storing import now_ms, open_database

from pillarbox.app.key_watch import RETIRED_MS, KeyWatch
from pillarbox.errors import DnsFailure
from pillarbox.mail.dkim import Algorithm
from pillarbox.policy.clock import Clock
from pillarbox.store.admin.dkim_keys import DkimKeyInfo, activate_key, add_key, list_keys
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database
from pillarbox.store.seal import Seal, new_master_key
from pillarbox.store.signing_keys import new_private_key

DOMAIN = "example.org"


@dataclass
class Zone:
    """The TXT records that there are."""

    records: dict[str, list[str]] = field(default_factory=dict)
    is_dead: bool = False

    async def txt(self, name: str) -> list[str]:
        """As net.dns.Resolver."""
        if self.is_dead:
            raise DnsFailure("the DNS servers failed")
        return self.records.get(name, [])


@dataclass
class Office:
    """A store with a domain, and the watch over it."""

    database: Database
    zone: Zone
    watch: KeyWatch

    def add(self, selector: str) -> DkimKeyInfo:
        """Make a key that does not sign yet."""
        private = new_private_key(Algorithm.ED25519)
        seal = Seal(new_master_key())
        return self.database.write_now(
            lambda c: add_key(c, DOMAIN, selector, private, seal=seal, now=now_ms())
        )

    def states(self) -> dict[str, str]:
        """The state of each key by its selector."""
        return {key.selector: key.state for key in self.database.read_now(list_keys)}


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    """The domain example.org, without a key."""
    database = open_database(database_url)
    database.write_now(lambda c: add_tenant(c, "default", now=now_ms()))
    database.write_now(lambda c: add_domain(c, "default", DOMAIN, now=now_ms()))
    zone = Zone()
    yield Office(database, zone, KeyWatch(database, lambda: zone, Clock()))
    await database.close()


async def test_a_key_signs_once_its_record_is_there(office: Office) -> None:
    """Not before, and not with the record of another key; the one before it is retired."""
    first, second = office.add("one"), office.add("two")
    office.zone.records[first.name] = [first.record]
    await office.watch.look()
    assert office.states() == {"one": "active", "two": "new"}

    office.zone.records[second.name] = [first.record]
    await office.watch.look()
    assert office.states() == {"one": "active", "two": "new"}

    office.zone.records[second.name] = [second.record.replace("; ", " ;\t")]
    await office.watch.look()
    assert office.states() == {"one": "retired", "two": "active"}


async def test_a_key_waits_while_nobody_can_verify_with_its_record(office: Office) -> None:
    """Without its kind it counts as one of RSA (RFC 6376 3.6.1): the one before it signs on."""
    first, second = office.add("one"), office.add("two")
    office.zone.records[first.name] = [first.record]
    office.zone.records[second.name] = [second.record.replace("k=ed25519; ", "")]

    await office.watch.look()

    assert office.states() == {"one": "active", "two": "new"}


async def test_without_an_answer_nothing_changes(office: Office) -> None:
    """A DNS that is away is no reason to sign, nor to stop."""
    office.add("one")
    office.zone.is_dead = True
    await office.watch.look()
    assert office.states() == {"one": "new"}


async def test_a_retired_key_is_forgotten_after_a_week(office: Office) -> None:
    """Not while mail that it signed is on the way."""
    one, two, three = office.add("one"), office.add("two"), office.add("three")
    now = now_ms()
    for key, at in ((one, now), (two, now - RETIRED_MS), (three, now - RETIRED_MS + 60_000)):
        office.database.write_now(partial(activate_key, key=key, now=at))
    await office.watch.look()
    assert office.states() == {"two": "retired", "three": "active"}
