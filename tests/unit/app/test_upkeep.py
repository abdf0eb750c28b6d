"""Beside the mail a worker keeps its number, follows the directory and removes the old."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection
from tests.support.storing import HOP, make_message, new_id, now_ms, open_database

from pillarbox.app.upkeep import INSTANCE_LEASE_MS, Upkeep
from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.address import parse_mailbox
from pillarbox.observe import metrics
from pillarbox.outcome.bounce_watch import BounceWatch
from pillarbox.outcome.unknown_watch import Suspicion, UnknownWatch
from pillarbox.outcome.watches import Watches
from pillarbox.policy.clock import Clock
from pillarbox.store.admin.accounts import add_account
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.instances import Instances
from pillarbox.store.seal import Seal
from pillarbox.store.spool import Spool
from pillarbox.store.suppressions import Bounced, Suppressions

HUGE = 1 << 62
"""No disk has so much free space."""


@dataclass
class Kept:
    """The upkeep of one worker, and why it gave up."""

    database: Database
    upkeep: Upkeep
    causes: list[str] = field(default_factory=list)


async def _offer_nothing() -> None:
    """Nobody listens here."""


async def _follow() -> None:
    """The scheduler, to be seen among the lines of the log."""
    sys.stderr.write("the scheduler follows\n")


async def _keep(database: Database) -> Kept:
    causes: list[str] = []
    instances = Instances(database)
    upkeep = Upkeep(
        database=database,
        directory=Directory(database, Seal(None)),
        instances=instances,
        spool=Spool(database),
        clock=Clock(),
        token="mine",
        instance=await instances.claim(token="mine", lease_ms=INSTANCE_LEASE_MS),
        trace_days=30,
        give_up=causes.append,
        watches=Watches(UnknownWatch(20, Clock().seconds), BounceWatch()),
        suppressions=Suppressions(database),
        offer_logins=_offer_nothing,
        follow_changes=_follow,
    )
    return Kept(database, upkeep, causes)


@pytest.fixture
async def kept(database_url: str) -> AsyncIterator[Kept]:
    """A worker that holds a number."""
    database = open_database(database_url)
    yield await _keep(database)
    await database.close()


def _add_accounts(connection: Connection) -> list[int]:
    now = now_ms()
    add_tenant(connection, "one", now=now)
    add_domain(connection, "one", "t1.test", now=now)
    return [add_account(connection, f"{name}@t1.test", now=now) for name in ("u1", "u2")]


async def test_row_45_an_account_with_unknown_recipients_is_held(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the next look, once, with an alarm that names it; other accounts are not."""
    ids = kept.database.write_now(_add_accounts)
    await kept.upkeep.directory.refresh()
    kept.upkeep.watches.unknown._suspicions += [Suspicion(ids[0], 20, 25)] * 2

    await kept.upkeep.look(None)

    accounts = [await kept.upkeep.directory.account(account_id) for account_id in ids]
    assert [account.is_held for account in accounts if account] == [True, False]
    said = capsys.readouterr().err
    assert said.count("account.held") == 1
    assert "20 of 25 recipients" in said
    assert "u1@t1.test" in said


async def test_what_came_back_is_suppressed(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    """From the next look on, told once."""
    tenant_id = kept.database.write_now(lambda c: add_tenant(c, "one", now=now_ms()))
    bob = parse_mailbox("bob@far.example")
    for _ in range(2):
        kept.upkeep.watches.bounces._bounced += [Bounced(tenant_id, bob.key, "550 5.1.1 No", 30)]
        await kept.upkeep.look(None)

    assert kept.upkeep.suppressions.holds(tenant_id, bob, now_ms())
    assert capsys.readouterr().err.count("recipient.suppressed") == 1


async def test_what_came_back_to_a_tenant_that_is_gone_stops_nothing(kept: Kept) -> None:
    """He was removed between his last mail and the look; what came back to others counts."""
    tenant_id = kept.database.write_now(lambda c: add_tenant(c, "one", now=now_ms()))
    bob = parse_mailbox("bob@far.example")
    bounced = [Bounced(one, bob.key, "550 5.1.1 No", 30) for one in (tenant_id + 1, tenant_id)]
    kept.upkeep.watches.bounces._bounced += bounced

    await kept.upkeep.look(None)

    assert kept.upkeep.suppressions.holds(tenant_id, bob, now_ms())


async def test_a_change_of_the_directory_is_followed(kept: Kept) -> None:
    """What another process changed is seen at the next look."""
    before = kept.upkeep.directory.generation
    kept.database.write_now(lambda c: add_tenant(c, "acme", now=now_ms()))

    assert await kept.upkeep.look(None) is None

    assert kept.upkeep.directory.generation > before


async def test_the_scheduler_follows_before_a_change_is_said_to_be_seen(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has read that line and sends: a report on it goes by the new route. Once a change."""
    await kept.upkeep.look(None)
    capsys.readouterr()
    kept.database.write_now(lambda c: add_tenant(c, "acme", now=now_ms()))

    await kept.upkeep.look(None)
    await kept.upkeep.look(None)

    before, follows, after = capsys.readouterr().err.partition("the scheduler follows")
    assert follows
    assert "directory.changed" not in before
    assert "directory.changed" in after
    assert follows not in after


async def test_a_number_that_is_ours_is_kept(kept: Kept) -> None:
    """Nothing is said."""
    assert await kept.upkeep.renew()

    assert kept.causes == []


async def test_a_lost_number_ends_the_worker(kept: Kept) -> None:
    """Two processes with one number could make the same queue id."""
    await kept.upkeep.instances.release("mine")

    assert not await kept.upkeep.renew()

    assert len(kept.causes) == 1


async def test_content_without_a_message_goes(kept: Kept) -> None:
    """What an earlier process with our number left behind is collected; mail stays."""
    spool = kept.upkeep.spool
    message = make_message("bob@far.example", lanes=[spool.lane(HOP)])
    await spool.put(message)
    orphan = (new_id() & ~(1023 << 12)) | kept.upkeep.instance << 12
    await spool.store_chunk(orphan, 0, b"left behind")

    await kept.upkeep.prune_once(now_ms() + 1000)

    assert await spool.read_chunk(message.queue_id, 0)
    with pytest.raises(SpoolUnavailable):
        await spool.read_chunk(orphan, 0)


async def test_a_full_disk_is_told_and_does_not_end_the_worker(sqlite_url: str) -> None:
    """It heals by itself; monitoring sees it."""
    database = open_database(sqlite_url)
    kept = await _keep(database)
    full = Database.open(sqlite_url, reserve_octets=HUGE)
    in_trouble = (await _keep(full)).upkeep

    trouble = await in_trouble.look(None)

    assert trouble is SpoolTrouble.FULL
    assert metrics.SPOOL_IN_TROUBLE._value.get() == 1
    assert await kept.upkeep.look(trouble) is None
    assert metrics.SPOOL_IN_TROUBLE._value.get() == 0
    assert kept.causes == []
    await full.close()
    await database.close()
