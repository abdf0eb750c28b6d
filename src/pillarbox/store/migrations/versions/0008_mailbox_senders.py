"""Routes by Microsoft 365 say whom their mailboxes may send as."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Routes that were there let Microsoft decide, as before."""
    op.add_column("route", Column("senders", sa.Text()))
    op.add_column("route", Column("other_from", sa.Text()))
