"""What is remembered of MTA-STS policies, and for how long, against those who publish odd ones."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.mail_world import write_ca
from tests.support.outgoing import DELIVERED, states
from tests.support.sts_world import WEEK_MS, StsWorld, open_sts_world, policy

from pillarbox.delivery import sts
from pillarbox.mta_sts import StsMode, StsPolicy
from pillarbox.store.mta_sts import KeptPolicy


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StsWorld]:
    """A domain with a policy to be published."""
    async with open_sts_world(tmp_path, write_ca(tmp_path / "ca.pem")) as made:
        yield made


async def test_policy_that_ends_at_once_is_not_fetched_for_each_session(world: StsWorld) -> None:
    """It holds for ten minutes; whoever publishes it would have a request and a write for each."""
    await world.host("other.example")
    world.publish(policy(max_age=0))

    for _ in range(3):
        assert "MTA-STS" in await world.refused()

    assert world.mx.dns.count("mta-sts.far.example") == 1
    world.pages.clear()
    world.record()
    world.later_ms = 600_000
    assert states(await world.send()) == {0: DELIVERED}


async def test_large_policies_fill_no_memory(
    world: StsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond some octets those before are read from the store again."""
    monkeypatch.setattr(sts, "_REMEMBERED_OCTETS", 100_000)
    source, policies = world.mx.means.security.sts, world.mx.settings.policies
    assert source is not None
    assert policies is not None
    hosts = tuple(f"{number}.{'a.' * 150}example" for number in range(100))
    large = StsPolicy(StsMode.ENFORCE, hosts, WEEK_MS // 1000)
    domains = [f"far{number}.example" for number in range(10)]
    for domain in domains:
        await policies.save(domain, KeptPolicy("1", large, world.wall()))

    assert [await source.policy(domain) for domain in domains * 2] == [large] * 20

    known = [name for kept in source._known.values() for name in kept.policy.mx]
    assert 0 < sum(map(len, known)) <= 100_000
