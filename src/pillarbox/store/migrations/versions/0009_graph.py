"""Routes by Microsoft 365 can name another Graph than Microsoft's, for tests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """NULL for all routes that were there: the cloud says where its Graph is."""
    op.add_column("route", Column("graph_url", sa.Text()))
