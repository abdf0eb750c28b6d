"""What the daily look at the service found, so that it tells only what is new."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, insert, select

from pillarbox.mail.envelope import Timestamp
from pillarbox.store.schema import self_finding, self_look
from pillarbox.store.upsert import insert_or_update


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """A finding that was told. `finding` is its id, `place` what it is about."""

    finding: str
    place: str
    severity: str
    cause: str
    fix: str
    since_at: Timestamp


@dataclass(frozen=True, slots=True)
class SelfLook:
    """The last look of a machine: when, what it found, and from which address mail left, "" where
    that is not known. `looked_at` 0: there was none."""

    looked_at: Timestamp = 0
    address: str = ""
    findings: tuple[KnownFinding, ...] = ()


def last_look(connection: Connection, node: str) -> SelfLook:
    """The last look of a machine, by its host name."""
    query = select(self_look).where(self_look.c.node == node)
    row = connection.execute(query).first()
    if row is None:
        return SelfLook()
    found = connection.execute(
        select(self_finding)
        .where(self_finding.c.node == node)
        .order_by(self_finding.c.since_at, self_finding.c.finding, self_finding.c.place)
    )
    findings = tuple(
        KnownFinding(one.finding, one.place, one.severity, one.cause, one.fix, one.since_at)
        for one in found
    )
    return SelfLook(row.looked_at, row.address, findings)


def record_look(connection: Connection, node: str, look: SelfLook) -> None:
    """Put a look in the place of the one before."""
    values = {"looked_at": look.looked_at, "address": look.address}
    connection.execute(
        insert_or_update(connection, self_look)
        .values(node=node, **values)
        .on_conflict_do_update(index_elements=["node"], set_=values)
    )
    connection.execute(delete(self_finding).where(self_finding.c.node == node))
    if look.findings:
        rows: Sequence[dict[str, object]] = [{"node": node, **asdict(one)} for one in look.findings]
        connection.execute(insert(self_finding), rows)
