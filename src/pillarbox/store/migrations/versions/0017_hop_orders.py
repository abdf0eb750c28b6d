"""Administrators pause next hops, cap them, and have them tried at once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0017"
down_revision = "0016b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is ordered."""
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
