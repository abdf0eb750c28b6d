"""store.sessions: why a session failed, found again by its id."""

import pytest
from tests.support.storing import new_id, now_ms

from pillarbox.store import sessions as module
from pillarbox.store.database import Database
from pillarbox.store.records import SessionRecord
from pillarbox.store.sessions import Sessions, failed_sessions, find_session


def _record(cause: str = "no such account") -> SessionRecord:
    return SessionRecord(
        session_id=new_id(),
        started_at=now_ms(),
        listener="submission",
        remote_address="192.0.2.7",
        helo="printer",
        login="hall@here.example",
        tls="TLSv1.3",
        refusals="LOGIN_FAILED",
        cause=cause,
    )


async def test_a_failed_session_is_found_by_its_id(database: Database) -> None:
    """The client was shown the id, the administrator reads the cause."""
    record = _record()

    Sessions(database).record(record)
    await database.write(lambda _: None)

    assert database.read_now(lambda c: find_session(c, record.session_id)) == record
    assert database.read_now(lambda c: find_session(c, new_id())) is None


async def test_what_clients_sent_is_cleaned(database: Database) -> None:
    """No control characters for the terminal of an administrator, nothing endless."""
    record = _record("\x1b[31m\0" + "x" * 5000)

    Sessions(database).record(record)
    await database.write(lambda _: None)

    found = database.read_now(lambda c: find_session(c, record.session_id))
    assert found is not None
    assert found.cause.isprintable()
    assert len(found.cause) == 2000


async def test_the_last_failures_come_first(database: Database) -> None:
    """For the question what goes wrong just now."""
    sessions = Sessions(database)
    records = [_record() for _ in range(3)]
    for record in records:
        sessions.record(record)
    await database.write(lambda _: None)

    found = database.read_now(lambda c: failed_sessions(c, limit=2))

    assert [one.session_id for one in found] == [records[2].session_id, records[1].session_id]


async def test_a_flood_is_dropped(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that wait for the database are bounded; there is room again afterwards."""
    monkeypatch.setattr(module, "WAITING", 2)
    sessions = Sessions(database)

    for _ in range(5):
        sessions.record(_record())
    await database.write(lambda _: None)
    sessions.record(_record())
    await database.write(lambda _: None)

    assert sessions.dropped == 3
    assert len(database.read_now(lambda c: failed_sessions(c, limit=10))) == 3
