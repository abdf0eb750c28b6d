"""Policies of MTA-STS that were fetched: they hold as long as they said, across restarts, also
where the DNS or the web server of the domain fails meanwhile (RFC 8461 section 5.1)."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from pillarbox.mail.envelope import Timestamp
from pillarbox.mta_sts import StsMode, StsPolicy
from pillarbox.store.database import Database
from pillarbox.store.schema import mta_sts
from pillarbox.store.upsert import insert_or_update


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A policy with its id in the DNS, and since when it is known."""

    policy_id: str
    policy: StsPolicy
    fetched_at: Timestamp

    @property
    def expires_at(self) -> Timestamp:
        """When it ends."""
        return self.fetched_at + self.policy.max_age * 1000


class StsPolicies:
    """Policies by domain. All methods raise SpoolUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, domain: str, *, now: Timestamp) -> KeptPolicy | None:
        """The policy of a domain that still holds."""
        return await self._database.read(lambda c: load(c, domain, now=now))

    async def save(self, domain: str, kept: KeptPolicy) -> None:
        """Keep a policy in the place of the one before it."""
        await self._database.write(lambda c: save(c, domain, kept))


def load(connection: Connection, domain: str, *, now: Timestamp) -> KeptPolicy | None:
    """See StsPolicies.load."""
    query = select(mta_sts).where(mta_sts.c.domain == domain, mta_sts.c.expires_at > now)
    row = connection.execute(query).first()
    if row is None:
        return None
    max_age = (row.expires_at - row.fetched_at) // 1000
    policy = StsPolicy(StsMode(row.mode), tuple(row.mx.split()), max_age)
    return KeptPolicy(row.policy_id, policy, row.fetched_at)


def save(connection: Connection, domain: str, kept: KeptPolicy) -> None:
    """See StsPolicies.save."""
    values = {
        "policy_id": kept.policy_id,
        "mode": kept.policy.mode.value,
        "mx": " ".join(kept.policy.mx),
        "fetched_at": kept.fetched_at,
        "expires_at": kept.expires_at,
    }
    connection.execute(
        insert_or_update(connection, mta_sts)
        .values(domain=domain, **values)
        .on_conflict_do_update(index_elements=["domain"], set_=values)
    )


def drop_policies(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:  # noqa: ARG001 - the steps of upkeep are called alike
    """Remove policies whose time is over; there are few."""
    connection.execute(delete(mta_sts).where(mta_sts.c.expires_at <= now))
    return 0
