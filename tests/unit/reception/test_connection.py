"""Sessions over real sockets: login, messages, time-outs, refusals and what is kept of them."""

import asyncio
import socket
from typing import Any

import pytest
from tests.support.reception import MESSAGE, USER, Client, Site, plain
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.policy.clock import timestamp
from pillarbox.store.admin.accounts import add_send_as, disable_account


async def test_message_over_implicit_tls(site: Site, logged_in: Client) -> None:
    """Login and message on the TLS port: 250 with the queue id, and it is in the store."""
    reply = await logged_in.message(MESSAGE)

    assert reply.startswith("250 2.0.0 Queued as ")
    [message] = site.accepted
    assert await site.content(message) == MESSAGE
    assert message.prefix.startswith(b"Received: from c.t1.test ([127.0.0.1])\r\n")
    assert b"with ESMTPSA id" in message.prefix


async def test_message_over_starttls(site: Site, connect: Connect) -> None:
    """The same on the port with STARTTLS; after the handshake the client begins anew."""
    client = await connect("submission")
    assert "STARTTLS" in await client.command("EHLO c.t1.test")
    assert (await client.starttls(site.client_context())).startswith("220 ")
    assert (await client.command("MAIL FROM:<u1@t1.test>")).startswith("530 ")
    assert "AUTH PLAIN LOGIN" in await client.command("EHLO c.t1.test")
    assert (await client.login(USER, site.password)).startswith("235 ")

    assert (await client.message(MESSAGE)).startswith("250 2.0.0 ")
    assert (await client.command("QUIT")).startswith("221 ")
    assert await client.is_closed()
    assert (await site.failed_session()).refusals == "AUTH_REQUIRED"


async def test_session_without_refusal_leaves_no_record(site: Site, logged_in: Client) -> None:
    """Only what failed is kept in the store."""
    await logged_in.message(MESSAGE)
    await logged_in.command("QUIT")
    assert await logged_in.is_closed()

    await site.database.write(lambda _: None)
    assert await site.failed_sessions() == []


async def test_several_messages_in_one_session(site: Site, logged_in: Client) -> None:
    """Each transaction stands for itself."""
    for number in range(3):
        reply = await logged_in.message(MESSAGE, f"r{number}@example.net")
        assert reply.startswith("250 2.0.0 ")

    found = [message.recipients[0].recipient.forward_path.local_part for message in site.accepted]
    assert found == ["r0", "r1", "r2"]


async def test_pipelined_group_is_answered_in_one_piece(site: Site, logged_in: Client) -> None:
    """RFC 2920: MAIL, RCPT and DATA in one write, and their replies in one."""
    logged_in.send(
        b"MAIL FROM:<u1@t1.test>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
    )
    replies = [await logged_in.reply() for _ in range(4)]
    logged_in.send(MESSAGE + b".\r\nQUIT\r\n")

    assert [reply[:3] for reply in replies] == ["250", "250", "250", "354"]
    assert (await logged_in.reply()).startswith("250 2.0.0 ")
    assert (await logged_in.reply()).startswith("221 ")
    assert len(site.accepted[0].recipients) == 2


async def test_message_by_bdat(site: Site, logged_in: Client) -> None:
    """RFC 3030: two chunks make one message; an empty last one ends it."""
    await logged_in.command("MAIL FROM:<u1@t1.test>")
    await logged_in.command("RCPT TO:<a@b.test>")
    logged_in.send(b"BDAT %d\r\n" % len(MESSAGE) + MESSAGE)
    assert (await logged_in.reply()).startswith("250 ")

    assert (await logged_in.command("BDAT 0 LAST")).startswith("250 2.0.0 Queued")
    assert await site.content(site.accepted[0]) == MESSAGE


async def test_empty_message_is_taken(site: Site, logged_in: Client) -> None:
    """Content of no octets at all gets its header from us."""
    assert (await logged_in.message(b"")).startswith("250 2.0.0 ")
    assert b"\r\nFrom: u1@t1.test\r\n" in site.accepted[0].prefix


