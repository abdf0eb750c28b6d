"""How long the service waits: for clients, and while it is not done itself."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.reception import MESSAGE, Client, Site
from tests.unit.reception.conftest import Connect

from pillarbox.mail.spooled import CHUNK_OCTETS, INLINE_OCTETS
from pillarbox.reception.deadlines import PATIENCE, VOID_END_SECONDS
from pillarbox.smtp.events import ContentEnd


async def test_silent_client_is_told_and_closed(site: Site, logged_in: Client) -> None:
    """421 4.4.2 after five minutes without a command."""
    site.time.ahead += 299
    site.reception.sweep()
    assert (await logged_in.command("NOOP")).startswith("250 ")

    site.time.ahead += 301
    site.reception.sweep()

    assert (await logged_in.reply()).startswith("421 4.4.2 ")
    assert await logged_in.is_closed()
    assert (await site.failed_session()).refusals == "TIMEOUT"


async def test_slow_command_does_not_put_off_the_end(site: Site, logged_in: Client) -> None:
    """One octet now and then is no command."""
    [connection] = site.reception._registry._members
    core = connection._core  # type: ignore[attr-defined]  # a Connection
    for octet in (b"N", b"O", b"O"):
        logged_in.send(octet)
        await _until(lambda octet=octet: core.unread.endswith(octet))  # type: ignore[misc]
        site.time.ahead += 101

    site.reception.sweep()

    assert (await logged_in.reply()).startswith("421 4.4.2 ")


async def test_row_55_slow_login_does_not_put_off_the_end(site: Site, connect: Connect) -> None:
    """One octet now and then in the middle of AUTH."""
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")
    assert (await client.command("AUTH PLAIN")).startswith("334 ")
    [connection] = site.reception._registry._members
    core = connection._core  # type: ignore[attr-defined]  # a Connection
    for octet in (b"A", b"B", b"C"):
        client.send(octet)
        await _until(lambda octet=octet: core.unread.endswith(octet))  # type: ignore[misc]
        site.time.ahead += 101

    site.reception.sweep()

    assert (await client.reply()).startswith("421 4.4.2 ")


async def test_row_55_chunks_of_one_octet_do_not_put_off_the_end(
    site: Site, logged_in: Client
) -> None:
    """The replies to the chunks of BDAT buy no time."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>"):
        await logged_in.command(command)
    for _ in range(3):
        logged_in.send(b"BDAT 1\r\nx")
        assert (await logged_in.reply()).startswith("250 ")
        site.reception.sweep()
        site.time.ahead += 61

    site.reception.sweep()

    assert (await logged_in.reply()).startswith("421 4.4.2 ")


async def test_slow_content_does_not_put_off_the_end(site: Site, logged_in: Client) -> None:
    """A few octets in three minutes end the session, and nothing is kept."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    for number in (1, 2):
        logged_in.send(b"Subject: 345\r\n.")
        await _until(lambda number=number: site.services.budget.in_use >= 12 * number)  # type: ignore[misc]
        site.time.ahead += 91

    site.reception.sweep()

    assert (await logged_in.reply()).startswith("421 4.4.2 ")
    assert await logged_in.is_closed()
    assert site.services.budget.in_use == 0


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"])
async def test_client_that_ends_its_content_with_bare_line_ends_reads_so(
    site: Site, logged_in: Client, end: bytes
) -> None:
    """It waits for the reply to an end that is none: a 421 would let it come again for ever."""
    await _send_part(site, logged_in, b"Subject: x\r\n\r\nx" + end)

    site.time.ahead += site.services.limits.data_timeout_seconds + 1
    site.reception.sweep()

    assert (await logged_in.reply()).startswith("550 5.5.2 ")
    assert await logged_in.is_closed()
    assert (await site.failed_session()).refusals == "BARE_LINE_END TIMEOUT"
    assert site.accepted == []


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n"])
async def test_client_that_waits_behind_bare_line_ends_reads_so_soon(
    site: Site, logged_in: Client, end: bytes
) -> None:
    """It believes that its content has ended, and does not wait for minutes. It comes in pieces, as
    small ones as there are."""
    await _send_part(site, logged_in, b"Subject: x\r\n\r\nx\nx")
    for octet in end:
        logged_in.send(bytes([octet]))
    await _until(lambda: _core(site).seems_ended)

    site.time.ahead += VOID_END_SECONDS + 1
    site.reception.sweep()

    assert (await logged_in.reply()).startswith("550 5.5.2 ")
    assert await logged_in.is_closed()
    assert site.accepted == []


async def test_client_that_goes_on_behind_a_dot_between_bare_line_ends_is_heard_out(
    site: Site, logged_in: Client
) -> None:
    """What looks like the end is none; its own end is answered, however long it takes."""
    await _send_part(site, logged_in, b"Subject: x\r\n\r\nx\n.\n")
    await _until(lambda: _core(site).seems_ended)
    logged_in.send(b"more")
    await _until(lambda: not _core(site).seems_ended)

    site.time.ahead += VOID_END_SECONDS + 1
    site.reception.sweep()
    logged_in.send(b" and more\r\n.\r\n")

    assert (await logged_in.reply()).startswith("550 5.5.2 ")
    assert (await site.failed_session()).refusals == "BARE_LINE_END"


async def test_client_that_hangs_up_behind_bare_line_ends_is_in_the_record(
    site: Site, logged_in: Client
) -> None:
    """Devices do not wait for minutes: the record says why their message was not taken."""
    await _send_part(site, logged_in, b"Subject: x\n\nx\n.\n")

    await logged_in.close()

    assert (await site.failed_session()).refusals == "BARE_LINE_END"


async def _send_part(site: Site, client: Client, octets: bytes) -> None:
    """Send a part of the content of a message, and wait until it has been read."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await client.command(command)
    client.send(octets)
    await _until(lambda: _core(site).reader.fault is not None)


