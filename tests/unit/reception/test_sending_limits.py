"""Accounts that are limited or held, as sessions meet them."""

import asyncio

import pytest
from tests.support.reception import MESSAGE, USER, Client, Site
from tests.unit.reception.conftest import Connect

from pillarbox.mail.envelope import RecipientState
from pillarbox.store.admin.accounts import find_account, limit_account
from pillarbox.store.admin.holding import hold_account, release_account, release_queue
from pillarbox.store.queue import Selection, list_queue

LIMIT = 30


@pytest.fixture
async def limited(site: Site) -> Site:
    """The account may send to 30 recipients a day."""
    await site.change(lambda c: limit_account(c, USER, LIMIT))
    return site


async def _log_in(site: Site, connect: Connect) -> Client:
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")
    assert (await client.login(USER, site.password)).startswith("235 ")
    return client


async def test_row_44_parallel_sessions_do_not_pass_the_limit(
    limited: Site, connect: Connect
) -> None:
    """20 sessions send three messages each, at the same time: as many are taken as the limit
    allows."""
    clients = [await _log_in(limited, connect) for _ in range(20)]

    async def send(client: Client) -> list[str]:
        return [(await client.message(MESSAGE))[:9] for _ in range(3)]

    async with asyncio.TaskGroup() as tasks:
        sent = [tasks.create_task(send(client)) for client in clients]

    replies = [reply for task in sent for reply in task.result()]
    assert set(replies) == {"250 2.0.0", "451 4.7.1"}
    assert replies.count("250 2.0.0") == LIMIT == len(limited.accepted)


async def test_recipients_beyond_the_limit_are_refused(limited: Site, connect: Connect) -> None:
    """Those before are kept; the session goes on, and its story tells the cause."""
    client = await _log_in(limited, connect)
    await client.command(f"MAIL FROM:<{USER}>")

    replies = [await client.command(f"RCPT TO:<b{n}@example.net>") for n in range(LIMIT + 1)]

    assert [reply[:3] for reply in replies] == ["250"] * LIMIT + ["451"]
    assert (await client.command("DATA")).startswith("354 ")
    client.send(MESSAGE + b".\r\n")
    assert (await client.reply()).startswith("250 2.0.0 ")
    assert len(limited.accepted[0].recipients) == LIMIT
    await client.command("QUIT")
    assert (await limited.failed_session()).refusals == "DAILY_LIMIT"


async def test_refused_message_is_not_counted(limited: Site, connect: Connect) -> None:
    """Only what was answered with 250 counts."""
    client = await _log_in(limited, connect)
    forged = MESSAGE.replace(USER.encode(), b"eve@example.net")
    for _ in range(3):
        assert (await client.message(forged)).startswith("550 5.7.60 ")

    replies = [await client.message(MESSAGE) for _ in range(LIMIT + 1)]

    assert [reply[:3] for reply in replies] == ["250"] * LIMIT + ["451"]


async def test_row_45_mail_of_a_held_account_is_taken_and_waits(
    site: Site, logged_in: Client
) -> None:
    """Also in a session that was open before: 250, and nothing is delivered until it is released;
    then all of it is."""
    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")
    account_id = await site.database.read(lambda c: int(find_account(c, USER)["id"]))
    await site.change(lambda c: hold_account(c, account_id, now=1, reason="x"))

    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")

    assert len(site.accepted) == 1
    held = Selection(states=(RecipientState.HELD,))
    assert len(await site.database.read(lambda c: list_queue(c, held, limit=9))) == 1
    await site.change(lambda c: release_account(c, account_id))
    released = await site.database.write(lambda c: release_queue(c, account_id, now=2))
    assert released == 1
    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")
    assert len(site.accepted) == 2
