"""Clients are told where mail of a domain is read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has said so yet."""
    op.add_column("domain", Column("mailboxes", sa.Text()))
