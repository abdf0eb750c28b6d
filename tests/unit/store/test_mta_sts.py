"""store.mta_sts: policies hold as long as they said."""

from tests.support.storing import now_ms

from pillarbox.mta_sts import StsMode, StsPolicy
from pillarbox.store.database import Database
from pillarbox.store.mta_sts import KeptPolicy, StsPolicies
from pillarbox.store.spool import Spool

WEEK = 604_800
POLICY = StsPolicy(StsMode.ENFORCE, ("*.example.net", "mx.example.net"), WEEK)


async def test_a_policy_is_kept_and_replaced(database: Database) -> None:
    """Of each domain the last one, with what it said."""
    policies = StsPolicies(database)
    now = now_ms()
    assert await policies.load("far.example", now=now) is None

    await policies.save("far.example", KeptPolicy("1", POLICY, now))
    assert await policies.load("far.example", now=now) == KeptPolicy("1", POLICY, now)
    other = KeptPolicy("2", StsPolicy(StsMode.NONE, (), 1), now)
    await policies.save("far.example", other)

    assert await policies.load("far.example", now=now) == other


async def test_a_policy_ends_and_goes(database: Database) -> None:
    """After max_age it holds no more; upkeep removes it."""
    policies = StsPolicies(database)
    now = now_ms()
    await policies.save("old.example", KeptPolicy("1", POLICY, now - WEEK * 1000))
    await policies.save("new.example", KeptPolicy("1", POLICY, now))

    assert await policies.load("old.example", now=now) is None
    await Spool(database).prune(now=now, trace_days=30)

    assert await policies.load("old.example", now=0) is None
    assert await policies.load("new.example", now=now) is not None
