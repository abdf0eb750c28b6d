"""store.drafts: what is known of drafts in a mailbox, and for how long."""

from dataclasses import replace

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from tests.support.storing import Queue, now_ms, settlement

from pillarbox.route import Counted, Window
from pillarbox.store import migrate
from pillarbox.store.admin.routes import list_routes
from pillarbox.store.database import Database
from pillarbox.store.drafts import Draft, Drafts
from pillarbox.store.engine import transaction

MAILBOX = "me@here.example"


async def test_a_draft_is_known_until_its_message_is_finished(queue: Queue) -> None:
    """By message and mailbox; whoever tries again hears of it."""
    drafts = Drafts(queue.database)
    sent, waiting = await queue.put(), await queue.put()
    made = Draft(sent.queue_id, "AAMk1", MAILBOX, frozenset({0, 2}))
    other = Draft(waiting.queue_id, "AAMk2", MAILBOX, frozenset({0}))
    for one in (made, other, replace(made, draft_id="AAMk3", mailbox="else@here.example")):
        await drafts.add(one)

    assert await drafts.of(sent.queue_id, MAILBOX) == [made]
    await drafts.complete(made)
    assert await drafts.of(sent.queue_id, MAILBOX) == [replace(made, is_complete=True)]
    await queue.spool.settle(settlement(sent))
    await queue.spool.prune(now=now_ms(), trace_days=30)

    assert await drafts.of(sent.queue_id, MAILBOX) == []
    assert await drafts.of(waiting.queue_id, MAILBOX) == [other]
    await drafts.forget(other)
    assert await drafts.of(waiting.queue_id, MAILBOX) == []


def _fill_old_tables(connection: Connection) -> None:
    """Routes of the revision before."""
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    config.attributes["connection"] = connection
    with transaction(connection):
        command.upgrade(config, "0009")
    windows = '[["messages", 600, 10000], ["recipients", 86400, 10000]]'
    insert = (
        "INSERT INTO route (id, tenant_id, recipient_domain, kind, way, cloud, mailboxes,"
        " oauth_flow, oauth_client_id, windows, created_at) VALUES (:id, 1, :domain,"
        " 'microsoft365', :way, 'worldwide', 'a@b.example', 'device-code', 'x', :windows, 0)"
    )
    with transaction(connection):
        connection.execute(text("INSERT INTO tenant (id, name, created_at) VALUES (1, 'acme', 0)"))
        for number, way in enumerate(("smtp", "graph"), 1):
            values = {"id": number, "domain": f"{way}.example", "way": way, "windows": windows}
            connection.execute(text(insert), values)


def test_the_limit_of_requests_becomes_one_of_requests(database_url: str) -> None:
    """Of routes by Graph; what an administrator made of others stays."""
    database = Database.open(database_url, reserve_octets=0)
    with database._engines.writer.connect() as connection:
        _fill_old_tables(connection)

    database.migrate()

    routes = {info.route.route_id: info.route for info in database.read_now(list_routes)}
    assert routes[1].caps.windows[0] == Window(Counted.MESSAGES, 10_000, 600)
    assert routes[2].caps.windows[0] == Window(Counted.REQUESTS, 10_000, 600)
    database.close_now()
