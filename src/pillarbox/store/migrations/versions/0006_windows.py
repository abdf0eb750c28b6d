"""What a next hop allows in a time: any windows, which slide, and how much of them is used."""

import datetime
import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MINUTE = ("messages", 60)
DAY = ("recipients", 86_400)


def upgrade() -> None:
    """Add the columns, fill them from those that they replace, and drop these."""
    op.add_column("route", Column("windows", sa.Text()))
    op.add_column("lane", Column("usage", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column(
        "lane", Column("usage_at", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column(
        "lane", Column("usage_boot", sa.Text(), nullable=False, server_default=sa.text("''"))
    )
    op.add_column(
        "lane", Column("usage_uptime", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    connection = op.get_bind()
    _fill_routes(connection)
    _fill_lanes(connection)
    for column in ("messages_per_minute", "recipients_per_day"):
        op.drop_column("route", column)
    for column in ("usage_day", "usage_recipients"):
        op.drop_column("lane", column)


def _fill_routes(connection: sa.Connection) -> None:
    rows = connection.execute(
        sa.text("SELECT id, messages_per_minute, recipients_per_day FROM route")
    ).all()
    for route_id, per_minute, per_day in rows:
        limits = ((*MINUTE, per_minute), (*DAY, per_day))
        windows = [limit for limit in limits if limit[2] is not None]
        if windows:
            connection.execute(
                sa.text("UPDATE route SET windows = :windows WHERE id = :id"),
                {"windows": json.dumps(windows), "id": route_id},
            )


def _fill_lanes(connection: sa.Connection) -> None:
    """Nobody knows when on this day it was: it counts from the next start."""
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    rows = connection.execute(
        sa.text("SELECT id, usage_recipients FROM lane WHERE usage_day = :day"), {"day": today}
    ).all()
    for lane_id, used in rows:
        windows = [
            {"counted": kind, "amount": used, "seconds": seconds, "reserved": used, "ended": []}
            for kind, seconds in (MINUTE, DAY)
        ]
        connection.execute(
            sa.text("UPDATE lane SET usage = :usage WHERE id = :id"),
            {"usage": json.dumps({"windows": windows}), "id": lane_id},
        )
