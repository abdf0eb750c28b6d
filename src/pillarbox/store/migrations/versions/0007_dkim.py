"""Domains have DKIM keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the keys."""
    op.create_table(
        "dkim_key",
        Column("id", ROWID, autoincrement=False, nullable=False),
        Column("domain_id", ROWID, nullable=False),
        Column("selector", sa.Text(), nullable=False),
        Column("algorithm", sa.Text(), nullable=False),
        Column("private_sealed", sa.LargeBinary(), nullable=False),
        Column("record", sa.Text(), nullable=False),
        Column("created_at", sa.BigInteger(), nullable=False),
        Column("active_at", sa.BigInteger()),
        Column("retired_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_dkim_key"),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["domain.id"], name="fk_dkim_key_domain_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("domain_id", "selector", name="uq_dkim_key_domain_id_selector"),
    )
