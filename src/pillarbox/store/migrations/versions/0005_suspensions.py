"""Lanes whose next hop takes nothing before somebody changes something."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of suspensions."""
    op.create_table(
        "suspension",
        Column("lane_id", ROWID, autoincrement=False, nullable=False),
        Column("hop", sa.Text(), nullable=False),
        Column("since_at", sa.BigInteger(), nullable=False),
        Column("reply", sa.Text(), nullable=False),
        Column("explanation", sa.Text(), nullable=False),
        Column("remedy", sa.Text(), nullable=False),
        Column("cause", sa.Text(), nullable=False),
        Column("fix", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lane_id", name="pk_suspension"),
    )
