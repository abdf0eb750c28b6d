"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column
from sqlalchemy.sql.schema import SchemaItem

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _settings()
    _tenants()
    _accounts()
    _routes()
    _messages()
    _recipients()
    _processes()


def _id(table: str, column: str = "id") -> list[SchemaItem]:
    return [
        Column(column, ROWID, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(column, name=f"pk_{table}"),
    ]


def _parent(table: str, parent: str) -> list[SchemaItem]:
    column = f"{parent}_id"
    return [
        Column(column, ROWID, nullable=False),
        sa.ForeignKeyConstraint(
            [column], [f"{parent}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE"
        ),
    ]


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, sa.Text(), nullable=nullable, server_default=_default(default))


def _number(name: str, *, nullable: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, sa.Integer(), nullable=nullable, server_default=_default(default))


def _big(name: str, *, nullable: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, sa.BigInteger(), nullable=nullable, server_default=_default(default))


def _default(text: str | None) -> sa.TextClause | None:
    return None if text is None else sa.text(text)


def _settings() -> None:
    setting = op.create_table(
        "setting",
        _text("name"),
        _text("value"),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    rows = [{"name": f"{part}_generation", "value": "1"} for part in ("directory", "queue")]
    op.bulk_insert(setting, rows)


def _tenants() -> None:
    op.create_table(
        "tenant",
        *_id("tenant"),
        _text("name"),
        _number("keep_content_days", default="0"),
        _number("retry_first_seconds", default="60"),
        _number("retry_longest_seconds", default="14400"),
        _number("give_up_seconds", default="172800"),
        _number("delay_notice_seconds", nullable=True, default="14400"),
        _big("size_limit_octets", nullable=True),
        _number("recipient_limit", nullable=True),
        _big("created_at"),
        _big("disabled_at", nullable=True),
        sa.UniqueConstraint("name", name="uq_tenant_name"),
    )
    op.create_table(
        "domain",
        *_id("domain"),
        *_parent("domain", "tenant"),
        _text("name"),
        _big("created_at"),
        sa.UniqueConstraint("name", name="uq_domain_name"),
    )
    op.create_index("ix_domain_tenant_id", "domain", ["tenant_id"])


def _accounts() -> None:
    op.create_table(
        "account",
        *_id("account"),
        *_parent("account", "tenant"),
        _text("address"),
        _text("address_key"),
        _big("created_at"),
        _big("disabled_at", nullable=True),
        sa.UniqueConstraint("address_key", name="uq_account_address_key"),
    )
    op.create_index("ix_account_tenant_id", "account", ["tenant_id"])
    op.create_table(
        "credential",
        *_id("credential"),
        *_parent("credential", "account"),
        _text("kind"),
        _text("label"),
        _text("password_hash", nullable=True),
        _text("network", nullable=True),
        _big("created_at"),
        _big("expires_at", nullable=True),
        _big("last_used_at", nullable=True),
        sa.UniqueConstraint("account_id", "label", name="uq_credential_account_id_label"),
    )
    op.create_index("ix_credential_account_id", "credential", ["account_id"])
    op.create_table(
        "send_as",
        *_parent("send_as", "account"),
        _text("pattern"),
        sa.PrimaryKeyConstraint("account_id", "pattern", name="pk_send_as"),
        sqlite_with_rowid=False,
    )


def _routes() -> None:
    patterns = ("sender_domain", "recipient_domain")
    op.create_table(
        "route",
        *_id("route"),
        *_parent("route", "tenant"),
        *(_text(name, default="''") for name in patterns),
        _text("kind"),
        _text("host", nullable=True),
        _number("port", nullable=True),
        _text("tls", nullable=True),
        Column("verify", sa.Boolean(), nullable=True),
        _text("ca_file", nullable=True),
        _text("username", nullable=True),
        Column("password_sealed", sa.LargeBinary(), nullable=True),
        _text("reject_text", nullable=True),
        _number("connections", nullable=True),
        _number("messages_per_connection", nullable=True),
        _number("messages_per_minute", nullable=True),
        _number("recipients_per_day", nullable=True),
        _big("created_at"),
        sa.UniqueConstraint(
            "tenant_id", *patterns, name=f"uq_route_tenant_id_{'_'.join(patterns)}"
        ),
    )


def _messages() -> None:
    op.create_table(
        "message",
        *_id("message"),
        _big("tenant_id"),
        *(_big(f"{name}_id", nullable=True) for name in ("account", "credential", "session")),
        _big("received_at"),
        _text("reverse_path"),
        _text("body"),
        Column("smtputf8", sa.Boolean(), nullable=False),
        _text("ret", nullable=True),
        _text("envid"),
        _text("header_id"),
        _big("size_octets"),
        Column("prefix", sa.LargeBinary(), nullable=False),
        _number("chunks"),
        _number("open_recipients"),
        _big("finished_at", nullable=True),
        _big("content_until", nullable=True),
    )
    is_kept = sa.text("content_until IS NOT NULL")
    op.create_index(
        "ix_message_content_until",
        "message",
        ["content_until"],
        sqlite_where=is_kept,
        postgresql_where=is_kept,
    )
    op.create_table(
        "content",
        _big("message_id"),
        _number("number"),
        Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "number", name="pk_content"),
    )
    op.create_table("upload", *_id("upload", "message_id"), _big("started_at"))


def _recipients() -> None:
    op.create_table(
        "recipient",
        _big("message_id"),
        _number("number"),
        _text("address"),
        _number("notify"),
        _text("orcpt"),
        _text("state"),
        _big("lane_id"),
        _number("attempts"),
        _big("next_attempt_at", nullable=True),
        Column("delay_notified", sa.Boolean(), nullable=False),
        _text("last_reply"),
        _big("finished_at", nullable=True),
        Column("must_bounce", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("message_id", "number", name="pk_recipient"),
        sqlite_with_rowid=False,
    )
    is_open = sa.text("next_attempt_at IS NOT NULL")
    op.create_index(
        "ix_recipient_due",
        "recipient",
        ["lane_id", "next_attempt_at"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    is_held = sa.text("state = 'held'")
    op.create_index(
        "ix_recipient_held",
        "recipient",
        ["message_id"],
        sqlite_where=is_held,
        postgresql_where=is_held,
    )
    op.create_table(
        "attempt",
        _big("message_id"),
        _number("recipient_number"),
        _number("number"),
        _big("started_at"),
        _number("duration_ms"),
        *(_text(name) for name in ("state", "reply", "remote_host", "tls")),
        sa.PrimaryKeyConstraint("message_id", "recipient_number", "number", name="pk_attempt"),
        sqlite_with_rowid=False,
    )


def _processes() -> None:
    op.create_table(
        "lane",
        *_id("lane"),
        _text("hop"),
        _number("number"),
        _text("owner"),
        _big("lease_until"),
        _text("usage_day", default="''"),
        _big("usage_recipients", default="0"),
        sa.UniqueConstraint("hop", "number", name="uq_lane_hop_number"),
    )
    op.create_table(
        "instance",
        Column("number", sa.Integer(), autoincrement=False, nullable=False),
        _text("token"),
        _big("lease_until"),
        sa.PrimaryKeyConstraint("number", name="pk_instance"),
    )
    op.create_table(
        "session",
        *_id("session"),
        _big("started_at"),
        *(_text(name) for name in ("listener", "remote_address", "helo", "login", "tls")),
        *(_text(name) for name in ("refusals", "cause")),
    )
    op.create_index("ix_session_started_at", "session", ["started_at"])
