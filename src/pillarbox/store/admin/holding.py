"""Holding an account: what it sends is still taken, but waits for a person, and so does what it
has in the queue. Releasing it lets all of that go on."""

from sqlalchemy import Connection, update

from pillarbox.mail.envelope import Timestamp
from pillarbox.store import queue
from pillarbox.store.generation import Part, moved
from pillarbox.store.queue import Selection
from pillarbox.store.schema_directory import account


def hold_account(connection: Connection, account_id: int, *, now: Timestamp, reason: str) -> bool:
    """Hold what an account sends from now on; False if it is held already. What it has in the
    queue: `hold_queue`."""
    is_free = (account.c.id == account_id, account.c.held_at.is_(None))
    statement = update(account).where(*is_free).values(held_at=now, hold_reason=reason)
    if connection.execute(statement).rowcount == 0:
        return False
    moved(connection, Part.DIRECTORY)
    return True


def hold_queue(connection: Connection, account_id: int) -> int:
    """Hold some recipients of an account that wait in the queue; call it until it says 0."""
    return queue.hold(connection, Selection(account_id=account_id))


def release_account(connection: Connection, account_id: int) -> None:
    """Let an account send again. What is held of it: `release_queue`, afterwards."""
    statement = update(account).where(account.c.id == account_id)
    connection.execute(statement.values(held_at=None, hold_reason=None))
    moved(connection, Part.DIRECTORY)


def release_queue(connection: Connection, account_id: int, *, now: Timestamp) -> int:
    """Send some recipients of an account that are held; call it until it says 0."""
    return queue.release(connection, Selection(account_id=account_id), now=now)
