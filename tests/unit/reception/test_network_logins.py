"""Devices that send without a login, by the network that they are in."""

import asyncio
import threading
from typing import Any

import pytest
from tests.support.reception import MESSAGE, PATIENCE_SECONDS, USER, Client, Site
from tests.unit.reception.conftest import Connect

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.policy.clock import timestamp
from pillarbox.store.admin.accounts import add_account, disable_account
from pillarbox.store.admin.credentials import add_network


async def test_device_sends_without_login(site: Site, connect: Connect) -> None:
    """A client inside the network of an account needs neither TLS nor AUTH where allowed."""
    await site.change(
        lambda c: add_network(c, USER, "printer", network="127.0.0.0/8", now=timestamp())
    )
    client = await connect("devices")
    await client.command("EHLO printer")

    assert (await client.message(MESSAGE)).startswith("250 2.0.0 ")
    assert b"with ESMTP id" in site.accepted[0].prefix
    assert site.accepted[0].credential_id is not None


async def test_received_field_tells_helo_from_ehlo(site: Site, connect: Connect) -> None:
    """RFC 5321 4.4: SMTP after HELO, ESMTP after EHLO; the last of them counts."""
    await site.change(
        lambda c: add_network(c, USER, "printer", network="127.0.0.0/8", now=timestamp())
    )
    client = await connect("devices")
    for greeting in ("HELO printer", "EHLO printer", "HELO printer"):
        await client.command(greeting)
        assert (await client.message(MESSAGE)).startswith("250 2.0.0 ")

    protocols = [message.prefix.split(b" with ")[1].split()[0] for message in site.accepted]
    assert protocols == [b"SMTP", b"ESMTP", b"SMTP"]


async def test_device_is_to_come_again_while_the_directory_is_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no login: asked for one (530), it would give its mail back for good."""

    async def away(*_: Any, **__: Any) -> Any:
        raise SpoolUnavailable(SpoolTrouble.AWAY, "gone")

    monkeypatch.setattr(site.directory, "network_accounts", away)
    client = await Client.connect(site.ports["devices"])

    assert (await client.reply()).startswith("451 4.3.0 ")
    assert await client.is_closed()
    await client.close()
    assert (await site.failed_session()).refusals == "SPOOL_AWAY"


@pytest.mark.parametrize("last_words", [b"QUIT\r\n", b""])
async def test_client_that_ends_its_side_before_its_250_reads_it(
    last_words: bytes, site: Site, connect: Connect
) -> None:
    """Exim does so with the end of the content, in plain text, and simple programs without QUIT:
    who gets no 250 sends it again."""
    await site.change(
        lambda c: add_network(c, USER, "exim", network="127.0.0.0/8", now=timestamp())
    )
    client = await connect("devices")
    for command in ("EHLO exim", f"MAIL FROM:<{USER}>", "RCPT TO:<b@b.test>", "DATA"):
        await client.command(command)
    may_commit = threading.Event()
    holding = asyncio.create_task(site.database.write(lambda _: may_commit.wait(PATIENCE_SECONDS)))

    client.send(MESSAGE + b".\r\n" + last_words)
    client.writer.write_eof()
    # What came before this was seen by now.
    await (await connect("devices")).command("NOOP")
    may_commit.set()

    assert (await client.reply()).startswith("250 2.0.0 Queued")
    if last_words:
        assert (await client.reply()).startswith("221 ")
    assert await client.is_closed()
    assert await holding


async def test_device_in_the_network_of_two_accounts_must_log_in(
    site: Site, connect: Connect
) -> None:
    """Nobody can say whose mail it would be."""

    def change(connection: Any) -> None:
        now = timestamp()
        add_account(connection, "u2@t1.test", now=now)
        for address in (USER, "u2@t1.test"):
            add_network(connection, address, "printer", network="127.0.0.0/8", now=now)

    await site.change(change)
    client = await connect("devices")
    await client.command("EHLO printer")

    assert (await client.message(MESSAGE)).startswith("530 5.7.0 ")


async def test_narrowest_network_decides(site: Site, connect: Connect) -> None:
    """One device of a network can have an account of its own."""

    def change(connection: Any) -> None:
        now = timestamp()
        add_account(connection, "u2@t1.test", now=now)
        add_network(connection, "u2@t1.test", "floor", network="127.0.0.0/8", now=now)
        add_network(connection, USER, "printer", network="127.0.0.1/32", now=now)

    await site.change(change)
    client = await connect("devices")
    await client.command("EHLO printer")

    assert (await client.message(MESSAGE)).startswith("250 2.0.0 ")


async def test_network_of_an_account_does_not_count_elsewhere(site: Site, connect: Connect) -> None:
    """Where network logins are not allowed the network is worth nothing."""
    await site.change(
        lambda c: add_network(c, USER, "printer", network="127.0.0.0/8", now=timestamp())
    )
    client = await connect("submissions")
    await client.command("EHLO printer")

    assert (await client.message(MESSAGE)).startswith("530 5.7.0 ")


async def test_device_whose_network_was_removed_sends_no_more(site: Site, connect: Connect) -> None:
    """The open session of a device ends with its credential."""
    await site.change(
        lambda c: add_network(c, USER, "printer", network="127.0.0.0/8", now=timestamp())
    )
    client = await connect("devices")
    await client.command("EHLO printer")
    await client.message(MESSAGE)
    await site.change(lambda c: disable_account(c, USER, disabled_at=timestamp()))

    assert (await client.message(MESSAGE)).startswith("550 5.7.1 ")
