"""Domains have a return path, and what comes back by it is kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No domain has one yet."""
    op.add_column("domain", Column("return_path", sa.Text()))
    op.add_column(
        "route",
        Column("return_path", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "returned",
        Column("message_id", sa.BigInteger(), nullable=False),
        Column("recipient_number", sa.Integer(), nullable=False),
        Column("kind", sa.Text(), nullable=False),
        Column("received_at", sa.BigInteger(), nullable=False),
        Column("session_id", sa.BigInteger(), nullable=False),
        Column("reply", sa.Text(), nullable=False),
        Column("remote_host", sa.Text(), nullable=False),
        Column("report_id", sa.BigInteger()),
        sa.PrimaryKeyConstraint("message_id", "recipient_number", "kind", name="pk_returned"),
    )
