"""Messages say what their senders want of TLS."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody wanted anything before."""
    op.add_column("message", Column("tls_wish", sa.Text(), nullable=False, server_default=""))
