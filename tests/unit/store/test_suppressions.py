"""store.suppressions: what nobody has is not sent to for a while, in every process."""

from functools import partial

import pytest
from tests.support.storing import now_ms

from pillarbox.errors import DirectoryError
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.store import suppressions
from pillarbox.store.admin.tenants import add_tenant, remove_tenant
from pillarbox.store.database import Database
from pillarbox.store.suppressions import (
    DAY_MS,
    Bounced,
    Suppressions,
    add_suppression,
    list_suppressions,
    remove_suppression,
    suppress_bounced,
    suppress_complaints,
)
from pillarbox.store.upkeep import FORGOTTEN_MS, drop_suppressions

NOW = now_ms()
BOB = parse_mailbox("bob@far.example")
ANN = parse_mailbox("ann@far.example")


@pytest.fixture
def tenants(database: Database) -> tuple[int, int]:
    """The ids of acme and zeta."""
    one, two = (
        database.write_now(partial(add_tenant, name=name, now=NOW)) for name in ("acme", "zeta")
    )
    return one, two


def _bounce(database: Database, tenant_id: int, *, at: Timestamp, most_days: int = 30) -> int:
    """The address of Bob comes back; how many were new."""
    bounced = [Bounced(tenant_id, BOB.key, "550 5.1.1 Unknown", most_days)]
    return len(database.write_now(lambda c: suppress_bounced(c, bounced, now=at)))


def _until(database: Database, *, at: Timestamp) -> list[Timestamp | None]:
    return [one.expires_at for one in database.read_now(lambda c: list_suppressions(c, now=at))]


async def test_it_is_suppressed_for_its_tenant_until_it_expires(
    database: Database, tenants: tuple[int, int]
) -> None:
    """Whatever its spelling is; others send to it."""
    process = Suppressions(database)
    await process.refresh(NOW)
    assert not process.holds(tenants[0], BOB, NOW)

    _bounce(database, tenants[0], at=NOW)
    await process.refresh(NOW)

    assert process.holds(tenants[0], parse_mailbox("BOB@Far.example"), NOW + DAY_MS - 1)
    assert not process.holds(tenants[0], BOB, NOW + DAY_MS)
    assert not process.holds(tenants[0], ANN, NOW)
    assert not process.holds(tenants[1], BOB, NOW)


def test_what_comes_back_again_is_suppressed_for_longer(
    database: Database, tenants: tuple[int, int]
) -> None:
    """Twice as long each time, up to the limit of the tenant; mail that was under way meanwhile
    does not count."""
    at, days = NOW, []
    for _ in range(5):
        assert _bounce(database, tenants[0], at=at, most_days=10) == 1
        assert _bounce(database, tenants[0], at=at + 1000, most_days=10) == 0
        (until,) = _until(database, at=at)
        assert until is not None
        days.append((until - at) // DAY_MS)
        at = until

    assert days == [1, 2, 4, 8, 10]


async def test_what_an_administrator_says_holds(
    database: Database, tenants: tuple[int, int]
) -> None:
    """For ever, unless told otherwise; a bounce changes nothing of it, a removal ends it in every
    process, and what comes back after that begins anew."""
    process = Suppressions(database)
    _bounce(database, tenants[0], at=NOW)
    add = partial(add_suppression, tenant_id=tenants[0], mailbox=BOB, reason="left", now=NOW)
    database.write_now(partial(add, expires_at=None))
    assert _bounce(database, tenants[0], at=NOW) == 0
    await process.refresh(NOW)
    assert process.holds(tenants[0], BOB, NOW + 10_000 * DAY_MS)

    remove = partial(remove_suppression, tenant_id=tenants[0], mailbox=BOB, now=NOW)
    assert database.write_now(remove)
    assert not database.write_now(remove)
    await process.refresh(NOW)

    assert not process.holds(tenants[0], BOB, NOW)
    assert _bounce(database, tenants[0], at=NOW) == 1
    assert _until(database, at=NOW) == [NOW + DAY_MS]
    with pytest.raises(DirectoryError, match="over"):
        database.write_now(partial(add, expires_at=NOW))


async def test_a_new_process_reads_what_is_in_force(
    database: Database, tenants: tuple[int, int]
) -> None:
    """Also what was written long ago; what has expired takes no room."""
    _bounce(database, tenants[0], at=NOW - 5 * DAY_MS)
    _bounce(database, tenants[1], at=NOW)
    process = Suppressions(database)

    await process.refresh(NOW)

    assert process.by_tenant == {tenants[1]: {BOB.key: NOW + DAY_MS}}


async def test_memory_has_a_bound(
    database: Database, tenants: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are kept, at the start and later."""
    monkeypatch.setattr(suppressions, "KEPT", 3)
    process = Suppressions(database)
    for number in range(8):
        mailbox = parse_mailbox(f"u{number}@far.example")
        add = partial(add_suppression, tenant_id=tenants[0], mailbox=mailbox, reason="")
        database.write_now(partial(add, now=NOW, expires_at=None))
        if number > 3:
            await process.refresh(NOW)

    (known,) = process.by_tenant.values()
    assert len(known) == 3
    assert "u7@far.example" in known


def test_it_goes_with_its_tenant(database: Database, tenants: tuple[int, int]) -> None:
    """And what was over for long is forgotten."""
    for tenant_id in tenants:
        _bounce(database, tenant_id, at=NOW)
    database.write_now(lambda c: remove_tenant(c, "acme"))
    assert len(_until(database, at=NOW)) == 1

    over = NOW + DAY_MS + FORGOTTEN_MS
    drop = partial(drop_suppressions, before=0)
    assert database.write_now(partial(drop, now=over)) == 0
    assert database.write_now(partial(drop, now=over + 1)) == 1
    assert _bounce(database, tenants[1], at=over) == 1


def test_who_complained_is_suppressed_for_ever(
    database: Database, tenants: tuple[int, int]
) -> None:
    """Also where a bounce had said less; what an administrator said for ever stays as he said it.
    A tenant that is gone suppresses nobody."""
    acme, _ = tenants
    for mailbox, expires_at in ((BOB, NOW + DAY_MS), (ANN, None)):
        database.write_now(
            partial(
                add_suppression,
                tenant_id=acme,
                mailbox=mailbox,
                reason="left",
                now=NOW,
                expires_at=expires_at,
            )
        )
    complained = [Bounced(acme, one.key, "complaint (abuse)", 30) for one in (BOB, ANN)]
    gone = Bounced(acme + 1, BOB.key, "complaint (abuse)", 30)

    new = database.write_now(lambda c: suppress_complaints(c, [*complained, gone], now=NOW))

    assert new == complained[:1]
    found = database.read_now(lambda c: list_suppressions(c, now=NOW))
    assert [(one.address, one.origin, one.expires_at) for one in found] == [
        (ANN.key, "administrator", None),
        (BOB.key, "complaint", None),
    ]