def _core(site: Site) -> Any:
    """The protocol core of the only session."""
    [connection] = site.reception._registry._members
    return connection._core  # type: ignore[attr-defined]  # a Connection


async def test_short_messages_in_a_row_are_not_one_slow_content(
    site: Site, logged_in: Client
) -> None:
    """Each has the whole time, also where the listener sees nothing of what is between them."""
    for _ in range(4):
        for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
            await logged_in.command(command)
        site.reception.sweep()
        site.time.ahead += 61

        logged_in.send(MESSAGE + b".\r\n")

        assert (await logged_in.reply()).startswith("250 2.0.0 ")


async def test_row_55_an_honest_slow_client_is_not_cut_off(site: Site, logged_in: Client) -> None:
    """A printer on a line of 9600 baud that is busy otherwise: 500 octets a second."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    logged_in.send(MESSAGE)
    [connection] = site.reception._registry._members
    dialogue = connection._dialogue  # type: ignore[attr-defined]  # a Connection
    for number in range(1, 11):
        logged_in.send(b"22 octets and CR LF...\r\n" * 2300)
        sent = 55200 * number
        await _until(lambda sent=sent: (c := dialogue.content) is not None and c.size > sent)  # type: ignore[misc]
        site.time.ahead += 110
        site.reception.sweep()
    logged_in.send(b".\r\n")

    assert (await logged_in.reply()).startswith("250 2.0.0 ")


async def test_row_55_who_never_logs_in_does_not_stay(site: Site, connect: Connect) -> None:
    """Commands without end put off nothing before a login, nor does what is thrown away."""
    client = await connect("submission")
    for _ in range(2):
        site.time.ahead += 149
        site.reception.sweep()
        assert (await client.command("EHLO c.t1.test")).startswith("250")
        client.send(b"BDAT 100000\r\n" + bytes(100_000))
        assert (await client.reply()).startswith("503 ")
    site.time.ahead += 3

    site.reception.sweep()

    assert (await client.reply()).startswith("421 4.4.2 ")


async def test_our_own_slowness_is_not_the_clients_fault(
    site: Site, logged_in: Client, monkeypatch: Any
) -> None:
    """While a commit takes long nobody is thrown out, but not for ever."""
    put: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def never(_: object) -> "asyncio.Future[None]":
        put.set_result(None)
        return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(site.spool, "put", never)
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    logged_in.send(MESSAGE + b".\r\n")
    reading = asyncio.ensure_future(logged_in.reply())
    await put

    for _ in range(PATIENCE):
        site.time.ahead += 301
        site.reception.sweep()
    await asyncio.sleep(0)
    assert not reading.done()
    site.time.ahead += 301
    site.reception.sweep()

    assert (await reading).startswith("421 4.4.2 ")


async def test_what_is_stored_behind_the_end_comes_to_nobody(
    site: Site, logged_in: Client, monkeypatch: Any
) -> None:
    """The last chunk was stored when the client had read 421: nothing is taken, nothing kept."""
    is_open, store_chunk = asyncio.Event(), site.spool.store_chunk
    content = MESSAGE + (b"x" * 998 + b"\r\n") * (INLINE_OCTETS // 1000 + 100)
    last = len(content) // CHUNK_OCTETS

    async def slow(queue_id: int, number: int, octets: bytes) -> None:
        if number == last:
            await is_open.wait()
        await store_chunk(queue_id, number, octets)

    monkeypatch.setattr(site.spool, "store_chunk", slow)
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    [connection] = site.reception._registry._members
    core = connection._core  # type: ignore[attr-defined]  # a Connection
    logged_in.send(content + b".\r\n")
    await _until(lambda: isinstance(core.awaiting, ContentEnd))

    for _ in range(PATIENCE + 1):
        site.time.ahead += 301
        site.reception.sweep()
    is_open.set()

    assert (await logged_in.reply()).startswith("421 4.4.2 ")
    assert await logged_in.is_closed()
    assert (await site.failed_session()).refusals == "TIMEOUT"
    assert site.accepted == []
    assert site.services.budget.in_use == site.services.budget.heads_in_use == 0


async def test_client_that_hangs_up_leaves_nothing(site: Site, logged_in: Client) -> None:
    """Content that was never finished is forgotten."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    logged_in.send(MESSAGE)
    await logged_in.close()
    await site.reception._registry.wait_empty()

    assert site.services.budget.in_use == 0
    assert site.accepted == []


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
