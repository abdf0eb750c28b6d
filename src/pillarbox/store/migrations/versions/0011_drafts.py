"""Drafts that were made in a mailbox of Microsoft 365, and windows that count requests of Graph."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Text

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

_MESSAGES, _REQUESTS = '["messages", 600, 10000]', '["requests", 600, 10000]'


def upgrade() -> None:
    """What was a limit of messages by Graph has always been one of requests."""
    op.create_table(
        "draft",
        Column("message_id", BigInteger, nullable=False),
        Column("id", Text, nullable=False),
        Column("mailbox", Text, nullable=False),
        Column("recipients", Text, nullable=False),
        Column("is_complete", Boolean, nullable=False),
        sa.PrimaryKeyConstraint("message_id", "id"),
    )
    route = sa.table("route", sa.column("way", Text), sa.column("windows", Text))
    op.execute(
        sa.update(route)
        .where(route.c.way.in_(["graph", "graph-or-smtp"]))
        .values(windows=sa.func.replace(route.c.windows, _MESSAGES, _REQUESTS))
    )
