"""Administrators pause next hops, cap them, and have them tried at once; lanes know when they were
used; mail to MX hosts comes from chosen addresses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is ordered. Lanes that are free count as used until now."""
    if op.get_bind().dialect.name == "sqlite":
        now = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    else:
        now = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    op.execute(f"UPDATE lane SET lease_until = {now} WHERE lease_until = 0")  # noqa: S608
    op.create_table(
        "hop_order",
        Column("hop", sa.Text(), nullable=False),
        Column("paused_at", sa.BigInteger()),
        Column("paused_until", sa.BigInteger()),
        Column("reason", sa.Text(), nullable=False),
        Column("connections", sa.Integer()),
        Column("messages_per_connection", sa.Integer()),
        Column("messages_per_minute", sa.Integer()),
        Column("tried_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("hop", name="pk_hop_order"),
    )
    op.add_column("route", Column("sources", sa.Text()))
    op.create_table(
        "source",
        Column("address", sa.Text(), nullable=False),
        Column("name", sa.Text(), nullable=False),
        Column("warm_up", sa.Text(), nullable=False),
        Column("warm_since", sa.BigInteger()),
        sa.PrimaryKeyConstraint("address", name="pk_source"),
    )
    op.create_table(
        "source_usage",
        Column("address", sa.Text(), nullable=False),
        Column("day", sa.Text(), nullable=False),
        Column("messages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_source_usage"),
    )
