"""Clients that send without a login: by which network they are known, and for how long."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network

import pytest

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.policy.authenticate import Grant
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.networks import NetworkLogins
from pillarbox.route import RouteTable
from pillarbox.store.directory_reading import NetworkRecord
from pillarbox.store.records import Account, Tenant

CLIENT = "192.0.2.7"
NOW = 1_000


def record(network: str, account_id: int, expires_at: Timestamp | None = None) -> NetworkRecord:
    """A network of the account u<account_id>; its credential has ten times the id."""
    mailbox = parse_mailbox(f"u{account_id}@t1.test")
    tenant = Tenant(1, "one", frozenset({"t1.test"}), RouteTable([]))
    account = Account(account_id, tenant, mailbox, account_id * 10, frozenset({mailbox.key}))
    return NetworkRecord(ip_network(network), account, expires_at)


class Directory:
    """A directory that finds what the test gave it, and counts how often it was asked."""

    def __init__(self) -> None:
        self.generation = 1
        self.found: list[NetworkRecord] = []
        self.asked = 0
        self.touched: list[int] = []
        self.failure: SpoolUnavailable | None = None

    async def network_accounts(self, address: str, *, now: Timestamp) -> Sequence[NetworkRecord]:
        """The networks around the client."""
        assert (address, now) == (CLIENT, NOW)
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.found

    def touch(self, credential_id: int, now: Timestamp) -> None:
        """Note the use of a credential."""
        assert now >= NOW
        self.touched.append(credential_id)


class Desk:
    """Network logins over that directory, with a clock that stands still."""

    def __init__(self) -> None:
        self.now = NOW
        self.directory = Directory()
        self.logins = NetworkLogins(self.directory, Clock(timestamp=lambda: self.now))


@pytest.fixture
def desk() -> Desk:
    """A fresh desk."""
    return Desk()


async def test_client_outside_of_all_networks_is_unknown(desk: Desk) -> None:
    """It has to log in."""
    assert await desk.logins.find(CLIENT) is None
    assert desk.logins.recall(CLIENT) is None


async def test_narrowest_network_counts(desk: Desk) -> None:
    """A device inside the network of its building has an account of its own."""
    desk.directory.found = [record("192.0.2.7/32", 1), record("192.0.2.0/24", 2)]

    grant = await desk.logins.find(CLIENT)

    assert isinstance(grant, Grant)
    assert grant.account.account_id == 1
    assert desk.directory.touched == [10]


async def test_network_of_two_accounts_counts_for_none(desk: Desk) -> None:
    """Nobody can say whose mail it would be."""
    desk.directory.found = [record("192.0.2.0/24", 1), record("192.0.2.0/24", 2)]

    assert await desk.logins.find(CLIENT) is None


async def test_two_credentials_of_one_account_are_no_doubt(desk: Desk) -> None:
    """The same network twice for the same account is clear."""
    desk.directory.found = [record("192.0.2.0/24", 1), record("192.0.2.0/24", 1)]

    assert isinstance(await desk.logins.find(CLIENT), Grant)


async def test_known_client_costs_no_look(desk: Desk) -> None:
    """Until something changes in the directory."""
    desk.directory.found = [record("192.0.2.0/24", 1)]
    grant = await desk.logins.find(CLIENT)

    assert desk.logins.recall(CLIENT) == grant
    assert desk.directory.asked == 1
    assert desk.directory.touched == [10, 10]
    desk.directory.generation += 1
    assert desk.logins.recall(CLIENT) is None


async def test_known_client_is_forgotten_when_its_credential_ends(desk: Desk) -> None:
    """The end of a credential counts also inside the memory."""
    desk.directory.found = [record("192.0.2.0/24", 1, expires_at=NOW + 10)]
    await desk.logins.find(CLIENT)
    assert desk.logins.recall(CLIENT) is not None

    desk.now = NOW + 10

    assert desk.logins.recall(CLIENT) is None


async def test_directory_that_is_away_does_not_ask_for_a_login(desk: Desk) -> None:
    """At the begin of a session: 451, the client may try again."""
    desk.directory.failure = SpoolUnavailable(SpoolTrouble.AWAY, "gone")

    verdict = await desk.logins.find(CLIENT)

    assert isinstance(verdict, Denial)
    assert verdict.refusal is Refusal.SPOOL_AWAY


async def test_open_session_is_renewed(desk: Desk) -> None:
    """With the same credential it goes on; with another one, or none, it ends."""
    desk.directory.found = [record("192.0.2.0/24", 1)]
    grant = await desk.logins.find(CLIENT)
    assert isinstance(grant, Grant)
    desk.directory.generation += 1

    renewed = await desk.logins.renew(grant, CLIENT)
    assert isinstance(renewed, Grant)
    assert renewed.generation == 2

    other = replace(grant, account=replace(grant.account, credential_id=77))
    ended = await desk.logins.renew(other, CLIENT)
    assert isinstance(ended, Denial)
    assert ended.refusal is Refusal.ACCOUNT_OFF
    desk.directory.found = []
    assert isinstance(await desk.logins.renew(grant, CLIENT), Denial)


async def test_open_session_waits_for_a_directory_that_is_away(desk: Desk) -> None:
    """451: the client may try again."""
    desk.directory.found = [record("192.0.2.0/24", 1)]
    grant = await desk.logins.find(CLIENT)
    assert isinstance(grant, Grant)
    desk.directory.failure = SpoolUnavailable(SpoolTrouble.AWAY, "gone")

    verdict = await desk.logins.renew(grant, CLIENT)

    assert isinstance(verdict, Denial)
    assert verdict.refusal is Refusal.SPOOL_AWAY
