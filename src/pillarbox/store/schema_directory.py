"""The tables of the directory: tenants, who may send, where their mail goes (see store.schema)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
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

from pillarbox.store.schema_base import ROWID, id_column, metadata, time_column

tenant = Table(
    "tenant",
    metadata,
    id_column(),
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
    time_column("created_at", nullable=False),
    time_column("disabled_at"),
    # What each account may send unless it has a limit of its own; NULL: no limit.
    Column("account_recipients_per_day", Integer),
    # For how long an address is suppressed that nobody has, at most; 0: never.
    Column("suppress_days", Integer, nullable=False, server_default=text("30")),
)

domain = Table(
    "domain",
    metadata,
    id_column(),
    Column("tenant_id", ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False, index=True),
    # Lower-case A-label; a domain belongs to one tenant.
    Column("name", Text, nullable=False, unique=True),
    time_column("created_at", nullable=False),
    # Who said that it is theirs: "administrator" or "dns", then with the token that stood there.
    Column("proof", Text, nullable=False, server_default=text("'administrator'")),
    Column("token", Text),
    # Where its mail is read, for its users' clients: "imaps://imap.example.org:993".
    Column("mailboxes", Text),
    # Another domain of the tenant (or this one), to which what is sent from here comes back.
    Column("return_path", Text),
)

domain_claim = Table(
    "domain_claim",
    metadata,
    # Who says that a domain is theirs and has not proved it: several may say so of one domain.
    id_column(),
    Column("tenant_id", ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    # What the TXT record must say.
    Column("token", Text, nullable=False),
    time_column("created_at", nullable=False),
    UniqueConstraint("tenant_id", "name"),
)

dkim_key = Table(
    "dkim_key",
    metadata,
    id_column(),
    Column("domain_id", ForeignKey("domain.id", ondelete="CASCADE"), nullable=False),
    Column("selector", Text, nullable=False),
    # "rsa-sha256" or "ed25519-sha256".
    Column("algorithm", Text, nullable=False),
    # PKCS #8, sealed.
    Column("private_sealed", LargeBinary, nullable=False),
    # What the TXT record says.
    Column("record", Text, nullable=False),
    time_column("created_at", nullable=False),
    # From when on mail is signed with it, and until when; NULL: not yet.
    time_column("active_at"),
    time_column("retired_at"),
    UniqueConstraint("domain_id", "selector"),
)

suppression = Table(
    "suppression",
    metadata,
    # An address that the tenant does not send to. One that has expired is kept for a while: what
    # comes back again is suppressed for longer.
    Column("tenant_id", ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False),
    Column("address_key", Text, nullable=False),
    # "bounce", "complaint" or "administrator", and the reply, what the complaint says of itself or
    # the words of the administrator.
    Column("origin", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # How often it came back, each time after it had expired.
    Column("bounces", Integer, nullable=False),
    time_column("created_at", nullable=False),
    # NULL: never.
    time_column("expires_at"),
    # By the clock of the database: processes read what has changed.
    time_column("changed_at", nullable=False),
    PrimaryKeyConstraint("tenant_id", "address_key"),
)
Index("ix_suppression_changed_at", suppression.c.changed_at)

account = Table(
    "account",
    metadata,
    id_column(),
    Column("tenant_id", ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("address_key", Text, nullable=False, unique=True),
    time_column("created_at", nullable=False),
    time_column("disabled_at"),
    # NULL: that of the tenant.
    Column("recipients_per_day", Integer),
    # What it sends is taken and held from this moment on, for the reason given.
    time_column("held_at"),
    Column("hold_reason", Text),
)

account_usage = Table(
    "account_usage",
    metadata,
    # What of the daily limit is used up or leased to a worker: the UTC day (YYYY-MM-DD) and the
    # recipients.
    Column(
        "account_id",
        ROWID,
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
    id_column(),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    # "password", "network" or "oauth2".
    Column("kind", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("password_hash", Text),
    Column("network", Text),
    time_column("created_at", nullable=False),
    time_column("expires_at"),
    time_column("last_used_at"),
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
        ROWID,
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
    time_column("created_at", nullable=False),
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
    id_column(),
    Column("tenant_id", ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False),
    Column("sender_domain", Text, nullable=False, server_default=text("''")),
    Column("recipient_domain", Text, nullable=False, server_default=text("''")),
    # "smarthost", "microsoft365", "mx", "capture" or "reject".
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
    # JSON: [["messages", 60, 30], ...]: what is counted, seconds, how much; NULL: none.
    Column("windows", Text),
    time_column("created_at", nullable=False),
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
    time_column("oauth_secret_ends_at"),
    # Microsoft 365: what the mailboxes may send as beside themselves, blank separated; "refuse",
    # "rewrite" or "pass" for all else.
    Column("senders", Text),
    Column("other_from", Text),
    # NULL where the cloud says it.
    Column("graph_url", Text),
    # A smart host gets the return path of the sender's domain as reverse-path.
    Column("return_path", Boolean, nullable=False, server_default=false()),
    # MX hosts: the addresses that mail comes from with their weights, like "192.0.2.1=3", blank
    # separated; NULL: as the machine chooses.
    Column("sources", Text),
    UniqueConstraint("tenant_id", "sender_domain", "recipient_domain"),
)

oauth_grant = Table(
    "oauth_grant",
    metadata,
    # What a person granted a route: the newest refresh token.
    Column(
        "route_id",
        ROWID,
        ForeignKey("route.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("refresh_token_sealed", LargeBinary, nullable=False),
    # Grows with each token; who brings the next one says which one it came from.
    Column("version", Integer, nullable=False),
    time_column("signed_in_at", nullable=False),
    time_column("used_at", nullable=False),
    # The token of the process that is using it up, "" when none is.
    Column("owner", Text, nullable=False, server_default=text("''")),
    time_column("lease_until", nullable=False),
)

source = Table(
    "source",
    metadata,
    # An address of this machine that mail to MX hosts may come from.
    Column("address", Text, primary_key=True),
    # What it says in EHLO, "" for what the configuration says.
    Column("name", Text, nullable=False),
    # Messages a day, comma separated, from the day of `warm_since` on; "": it is warm.
    Column("warm_up", Text, nullable=False),
    time_column("warm_since"),
)

source_usage = Table(
    "source_usage",
    metadata,
    # What was leased of a day (YYYY-MM-DD in UTC) while it is warmed up.
    Column("address", Text, primary_key=True),
    Column("day", Text, nullable=False),
    Column("messages", Integer, nullable=False),
)
