"""Which logins are offered, as the directory changes."""

import dataclasses
from functools import partial
from typing import cast

import pytest
from tests.support.storing import now_ms, open_database

from pillarbox.app.offering import Offering
from pillarbox.net.issuer_documents import Fetcher
from pillarbox.policy.clock import Clock
from pillarbox.policy.issuer_keys import IssuerKeys
from pillarbox.reception.listener import Reception
from pillarbox.store.admin.accounts import add_account
from pillarbox.store.admin.credentials import add_password, remove_credential
from pillarbox.store.admin.issuers import remove_issuer, set_issuer
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.records import Issuer
from pillarbox.store.seal import Seal

NOW = now_ms()
ADDRESS = "app@acme.example"


@dataclasses.dataclass
class Door:
    """Notes what it is told to offer."""

    offered: tuple[str, ...] = ()

    def offer(self, mechanisms: tuple[str, ...]) -> None:
        """Note it."""
        self.offered = mechanisms


@dataclasses.dataclass
class Office:
    """A directory with one account, and who follows it."""

    database: Database
    directory: Directory
    door: Door
    offering: Offering

    async def offered(self) -> tuple[str, ...]:
        """What is offered now."""
        await self.directory.refresh()
        await self.offering.look()
        return self.door.offered


@pytest.fixture
def office(sqlite_url: str) -> Office:
    """An account without credentials; SCRAM is on."""
    database = open_database(sqlite_url)
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    database.write_now(lambda c: add_domain(c, "acme", "acme.example", now=NOW))
    database.write_now(lambda c: add_account(c, ADDRESS, now=NOW))
    directory, door = Directory(database, Seal(None)), Door()
    keys = IssuerKeys(Fetcher(), Clock())
    offering = Offering(directory, keys, cast("Reception", door), with_scram=True)
    return Office(database, directory, door, offering)


async def test_tokens_are_offered_while_there_is_an_issuer(office: Office) -> None:
    """One tenant's is enough."""
    office.offering.with_scram = False
    assert await office.offered() == ()

    issuer = Issuer("https://login.example", frozenset({"x"}))
    await office.database.write(lambda c: set_issuer(c, "acme", issuer, now=NOW))
    assert await office.offered() == ("XOAUTH2", "OAUTHBEARER")

    await office.database.write(lambda c: remove_issuer(c, "acme"))
    assert await office.offered() == ()
    await office.database.close()


async def test_scram_is_offered_while_it_works_for_everybody(office: Office) -> None:
    """Postfix and others choose it where it is offered, and fail where a verifier is missing."""
    add = partial(add_password, address=ADDRESS, now=NOW)
    assert await office.offered() == ("SCRAM-SHA-256",)

    await office.database.write(partial(add, label="with", with_scram=True))
    assert await office.offered() == ("SCRAM-SHA-256",)

    await office.database.write(partial(add, label="without"))
    assert await office.offered() == ()

    await office.database.write(lambda c: remove_credential(c, ADDRESS, "without"))
    assert await office.offered() == ("SCRAM-SHA-256",)
    await office.database.close()


async def test_a_verifier_that_another_worker_made_counts_here(office: Office) -> None:
    """Once SCRAM is offered, no account in memory lacks it."""
    made = await office.database.write(lambda c: add_password(c, ADDRESS, "hall", now=NOW))
    assert await office.offered() == ()
    login = await office.directory.login(ADDRESS)
    assert login is not None
    elsewhere = Directory(office.database, Seal(None))
    await elsewhere.keep_verifier(login.account, made.credential_id, "SCRAM-SHA-256$65536:x$y:z")

    assert await office.offered() == ("SCRAM-SHA-256",)

    again = await office.directory.login(ADDRESS)
    assert again is not None
    assert again.credentials[0].scram_verifier
    await office.database.close()
