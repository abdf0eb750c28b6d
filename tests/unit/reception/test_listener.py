"""The listeners: limits of sessions, and the end of the service."""

import asyncio

import pytest
from tests.support.reception import MESSAGE, Client, Site
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.reception import registry as registry_module

FEW = Limits(sessions_per_address=2, sessions=3)


@pytest.mark.parametrize("limits", [FEW])
@pytest.mark.parametrize("listener", ["submission", "submissions"])
async def test_too_many_sessions_of_one_address_are_told(
    site: Site, connect: Connect, listener: str
) -> None:
    """421 4.7.0 with the reason; others, and the next after an end, get in."""
    first = await connect(listener)
    await connect(listener)
    context = site.client_context() if listener == "submissions" else None

    third = await Client.connect(site.ports[listener], context)
    assert (await third.reply()).startswith("421 4.7.0 ")
    assert await third.is_closed()
    await third.close()

    await connect(listener, local="127.0.0.2")
    assert (await site.failed_session()).refusals == "TOO_MANY_SESSIONS"
    await first.command("QUIT")
    await first.close()
    await site.open_sessions(2)
    await connect(listener)


@pytest.mark.parametrize("limits", [FEW])
async def test_limit_of_all_sessions(site: Site, connect: Connect) -> None:
    """The fourth session of a process that has room for three."""
    for number in (1, 2, 3):
        await connect("submission", local=f"127.0.0.{number}")

    client = await Client.connect(site.ports["submission"], local="127.0.0.4")
    assert (await client.reply()).startswith("421 4.3.2 ")
    await client.close()


@pytest.mark.parametrize("limits", [Limits(sessions_per_address=1)])
@pytest.mark.parametrize("listener", ["submission", "submissions"])
async def test_flood_is_dropped_without_a_word(
    site: Site, connect: Connect, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond what can be told politely a connection is cut off before it costs a handshake."""
    monkeypatch.setattr(registry_module, "REFUSING", 0)
    await connect(listener)

    client = await Client.connect(site.ports[listener])
    assert await client.is_closed()
    await client.close()


async def test_idle_sessions_end_when_the_service_stops(site: Site, connect: Connect) -> None:
    """421 4.3.2 to who waits between two commands."""
    clients = [await connect(name) for name in ("submission", "submissions")]

    stopping = asyncio.ensure_future(site.reception.stop(10))

    for client in clients:
        assert (await client.reply()).startswith("421 4.3.2 ")
        assert await client.is_closed()
        await client.close()
    await stopping


async def test_message_under_way_is_taken_before_the_end(site: Site, logged_in: Client) -> None:
    """Content that is coming may finish, and gets its 250 before the 421."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)
    stopping = asyncio.ensure_future(site.reception.stop(10))
    await asyncio.sleep(0)

    logged_in.send(MESSAGE + b".\r\n")

    assert (await logged_in.reply()).startswith("250 2.0.0 ")
    assert (await logged_in.reply()).startswith("421 4.3.2 ")
    await logged_in.close()
    await stopping


async def test_session_that_does_not_end_is_cut_off(site: Site, logged_in: Client) -> None:
    """Nobody holds up the end of the service for ever."""
    for command in ("MAIL FROM:<u1@t1.test>", "RCPT TO:<a@b.test>", "DATA"):
        await logged_in.command(command)

    await site.reception.stop(0.05)

    assert await logged_in.is_closed()


async def test_nothing_is_accepted_after_the_stop(site: Site) -> None:
    """The ports are closed."""
    await site.reception.stop(1)
    assert site.running is not None
    await site.running

    for listener in ("submission", "submissions"):
        with pytest.raises(OSError, match="Connect"):
            await Client.connect(site.ports[listener])


async def test_handshake_under_way_ends_with_the_service(site: Site) -> None:
    """A client in the middle of a handshake is cut off: there is nothing to tell it."""
    client = await Client.connect(site.ports["submissions"])
    client.send(b"\x16")
    await site.open_sessions(1)

    await site.reception.stop(1)

    assert await client.is_closed()
    await client.close()
