"""Tenants do not send again to addresses that nobody has."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nothing is suppressed that came back before."""
    op.add_column(
        "tenant", Column("suppress_days", sa.Integer(), nullable=False, server_default="30")
    )
    op.create_table(
        "suppression",
        Column("tenant_id", ROWID, nullable=False),
        Column("address_key", sa.Text(), nullable=False),
        Column("origin", sa.Text(), nullable=False),
        Column("reason", sa.Text(), nullable=False),
        Column("bounces", sa.Integer(), nullable=False),
        Column("created_at", sa.BigInteger(), nullable=False),
        Column("expires_at", sa.BigInteger()),
        Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "address_key", name="pk_suppression"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name="fk_suppression_tenant_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_suppression_changed_at", "suppression", ["changed_at"])
