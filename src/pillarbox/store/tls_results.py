"""How TLS with the mail hosts of others went, counted by day: what all workers saw together."""

import hashlib
import json
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, RowMapping, delete, select

from pillarbox.mail.envelope import Timestamp
from pillarbox.store.database import Database
from pillarbox.store.rows import clean
from pillarbox.store.schema import tls_report, tls_result
from pillarbox.store.upsert import insert_or_update
from pillarbox.tlsrpt.results import (
    Counted,
    Policy,
    PolicyType,
    ResultType,
    TlsResult,
    day_of,
)

KEPT_DAYS = 7
"""Results and reports of days before are removed."""

STEP_ROWS = 200


class TlsResultStore:
    """Results by day. All methods raise SpoolUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, counted: Sequence[Counted]) -> None:
        """Add what a worker has counted, in one transaction."""
        await self._database.write(lambda c: add_results(c, counted))


def add_results(connection: Connection, counted: Iterable[Counted]) -> None:
    """See TlsResultStore.add. In the order of their keys, so that two workers never wait for each
    other."""
    rows = sorted((_row(one) for one in counted), key=lambda row: (row["day"], row["key"]))
    if not rows:
        return
    statement = insert_or_update(connection, tls_result)
    sessions = tls_result.c.sessions + statement.excluded.sessions
    connection.execute(
        statement.on_conflict_do_update(index_elements=["day", "key"], set_={"sessions": sessions}),
        rows,
    )


def results_of(connection: Connection, day: int, domain: str = "") -> list[Counted]:
    """What was counted on a day, of one domain or of all, in the order of domains."""
    columns = tls_result.c
    query = select(tls_result).where(columns.day == day)
    if domain:
        query = query.where(columns.domain == domain)
    order = (columns.domain, columns.policy_type, columns.mx_host, columns.failure, columns.key)
    return [_counted(row) for row in connection.execute(query.order_by(*order)).mappings()]


def drop_tls_results(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:  # noqa: ARG001 - the steps of upkeep are called alike
    """Remove results, and reports, of days that are long over."""
    limit = day_of(now) - KEPT_DAYS
    connection.execute(delete(tls_report).where(tls_report.c.day < limit))
    columns = tls_result.c
    query = select(columns.day, columns.key).where(columns.day < limit).limit(STEP_ROWS)
    found = connection.execute(query).all()
    for day, key in found:
        connection.execute(delete(tls_result).where(columns.day == day, columns.key == key))
    return len(found)


def _row(counted: Counted) -> dict[str, str | int]:
    result = counted.result
    policy = json.dumps({"lines": result.policy.lines, "mx": result.policy.mx})
    texts = {
        "domain": result.domain,
        "policy_type": result.policy.kind.value,
        "policy": policy,
        "mx_host": result.mx_host,
        "failure": "" if result.failure is None else result.failure.value,
        "sending_ip": result.sending_ip,
        "receiving_ip": result.receiving_ip,
        "reason": clean(result.reason),
    }
    key = hashlib.blake2b(json.dumps(list(texts.values())).encode(), digest_size=16).hexdigest()
    return {"day": result.day, "key": key, **texts, "sessions": counted.sessions}


def _counted(row: RowMapping) -> Counted:
    policy = json.loads(row["policy"])
    return Counted(
        TlsResult(
            row["day"],
            row["domain"],
            Policy(PolicyType(row["policy_type"]), tuple(policy["lines"]), tuple(policy["mx"])),
            row["mx_host"],
            ResultType(row["failure"]) if row["failure"] else None,
            row["sending_ip"],
            row["receiving_ip"],
            row["reason"],
        ),
        row["sessions"],
    )
