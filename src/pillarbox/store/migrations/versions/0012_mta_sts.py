"""Policies of MTA-STS that domains published, kept for as long as they said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of policies."""
    op.create_table(
        "mta_sts",
        Column("domain", sa.Text(), nullable=False),
        Column("policy_id", sa.Text(), nullable=False),
        Column("mode", sa.Text(), nullable=False),
        Column("mx", sa.Text(), nullable=False),
        Column("fetched_at", sa.BigInteger(), nullable=False),
        Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("domain", name="pk_mta_sts"),
    )
