"""Domains are claimed, and theirs who proves it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """An administrator vouched for all domains that were there."""
    op.add_column(
        "domain", Column("proof", sa.Text(), nullable=False, server_default="administrator")
    )
    op.add_column("domain", Column("token", sa.Text()))
    op.create_table(
        "domain_claim",
        Column("id", ROWID, autoincrement=False, nullable=False),
        Column("tenant_id", ROWID, nullable=False),
        Column("name", sa.Text(), nullable=False),
        Column("token", sa.Text(), nullable=False),
        Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_domain_claim"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name="fk_domain_claim_tenant_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("tenant_id", "name", name="uq_domain_claim_tenant_id_name"),
    )
