"""Routes by Microsoft 365 and with OAuth2; refresh tokens."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add how a route signs in, and what it was granted."""
    texts = ("cloud", "way", "mailboxes", "oauth_flow", "oauth_client_id", "oauth_authority")
    for name in (*texts, "oauth_tenant_id", "oauth_token_url", "oauth_scope"):
        op.add_column("route", Column(name, sa.Text()))
    op.add_column("route", Column("oauth_secret_sealed", sa.LargeBinary()))
    op.add_column("route", Column("oauth_key_sealed", sa.LargeBinary()))
    op.add_column("route", Column("oauth_certificate", sa.Text()))
    op.add_column("route", Column("oauth_secret_ends_at", sa.BigInteger()))
    op.create_table(
        "oauth_grant",
        Column("route_id", ROWID, autoincrement=False, nullable=False),
        Column("refresh_token_sealed", sa.LargeBinary(), nullable=False),
        Column("version", sa.Integer(), nullable=False),
        Column("signed_in_at", sa.BigInteger(), nullable=False),
        Column("used_at", sa.BigInteger(), nullable=False),
        Column("owner", sa.Text(), nullable=False, server_default=sa.text("''")),
        Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("route_id", name="pk_oauth_grant"),
        sa.ForeignKeyConstraint(
            ["route_id"], ["route.id"], name="fk_oauth_grant_route_id", ondelete="CASCADE"
        ),
    )
