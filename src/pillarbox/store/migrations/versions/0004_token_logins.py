"""Tenants have an issuer of tokens, accounts are known by its subjects, passwords by SCRAM."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of issuers, and to credentials the subject and the verifier."""
    op.create_table(
        "issuer",
        Column("tenant_id", ROWID, autoincrement=False, nullable=False),
        Column("url", sa.Text(), nullable=False),
        Column("audiences", sa.Text(), nullable=False),
        Column("claim", sa.Text(), nullable=False),
        Column("scope", sa.Text()),
        Column("ca_file", sa.Text()),
        Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_issuer"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name="fk_issuer_tenant_id", ondelete="CASCADE"
        ),
    )
    op.add_column("credential", Column("issuer", sa.Text()))
    op.add_column("credential", Column("claim", sa.Text()))
    op.add_column("credential", Column("subject", sa.Text()))
    op.add_column("credential", Column("scram_verifier", sa.Text()))