async def test_session_that_waits_for_its_250_may_go_on_talking(
    site: Site, logged_in: Client
) -> None:
    """What comes during the commit is kept and answered in order."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    logged_in.send(MESSAGE + b".\r\n")
    await asyncio.sleep(0)
    logged_in.send(b"NOOP\r\n")
    logged_in.send(b"MAIL FROM:<u1@t1.test>\r\n")

    assert (await logged_in.reply()).startswith("250 2.0.0 Queued")
    assert (await logged_in.reply()).startswith("250 2.0.0 OK")
    assert (await logged_in.reply()).startswith("250 2.1.0")
    assert len(site.accepted) == 1


@pytest.mark.parametrize("username", [USER, "U1@T1.test"])
@pytest.mark.parametrize("password", ["wrong", "MARKER-9f3a"])
async def test_wrong_login_is_refused(
    site: Site, connect: Connect, username: str, password: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """535, the cause for administrators only, the password nowhere."""
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")

    reply = await client.login(username, password)

    assert reply.startswith("535 5.7.8 ")
    assert (await client.command("MAIL FROM:<u1@t1.test>")).startswith("530 5.7.0 ")
    await client.command("QUIT")
    record = await site.failed_session()
    assert record.refusals == "LOGIN_FAILED AUTH_REQUIRED"
    assert record.cause == "wrong password"
    captured = capfd.readouterr()
    for secret in ("MARKER-9f3a", plain(username, password)):
        assert secret not in captured.err + captured.out + repr(record)


async def test_unknown_and_known_users_are_refused_alike(site: Site, connect: Connect) -> None:
    """The octets differ in the id of the session only, and each costs one hash."""
    replies = set()
    for username in (USER, "nobody@t1.test", "nobody@elsewhere.test"):
        client = await connect("submissions")
        await client.command("EHLO c.t1.test")
        reply = await client.login(username, "wrong")
        replies.add(reply[: reply.index("[")])

    assert len(replies) == 1
    assert len(site.hashes) == 3


async def test_login_from_memory_costs_no_hash(site: Site, connect: Connect) -> None:
    """The second connection of a client is let in at once."""
    for _ in range(3):
        client = await connect("submissions")
        await client.command("EHLO c.t1.test")
        assert (await client.login(USER, site.password)).startswith("235 ")

    assert len(site.hashes) == 1


async def test_sender_of_somebody_else_is_refused(logged_in: Client) -> None:
    """550 5.7.60 at MAIL; the session goes on."""
    reply = await logged_in.message(MESSAGE, sender="boss@t1.test")

    assert reply.startswith("550 5.7.60 ")
    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")


async def test_author_of_somebody_else_is_refused(site: Site, logged_in: Client) -> None:
    """550 5.7.60 at the end of the content, nothing is kept, the next message is looked at."""
    for _ in range(2):
        reply = await logged_in.message(MESSAGE.replace(b"u1@", b"boss@"))
        assert reply.startswith("550 5.7.60 ")
        assert (await logged_in.command("RCPT TO:<a@b.test>")).startswith("503 ")

    assert site.accepted == []
    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")


async def test_account_that_is_switched_off_sends_no_more(site: Site, logged_in: Client) -> None:
    """An open session ends with its account."""
    await logged_in.message(MESSAGE)
    await site.change(lambda c: disable_account(c, USER, disabled_at=timestamp()))

    assert (await logged_in.message(MESSAGE)).startswith("550 5.7.1 ")


async def test_grant_counts_in_an_open_session(site: Site, logged_in: Client) -> None:
    """What an administrator grants holds for the next message."""
    await site.change(lambda c: add_send_as(c, USER, "@t1.test"))

    assert (await logged_in.message(b"", sender="anyone@t1.test")).startswith("250 2.0.0 ")


async def test_row_58_full_disk_is_told_at_mail(site: Site, logged_in: Client) -> None:
    """452 4.3.1 before any content comes; mail is taken again when there is room."""
    reserve = site.database._reserve_octets
    site.database._reserve_octets, site.database._look_at = 1 << 62, 0.0
    assert (await logged_in.message(MESSAGE)).startswith("452 4.3.1 ")

    site.database._reserve_octets, site.database._look_at = reserve, 0.0
    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")


async def test_row_58_disk_that_fills_up_is_told_at_the_end(site: Site, logged_in: Client) -> None:
    """No 250 for what could not be kept."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    site.database._reserve_octets, site.database._look_at = 1 << 62, 0.0
    logged_in.send(MESSAGE + b".\r\n")

    assert (await logged_in.reply()).startswith("452 4.3.1 ")
    assert site.accepted == []
    assert site.services.budget.in_use == 0


async def test_fault_in_the_scheduler_does_not_touch_the_answer(
    site: Site, logged_in: Client
) -> None:
    """The message is durable, so it is 250 whatever comes after."""

    def fail(_: object) -> None:
        raise RuntimeError("no")

    site.services.intake._on_accepted = fail

    assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")


async def test_fault_of_ours_is_told(site: Site, logged_in: Client, monkeypatch: Any) -> None:
    """An unknown error ends the session with 451 and an id, and not in silence."""

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(site.services.intake, "submit", fail)

    assert (await logged_in.message(MESSAGE)).startswith("451 4.3.0 ")
    assert await logged_in.is_closed()


@pytest.mark.parametrize("listener", ["submission", "submissions"])
async def test_small_replies_are_sent_at_once(site: Site, connect: Connect, listener: str) -> None:
    """TCP_NODELAY is set on every connection."""
    await connect(listener)

    [connection] = site.reception._registry._members
    transport = connection._transport  # type: ignore[attr-defined]  # a Connection
    own = transport.get_extra_info("socket")
    assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.parametrize("limits", [Limits(errors_per_session=3)])
async def test_session_of_errors_ends(logged_in: Client) -> None:
    """The limit of the configuration reaches the protocol."""
    replies = [await logged_in.command("FOO") for _ in range(3)]

    assert [reply[:3] for reply in replies] == ["500", "500", "421"]
    assert await logged_in.is_closed()


async def test_last_reply_is_not_lost_in_a_reset(connect: Connect) -> None:
    """A client that is still sending when it is refused reads why, and an orderly end."""
    client = await connect("submission")
    client.send(b"GET / HTTP/1.1\r\n" + b"Host: mx.test\r\n" * 100_000)

    assert (await client.reply()).startswith("500 5.5.1 ")
    assert await client.reader.read() == b""


async def test_chunk_that_is_far_too_large_is_refused(logged_in: Client) -> None:
    """552 while the octets are still coming."""
    await logged_in.command("MAIL FROM:<u1@t1.test>")
    await logged_in.command("RCPT TO:<a@b.test>")
    logged_in.send(b"BDAT 1000000000\r\n" + b"x" * 300_000)

    assert (await logged_in.reply()).startswith("552 5.3.4 ")
