"""The tables (design: docs/architecture.md, "Data"). SQLAlchemy Core, the same on SQLite and
PostgreSQL; the migrations in store/migrations make them, and a test says that both agree.

Ids are 64-bit and made in the process (mail.identifier). Times are milliseconds since 1970 in
UTC, in columns that end in `_at` or `_until`. Octets are stored as octets.

On SQLite a single id is the rowid itself, and tables of small rows with a key of two or three
columns have no rowid: one tree for each table that a message passes. `content` keeps its rowid,
since large rows make a poor tree without one.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from pillarbox.store.schema_base import id_column, metadata, time_column

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

message = Table(
    "message",
    metadata,
    # The queue id: it carries the time of reception.
    id_column(),
    Column("tenant_id", BigInteger, nullable=False),
    Column("account_id", BigInteger),
    Column("credential_id", BigInteger),
    Column("session_id", BigInteger),
    time_column("received_at", nullable=False),
    # "" for the null reverse-path.
    Column("reverse_path", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("smtputf8", Boolean, nullable=False),
    Column("ret", Text),
    Column("envid", Text, nullable=False),
    Column("header_id", Text, nullable=False),
    Column("size_octets", BigInteger, nullable=False),
    Column("prefix", LargeBinary, nullable=False),
    Column("chunks", Integer, nullable=False),
    # Recipients that are not final; the transaction that makes it 0 finishes the message.
    Column("open_recipients", Integer, nullable=False),
    time_column("finished_at"),
    # When content that the tenant keeps, or captured content, goes; NULL: when finished.
    time_column("content_until"),
    # What the sender wants of TLS: "", "required" or "optional".
    Column("tls_wish", Text, nullable=False, server_default=text("''")),
)

Index(
    "ix_message_content_until",
    message.c.content_until,
    sqlite_where=message.c.content_until.is_not(None),
    postgresql_where=message.c.content_until.is_not(None),
)

content = Table(
    "content",
    metadata,
    Column("message_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("octets", LargeBinary, nullable=False),
    PrimaryKeyConstraint("message_id", "number"),
)

upload = Table(
    "upload",
    metadata,
    # Content that is still coming in has a row here until its message is put, so what a dead
    # session left behind is found without a look at all content.
    id_column("message_id"),
    time_column("started_at", nullable=False),
)

recipient = Table(
    "recipient",
    metadata,
    Column("message_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("notify", Integer, nullable=False),
    Column("orcpt", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lane_id", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    # NULL once the state is final, and while it is held.
    time_column("next_attempt_at"),
    Column("delay_notified", Boolean, nullable=False),
    # "250 2.0.0 text" of the last attempt, "" before it.
    Column("last_reply", Text, nullable=False),
    time_column("finished_at"),
    # An administrator wants it failed instead of tried.
    Column("must_bounce", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("message_id", "number"),
    sqlite_with_rowid=False,
)

Index(
    "ix_recipient_due",
    recipient.c.lane_id,
    recipient.c.next_attempt_at,
    sqlite_where=recipient.c.next_attempt_at.is_not(None),
    postgresql_where=recipient.c.next_attempt_at.is_not(None),
)

Index(
    "ix_recipient_held",
    recipient.c.message_id,
    sqlite_where=recipient.c.state == text("'held'"),
    postgresql_where=recipient.c.state == text("'held'"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("message_id", BigInteger, nullable=False),
    Column("recipient_number", Integer, nullable=False),
    # Counts from 1.
    Column("number", Integer, nullable=False),
    time_column("started_at", nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("remote_host", Text, nullable=False),
    Column("tls", Text, nullable=False),
    PrimaryKeyConstraint("message_id", "recipient_number", "number"),
    sqlite_with_rowid=False,
)

returned = Table(
    "returned",
    metadata,
    # What came back later about a recipient, by the return path: the first of each kind counts.
    Column("message_id", BigInteger, nullable=False),
    # -1 where it does not say about whom it is.
    Column("recipient_number", Integer, nullable=False),
    # "failed", "delayed", "delivered", "complaint", "auto-reply" or "other".
    Column("kind", Text, nullable=False),
    time_column("received_at", nullable=False),
    # The session in which it came.
    Column("session_id", BigInteger, nullable=False),
    # As of an attempt; "" where there is none.
    Column("reply", Text, nullable=False),
    # Who reports.
    Column("remote_host", Text, nullable=False),
    # The message by which the sender was told; NULL: he was not.
    Column("report_id", BigInteger),
    PrimaryKeyConstraint("message_id", "recipient_number", "kind"),
)

lane = Table(
    "lane",
    metadata,
    id_column(),
    Column("hop", Text, nullable=False),
    Column("number", Integer, nullable=False),
    # The token of the process that owns it, "" when free.
    Column("owner", Text, nullable=False),
    time_column("lease_until", nullable=False),
    # How much of the windows of the hop is used (delivery.usage, JSON), and when that was, by the
    # clock of the database and by that of the machine that wrote it.
    Column("usage", Text, nullable=False, server_default=text("''")),
    Column("usage_at", BigInteger, nullable=False, server_default=text("0")),
    Column("usage_boot", Text, nullable=False, server_default=text("''")),
    Column("usage_uptime", BigInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("hop", "number"),
)

suspension = Table(
    "suspension",
    metadata,
    # A lane whose next hop takes nothing before somebody changes something, and what it said.
    id_column("lane_id"),
    Column("hop", Text, nullable=False),
    time_column("since_at", nullable=False),
    Column("reply", Text, nullable=False),
    # The id of its explanation, and the words of it as they were then.
    Column("explanation", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("fix", Text, nullable=False),
)

hop_order = Table(
    "hop_order",
    metadata,
    # What an administrator has ordered for a next hop.
    Column("hop", Text, primary_key=True),
    # It gets nothing from then on, until the other moment, if there is one.
    time_column("paused_at"),
    time_column("paused_until"),
    Column("reason", Text, nullable=False),
    # Caps in place of those of the routes.
    Column("connections", Integer),
    Column("messages_per_connection", Integer),
    Column("messages_per_minute", Integer),
    # What it was given by then counts no more: it is tried at once.
    time_column("tried_at"),
)

draft = Table(
    "draft",
    metadata,
    # A draft that was made in a mailbox on the way of a large message, until that is finished. `id`
    # is the mailbox's own; `recipients` are the numbers of those whom it names, blank separated.
    Column("message_id", BigInteger, nullable=False),
    Column("id", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("recipients", Text, nullable=False),
    # All of it is there, and it is being sent: it may have been.
    Column("is_complete", Boolean, nullable=False),
    PrimaryKeyConstraint("message_id", "id"),
)

mta_sts = Table(
    "mta_sts",
    metadata,
    # A policy of MTA-STS; `mx` has its patterns, blank separated.
    Column("domain", Text, primary_key=True),
    Column("policy_id", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("mx", Text, nullable=False),
    time_column("fetched_at", nullable=False),
    time_column("expires_at", nullable=False),
)

tls_result = Table(
    "tls_result",
    metadata,
    # Sessions of one day (from 1970, UTC) with mail hosts of a domain that ended alike; `key` is
    # made of all columns behind it but the number.
    Column("day", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("policy_type", Text, nullable=False),
    # Its lines and its patterns, as JSON.
    Column("policy", Text, nullable=False),
    Column("mx_host", Text, nullable=False),
    # "" for success.
    Column("failure", Text, nullable=False),
    Column("sending_ip", Text, nullable=False),
    Column("receiving_ip", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sessions", BigInteger, nullable=False),
    PrimaryKeyConstraint("day", "key"),
)
Index("ix_tls_result_domain", tls_result.c.day, tls_result.c.domain)

tls_report = Table(
    "tls_report",
    metadata,
    # The report on one day of a domain: when it is to be sent, by whom now, and what came of it.
    Column("day", Integer, nullable=False),
    Column("domain", Text, nullable=False),
    Column("state", Text, nullable=False),
    time_column("due_at", nullable=False),
    time_column("lease_until", nullable=False),
    Column("attempts", Integer, nullable=False),
    # The id of the message that carries it, kept for it before it is made, and part of its own id.
    Column("message_id", BigInteger, nullable=False),
    # Where it went, or why it did not.
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("day", "domain"),
)
Index("ix_tls_report_due", tls_report.c.state, tls_report.c.due_at)

self_look = Table(
    "self_look",
    metadata,
    # The last daily look at the service of one machine, and the address from which its mail left.
    Column("node", Text, primary_key=True),
    time_column("looked_at", nullable=False),
    Column("address", Text, nullable=False),
)

self_finding = Table(
    "self_finding",
    metadata,
    # What that look found; `finding` is the id of docs/doctor.md, `place` what it is about.
    Column("node", Text, nullable=False),
    Column("finding", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("fix", Text, nullable=False),
    time_column("since_at", nullable=False),
    PrimaryKeyConstraint("node", "finding", "place"),
)

instance = Table(
    "instance",
    metadata,
    # Part of every id that the process makes.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("token", Text, nullable=False),
    time_column("lease_until", nullable=False),
)

session = Table(
    "session",
    metadata,
    id_column(),
    time_column("started_at", nullable=False),
    Column("listener", Text, nullable=False),
    Column("remote_address", Text, nullable=False),
    Column("helo", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("tls", Text, nullable=False),
    # Names of explain.refusals, the first one decides; blank separated.
    Column("refusals", Text, nullable=False),
    # The private cause, for administrators only.
    Column("cause", Text, nullable=False),
)
Index("ix_session_started_at", session.c.started_at)
