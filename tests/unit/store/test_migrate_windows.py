"""The migration to windows keeps the limits of routes and what was used of them."""

import datetime

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from pillarbox.delivery.usage import Cost, Usage
from pillarbox.route import DAY_SECONDS, Counted, Window
from pillarbox.store import migrate
from pillarbox.store.admin.routes import list_routes
from pillarbox.store.database import Database
from pillarbox.store.engine import transaction
from pillarbox.store.lanes import usage

MINUTE = Window(Counted.MESSAGES, 30, 60)
DAY = Window(Counted.RECIPIENTS, 10_000, DAY_SECONDS)


def _fill_old_tables(connection: Connection) -> None:
    """A service of the revision before, with a route and a lane in use."""
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    config.attributes["connection"] = connection
    with transaction(connection):
        command.upgrade(config, "0002")
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    with transaction(connection):
        for statement in (
            "INSERT INTO tenant (id, name, created_at) VALUES (1, 'acme', 0)",
            "INSERT INTO route (id, tenant_id, kind, created_at, messages_per_minute,"
            " recipients_per_day) VALUES (1, 1, 'capture', 0, 30, 10000)",
            "INSERT INTO route (id, tenant_id, recipient_domain, kind, created_at)"
            " VALUES (2, 1, 'x.example', 'capture', 0)",
            "INSERT INTO lane (id, hop, number, owner, lease_until, usage_day, usage_recipients)"
            " VALUES (7, 'capture', 0, '', 0, :today, 9000)",
            "INSERT INTO lane (id, hop, number, owner, lease_until, usage_day, usage_recipients)"
            " VALUES (8, 'old', 0, '', 0, '2020-01-01', 9000)",
        ):
            connection.execute(text(statement), {"today": today} if ":today" in statement else {})


def test_limits_and_what_was_used_of_them_stay(database_url: str) -> None:
    """What was used on this day counts from the start on, as nobody knows when it was."""
    database = Database.open(database_url, reserve_octets=0)
    with database._engines.writer.connect() as connection:
        _fill_old_tables(connection)

    database.migrate()

    routes = {info.route.route_id: info.route for info in database.read_now(list_routes)}
    assert routes[1].caps.windows == (MINUTE, DAY)
    assert routes[2].caps.windows == ()
    assert database.read_now(lambda c: usage(c, 8)).record.text == ""
    known = Usage()
    known.set_windows((MINUTE, DAY))
    known.load(database.read_now(lambda c: usage(c, 7)).record.text, 0.0, 0.0)
    assert known.most_recipients(0.0, 100) == 0
    assert known.begin_at(62.0, Cost(1, 1000, 1)) == 62.0
    assert known.begin_at(62.0, Cost(1, 1001, 1)) > 80_000
    database.close_now()
