"""The service looks at itself once a day and tells what is new."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was found before the first look."""
    op.create_table(
        "self_look",
        Column("node", sa.Text(), nullable=False),
        Column("looked_at", sa.BigInteger(), nullable=False),
        Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node", name="pk_self_look"),
    )
    op.create_table(
        "self_finding",
        Column("node", sa.Text(), nullable=False),
        Column("finding", sa.Text(), nullable=False),
        Column("place", sa.Text(), nullable=False),
        Column("severity", sa.Text(), nullable=False),
        Column("cause", sa.Text(), nullable=False),
        Column("fix", sa.Text(), nullable=False),
        Column("since_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", "finding", "place", name="pk_self_finding"),
    )
