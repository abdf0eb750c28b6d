"""How TLS with mail hosts went, and the reports on it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables of results and of reports."""
    op.create_table(
        "tls_result",
        Column("day", sa.Integer(), nullable=False),
        Column("key", sa.Text(), nullable=False),
        Column("domain", sa.Text(), nullable=False),
        Column("policy_type", sa.Text(), nullable=False),
        Column("policy", sa.Text(), nullable=False),
        Column("mx_host", sa.Text(), nullable=False),
        Column("failure", sa.Text(), nullable=False),
        Column("sending_ip", sa.Text(), nullable=False),
        Column("receiving_ip", sa.Text(), nullable=False),
        Column("reason", sa.Text(), nullable=False),
        Column("sessions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "key", name="pk_tls_result"),
    )
    op.create_index("ix_tls_result_domain", "tls_result", ["day", "domain"])
    op.create_table(
        "tls_report",
        Column("day", sa.Integer(), nullable=False),
        Column("domain", sa.Text(), nullable=False),
        Column("state", sa.Text(), nullable=False),
        Column("due_at", sa.BigInteger(), nullable=False),
        Column("lease_until", sa.BigInteger(), nullable=False),
        Column("attempts", sa.Integer(), nullable=False),
        Column("message_id", sa.BigInteger(), nullable=False),
        Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", "domain", name="pk_tls_report"),
    )
    op.create_index("ix_tls_report_due", "tls_report", ["state", "due_at"])
