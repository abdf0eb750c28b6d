"""How many handshakes an address may cost."""

import pytest
from tests.support.reception import USER, Client, Site
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.policy.clock import Clock
from pillarbox.reception.handshake_limits import WINDOW_SECONDS, HandshakeLimits

FEW = Limits(handshakes_per_address=3)


def test_handshakes_without_a_login_are_counted() -> None:
    """There is room again as time passes; other addresses have their own."""
    now = 0.0
    limits = HandshakeLimits(3, Clock(lambda: now))

    assert [limits.may_begin("192.0.2.1") for _ in range(4)] == [True, True, True, False]
    assert limits.may_begin("192.0.2.2")

    now += WINDOW_SECONDS / 3
    assert [limits.may_begin("192.0.2.1") for _ in range(2)] == [True, False]


def test_a_login_gives_its_handshake_back() -> None:
    """However many there are: a busy client is no flood."""
    limits = HandshakeLimits(3, Clock(lambda: 0.0))

    for _ in range(1000):
        assert limits.may_begin("192.0.2.1")
        limits.logged_in("192.0.2.1")


@pytest.mark.parametrize("limits", [FEW])
async def test_row_24_one_more_handshake_is_told_after_starttls(
    site: Site, connect: Connect
) -> None:
    """421 4.7.0; others get in, and so does the next who logs in each time."""
    for _ in range(3):
        client = await connect()
        await client.starttls(site.client_context())
    fourth = await connect()

    assert (await fourth.command("STARTTLS")).startswith("421 4.7.0 Too many encrypted ")
    assert await fourth.is_closed()
    assert (await site.failed_session()).refusals == "TOO_MANY_HANDSHAKES"
    other = await connect(local="127.0.0.2")
    assert (await other.starttls(site.client_context())).startswith("220 ")


@pytest.mark.parametrize("limits", [FEW])
async def test_row_24_one_more_handshake_from_the_first_octet_is_cut_off(
    site: Site, connect: Connect
) -> None:
    """There is no way to say it; the record of the session does."""
    for _ in range(3):
        await connect("submissions")
    fourth = await Client.connect(site.ports["submissions"])

    assert await fourth.is_closed()
    assert (await site.failed_session()).refusals == "TOO_MANY_HANDSHAKES"
    await fourth.close()


@pytest.mark.parametrize("limits", [FEW])
@pytest.mark.parametrize("listener", ["submission", "submissions"])
async def test_row_24_clients_that_log_in_are_not_counted(
    site: Site, connect: Connect, listener: str
) -> None:
    """A program that connects anew for each of its messages."""
    for _ in range(6):
        client = await connect(listener)
        if listener == "submission":
            await client.starttls(site.client_context())
        await client.command("EHLO c.t1.test")
        assert (await client.login(USER, site.password)).startswith("235 ")
