"""Messages, settlements and databases for tests of the store."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Envelope, Notify, Recipient, RecipientState, Timestamp
from pillarbox.mail.identifier import EPOCH, IdGenerator
from pillarbox.mail.reply import Reply, reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.store.database import Database
from pillarbox.store.records import RecipientRecord, Settlement
from pillarbox.store.spool import Spool

HOP = "smarthost:smtp.far.example:25:none"
OTHER_HOP = "smarthost:smtp.other.example:587:starttls"
OWNER = "worker-one"
LEASE_MS = 60_000
OK = reply(250, "2.0.0", "Ok: queued as 12345")
LATER = reply(451, "4.7.1", "Try again later")
NO = reply(550, "5.1.1", "No such user")

INSTANCE = 7
"""The number of the process in the ids that are made here."""

_ids = IdGenerator(INSTANCE)
_sequences = count()


def now_ms() -> Timestamp:
    """The present moment."""
    return time.time_ns() // 1_000_000


def new_id(at: Timestamp | None = None) -> int:
    """A queue id; `at` makes one of an earlier time."""
    if at is None:
        return _ids.next_id(now_ms())
    return (at - EPOCH) << 22 | INSTANCE << 12 | next(_sequences) & 0xFFF


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread or process brings about."""
    while not condition():  # noqa: ASYNC110 - it has no event to wait on
        await asyncio.sleep(0.01)


def open_database(url: str, *, reserve_octets: int = 0) -> Database:
    """A database with all tables. A new file of SQLite is a copy of one that was migrated."""
    database = Database.open(url, reserve_octets=reserve_octets)
    if database.file is not None and database.file.stat().st_size == 0:
        database.file.write_bytes(_migrated_file())
    else:
        database.migrate()
    return database


@cache
def _migrated_file() -> bytes:
    """What the migrations make of an empty file: once per process, as they take 100 ms."""
    return database_file(Database.migrate)


def database_file(change: Callable[[Database], object]) -> bytes:
    """The octets of a file of SQLite after a change, to be copied for many tests."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pillarbox.sqlite3"
        database = Database.open(f"sqlite:///{file}", reserve_octets=0)
        change(database)
        database.close_now()
        # Nothing has stayed in the log.
        assert list(file.parent.iterdir()) == [file]
        return file.read_bytes()


def make_message(
    *addresses: str,
    lanes: Sequence[int],
    content: bytes | None = b"Subject: Hello\r\n\r\nBody\r\n",
    received_at: Timestamp | None = None,
    due_at: Timestamp | None = None,
    sender: str = "alice@here.example",
) -> SpooledMessage:
    """A message as reception puts it; `lanes` are used in turn."""
    at = now_ms() if received_at is None else received_at
    recipients = [
        SpooledRecipient(
            Recipient(number, parse_mailbox(address), Notify.FAILURE, f"rfc822;{address}"),
            lanes[number % len(lanes)],
            at if due_at is None else due_at,
        )
        for number, address in enumerate(addresses or ("bob@far.example",))
    ]
    prefix = b"Received: from here\r\n"
    return SpooledMessage(
        queue_id=new_id(received_at),
        tenant_id=1,
        account_id=2,
        credential_id=3,
        session_id=4,
        received_at=at,
        envelope=Envelope(parse_mailbox(sender) if sender else None, envid="QQ314159"),
        prefix=prefix,
        size_octets=len(prefix) + len(content or b""),
        chunks=0 if content is None else 1,
        content=content,
        recipients=recipients,
        header_id="<1@here.example>",
    )


def record(
    number: int,
    state: RecipientState,
    *,
    attempts: int = 1,
    next_attempt_at: Timestamp | None = None,
    answer: Reply = OK,
) -> RecipientRecord:
    """What an attempt made of one recipient."""
    return RecipientRecord(
        number=number,
        state=state,
        next_attempt_at=next_attempt_at,
        attempts=attempts,
        reply=answer,
        remote_host="mx.far.example",
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
    )


def settlement(
    message: SpooledMessage,
    *records: RecipientRecord,
    lane: int | None = None,
    owner: str = OWNER,
    keep_content_until: Timestamp | None = None,
    dsns: tuple[SpooledMessage, ...] = (),
    attempt: bool = True,
) -> Settlement:
    """The result of an attempt; without records all recipients were delivered."""
    at = now_ms()
    return Settlement(
        queue_id=message.queue_id,
        lane_id=message.recipients[0].lane_id if lane is None else lane,
        owner=owner,
        started_at=at,
        duration_ms=12,
        finished_at=at + 12,
        records=records
        or tuple(
            record(spooled.recipient.number, RecipientState.DELIVERED)
            for spooled in message.recipients
        ),
        keep_content_until=keep_content_until,
        dsns=dsns,
        attempt=attempt,
        may_have_file=message.chunks > 1 or message.content is None,
    )


class Queue:
    """A spool with one lane that OWNER owns."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.spool = Spool(database)
        self.lane = self.spool.lane(HOP)

    async def put(self, *addresses: str, lanes: Sequence[int] | None = None) -> SpooledMessage:
        """Put a message; with `lanes` its recipients stand in these in turn."""
        message = make_message(*addresses, lanes=lanes or (self.lane,))
        await self.spool.put(message)
        return message

    async def due(self, *, lane: int | None = None, now: Timestamp | None = None) -> list[int]:
        """The queue ids of what is due."""
        moment = now_ms() if now is None else now
        found = await self.spool.load_due(lane or self.lane, now=moment, limit=1000)
        return [message.queue_id for message in found]
