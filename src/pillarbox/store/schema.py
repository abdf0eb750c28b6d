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
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


_ROWID = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit id that SQLite takes as its rowid (only a column of the type INTEGER is)."""


def _id(name: str = "id") -> Column[int]:
    return Column(name, _ROWID, primary_key=True, autoincrement=False)


def _time(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

tenant = Table(
    "tenant",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("keep_content_days", Integer, nullable=False, server_default=text("0")),
    Column("retry_first_seconds", Integer, nullable=False, server_default=text("60")),
    Column("retry_longest_seconds", Integer, nullable=False, server_default=text("14400")),
    Column("give_up_seconds", Integer, nullable=False, server_default=text("172800")),
    # NULL: no delay notices.
    Column("delay_notice_seconds", Integer, server_default=text("14400")),
    # NULL: the limit of the service holds.
    Column("size_limit_octets", BigInteger),
    Column("recipient_limit", Integer),
    _time("created_at", nullable=False),
    _time("disabled_at"),
    # What each account may send unless it has a limit of its own; NULL: no limit.
    Column("account_recipients_per_day", Integer),
)

domain = Table(
    "domain",
    metadata,
    _id(),
    Column("tenant_id", ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False, index=True),
    # Lower-case A-label; a domain belongs to one tenant.
    Column("name", Text, nullable=False, unique=True),
    _time("created_at", nullable=False),
)

dkim_key = Table(
    "dkim_key",
    metadata,
    _id(),
    Column("domain_id", ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    Column("selector", Text, nullable=False),
    # "rsa-sha256" or "ed25519-sha256".
    Column("algorithm", Text, nullable=False),
    # PKCS #8, sealed.
    Column("private_sealed", LargeBinary, nullable=False),
    # What the TXT record says.
    Column("record", Text, nullable=False),
    _time("created_at", nullable=False),
    # From when on mail is signed with it, and until when; NULL: not yet.
    _time("active_at"),
    _time("retired_at"),
    UniqueConstraint("domain_id", "selector"),
)

account = Table(
    "account",
    metadata,
    _id(),
    Column("tenant_id", ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("address_key", Text, nullable=False, unique=True),
    _time("created_at", nullable=False),
    _time("disabled_at"),
    # NULL: that of the tenant.
    Column("recipients_per_day", Integer),
    # What it sends is taken and held from this moment on, for the reason given.
    _time("held_at"),
    Column("hold_reason", Text),
)

account_usage = Table(
    "account_usage",
    metadata,
    # What of the daily limit is used up or leased to a worker: the UTC day (YYYY-MM-DD) and the
    # recipients.
    Column(
        "account_id",
        _ROWID,
        ForeignKey("account.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("day", Text, nullable=False),
    Column("recipients", BigInteger, nullable=False),
)

credential = Table(
    "credential",
    metadata,
    _id(),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    # "password", "network" or "oauth2".
    Column("kind", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("password_hash", Text),
    Column("network", Text),
    _time("created_at", nullable=False),
    _time("expires_at"),
    _time("last_used_at"),
    # Whose tokens, and what their claim must say.
    Column("issuer", Text),
    Column("claim", Text),
    Column("subject", Text),
    # Of a password, where SCRAM is in use.
    Column("scram_verifier", Text),
    UniqueConstraint("account_id", "label"),
)

issuer = Table(
    "issuer",
    metadata,
    # Who issues the tokens that accounts of the tenant log in with.
    Column(
        "tenant_id",
        _ROWID,
        ForeignKey("tenant.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("url", Text, nullable=False),
    # Blank separated.
    Column("audiences", Text, nullable=False),
    # The claim that names the subject of new credentials.
    Column("claim", Text, nullable=False),
    # A scope or role that tokens must have; NULL: none.
    Column("scope", Text),
    Column("ca_file", Text),
    _time("created_at", nullable=False),
)

send_as = Table(
    "send_as",
    metadata,
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    # The key of an address, or "@" and a domain.
    Column("pattern", Text, nullable=False),
    PrimaryKeyConstraint("account_id", "pattern"),
    sqlite_with_rowid=False,
)

route = Table(
    "route",
    metadata,
    _id(),
    Column("tenant_id", ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False),
    Column("sender_domain", Text, nullable=False, server_default=text("''")),
    Column("recipient_domain", Text, nullable=False, server_default=text("''")),
    # "smarthost", "microsoft365", "capture" or "reject".
    Column("kind", Text, nullable=False),
    Column("host", Text),
    Column("port", Integer),
    Column("tls", Text),
    Column("verify", Boolean),
    Column("ca_file", Text),
    Column("username", Text),
    Column("password_sealed", LargeBinary),
    Column("reject_text", Text),
    Column("connections", Integer),
    Column("messages_per_connection", Integer),
    Column("messages_per_minute", Integer),
    Column("recipients_per_day", Integer),
    _time("created_at", nullable=False),
    # Microsoft 365: the mailboxes, blank separated, and how mail comes into them. `host` and `port`
    # are NULL where the cloud says them.
    Column("cloud", Text),
    Column("way", Text),
    Column("mailboxes", Text),
    # How tokens are got; NULL: no OAuth2. Either the token URL is set, or authority and tenant.
    Column("oauth_flow", Text),
    Column("oauth_client_id", Text),
    Column("oauth_authority", Text),
    Column("oauth_tenant_id", Text),
    Column("oauth_token_url", Text),
    Column("oauth_scope", Text),
    Column("oauth_secret_sealed", LargeBinary),
    # Private key and certificate are PEM.
    Column("oauth_key_sealed", LargeBinary),
    Column("oauth_certificate", Text),
    _time("oauth_secret_ends_at"),
    UniqueConstraint("tenant_id", "sender_domain", "recipient_domain"),
)

oauth_grant = Table(
    "oauth_grant",
    metadata,
    # What a person granted a route: the newest refresh token.
    Column(
        "route_id",
        _ROWID,
        ForeignKey("route.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("refresh_token_sealed", LargeBinary, nullable=False),
    # Grows with each token; who brings the next one says which one it came from.
    Column("version", Integer, nullable=False),
    _time("signed_in_at", nullable=False),
    _time("used_at", nullable=False),
    # The token of the process that is using it up, "" when none is.
    Column("owner", Text, nullable=False, server_default=text("''")),
    _time("lease_until", nullable=False),
)

message = Table(
    "message",
    metadata,
    # The queue id: it carries the time of reception.
    _id(),
    Column("tenant_id", BigInteger, nullable=False),
    Column("account_id", BigInteger),
    Column("credential_id", BigInteger),
    Column("session_id", BigInteger),
    _time("received_at", nullable=False),
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
    _time("finished_at"),
    # When content that the tenant keeps, or captured content, goes; NULL: when finished.
    _time("content_until"),
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
    _id("message_id"),
    _time("started_at", nullable=False),
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
    _time("next_attempt_at"),
    Column("delay_notified", Boolean, nullable=False),
    # "250 2.0.0 text" of the last attempt, "" before it.
    Column("last_reply", Text, nullable=False),
    _time("finished_at"),
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
    _time("started_at", nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("remote_host", Text, nullable=False),
    Column("tls", Text, nullable=False),
    PrimaryKeyConstraint("message_id", "recipient_number", "number"),
    sqlite_with_rowid=False,
)

lane = Table(
    "lane",
    metadata,
    _id(),
    Column("hop", Text, nullable=False),
    Column("number", Integer, nullable=False),
    # The token of the process that owns it, "" when free.
    Column("owner", Text, nullable=False),
    _time("lease_until", nullable=False),
    # For the daily cap: the UTC day (YYYY-MM-DD) and the recipients tried on it.
    Column("usage_day", Text, nullable=False, server_default=text("''")),
    Column("usage_recipients", BigInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("hop", "number"),
)

suspension = Table(
    "suspension",
    metadata,
    # A lane whose next hop takes nothing before somebody changes something, and what it said.
    _id("lane_id"),
    Column("hop", Text, nullable=False),
    _time("since_at", nullable=False),
    Column("reply", Text, nullable=False),
    # The id of its explanation, and the words of it as they were then.
    Column("explanation", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("fix", Text, nullable=False),
)

instance = Table(
    "instance",
    metadata,
    # Part of every id that the process makes.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("token", Text, nullable=False),
    _time("lease_until", nullable=False),
)

session = Table(
    "session",
    metadata,
    _id(),
    _time("started_at", nullable=False),
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
