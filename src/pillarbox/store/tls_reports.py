"""Reports on TLS that other domains are to get: which, when, who sends each, and what came of it.

A report is sent by whoever has its lease. The id of the message that will carry it is kept from the
start, so that a report that was put into the spool just before its sender died is not sent again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, exists, select, update

from pillarbox.mail.envelope import Timestamp
from pillarbox.store.rows import clean
from pillarbox.store.schema import message, tls_report, tls_result
from pillarbox.store.schema_directory import domain as domains
from pillarbox.store.upsert import insert_or_update

PLANNED_DAYS = 2
"""Reports on days before these come too late."""

STEP_ROWS = 500


class ReportState(StrEnum):
    """Where a report stands."""

    WAITING = "waiting"
    SENT = "sent"
    UNWANTED = "unwanted"
    """The domain has no record that asks for it."""
    FAILED = "failed"
    """It could not be sent within a day."""


@dataclass(frozen=True, slots=True)
class ReportRecord:
    """One report. `attempts` counts the one under way."""

    day: int
    domain: str
    state: ReportState
    due_at: Timestamp
    attempts: int
    message_id: int
    detail: str


_COLUMNS = [tls_report.c[name] for name in ReportRecord.__slots__]


def unplanned(connection: Connection, today: int) -> list[tuple[int, str]]:
    """Some days that are over, with domains of which there are results and no report yet."""
    results = tls_result.c
    is_known = exists().where(
        tls_report.c.day == results.day, tls_report.c.domain == results.domain
    )
    query = (
        select(results.day, results.domain)
        .where(results.day < today, results.day >= today - PLANNED_DAYS, ~is_known)
        .distinct()
        .limit(STEP_ROWS)
    )
    return [(day, domain) for day, domain in connection.execute(query)]


def plan_reports(
    connection: Connection, planned: Iterable[tuple[int, str, Timestamp, int]]
) -> None:
    """Note reports: day, domain, when it is due, and the id of its message. Those that somebody
    else has noted meanwhile stay as they are."""
    rows = [
        {
            "day": day,
            "domain": domain,
            "state": ReportState.WAITING.value,
            "due_at": due_at,
            "lease_until": 0,
            "attempts": 0,
            "message_id": message_id,
            "detail": "",
        }
        for day, domain, due_at, message_id in planned
    ]
    if rows:
        statement = insert_or_update(connection, tls_report)
        connection.execute(statement.on_conflict_do_nothing(), rows)


def claim_report(connection: Connection, *, now: Timestamp, lease_ms: int) -> ReportRecord | None:
    """Take the report that is due for the longest time, for so long; None: none is."""
    columns = tls_report.c
    is_due = (
        columns.state == ReportState.WAITING.value,
        columns.due_at <= now,
        columns.lease_until <= now,
    )
    query = select(*_COLUMNS).where(*is_due).order_by(columns.due_at).limit(1)
    row = connection.execute(query.with_for_update(skip_locked=True)).mappings().first()
    if row is None:
        return None
    attempts = row["attempts"] + 1
    this = columns.day == row["day"], columns.domain == row["domain"]
    taken = {"lease_until": now + lease_ms, "attempts": attempts}
    connection.execute(update(tls_report).where(*this).values(taken))
    return ReportRecord(**{**row, "state": ReportState(row["state"]), "attempts": attempts})


def end_report(
    connection: Connection, report: ReportRecord, state: ReportState, detail: str
) -> None:
    """The report is sent, or will not be."""
    _change(connection, report, state=state.value, detail=detail, lease_until=0)


def put_off_report(
    connection: Connection, report: ReportRecord, due_at: Timestamp, detail: str
) -> None:
    """Try it again later."""
    _change(connection, report, due_at=due_at, detail=detail, lease_until=0)


def _change(connection: Connection, report: ReportRecord, **values: str | int) -> None:
    columns = tls_report.c
    values["detail"] = clean(str(values["detail"]))
    # Whose lease has ended says nothing any more.
    this = (
        columns.day == report.day,
        columns.domain == report.domain,
        columns.attempts == report.attempts,
    )
    connection.execute(update(tls_report).where(*this).values(values))


def is_in_spool(connection: Connection, message_id: int) -> bool:
    """Whether the message of a report was put already, delivered or not."""
    return connection.scalar(select(message.c.id).where(message.c.id == message_id)) is not None


def tenant_of(connection: Connection, name: str) -> int | None:
    """The tenant that a domain belongs to, None for nobody's."""
    return connection.scalar(select(domains.c.tenant_id).where(domains.c.name == name))


def list_reports(connection: Connection, domain: str = "") -> list[ReportRecord]:
    """All reports of the last days, the newest first; of one domain or of all."""
    query = select(*_COLUMNS).order_by(tls_report.c.day.desc(), tls_report.c.domain)
    if domain:
        query = query.where(tls_report.c.domain == domain)
    rows = connection.execute(query).mappings()
    return [ReportRecord(**{**row, "state": ReportState(row["state"])}) for row in rows]
