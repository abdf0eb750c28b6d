"""Accounts have a limit of recipients a day, and can be held."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the limits and what is used of them."""
    op.add_column("tenant", Column("account_recipients_per_day", sa.Integer()))
    op.add_column("account", Column("recipients_per_day", sa.Integer()))
    op.add_column("account", Column("held_at", sa.BigInteger()))
    op.add_column("account", Column("hold_reason", sa.Text()))
    op.create_table(
        "account_usage",
        Column("account_id", ROWID, autoincrement=False, nullable=False),
        Column("day", sa.Text(), nullable=False),
        Column("recipients", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_account_usage"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name="fk_account_usage_account_id",
            ondelete="CASCADE",
        ),
    )
