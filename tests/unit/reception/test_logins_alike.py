"""Refused logins give nothing away: neither by their octets, nor by a hash more or less, nor by
time."""

import asyncio
import base64
import statistics
import time
from typing import Any

import pytest
from tests.support.reception import PATIENCE_SECONDS, USER, Client, Site
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.policy.clock import timestamp
from pillarbox.store.admin.accounts import add_account, disable_account
from pillarbox.store.admin.credentials import add_network, add_password
from pillarbox.store.admin.tenants import add_domain, add_tenant, disable_tenant

SAMPLES = 200
WRONG = "wrong password"


@pytest.fixture
def limits() -> Limits:
    """No limit of guesses and errors is in the way."""
    return Limits(
        login_failures_per_address=1_000_000,
        login_failures_per_account=1_000_000,
        errors_per_session=1_000_000,
        tls_silence_seconds=PATIENCE_SECONDS,
    )


@pytest.fixture
async def guesses(site: Site) -> dict[str, tuple[str, str]]:
    """Why a login is refused: user name and password of it."""
    passwords: dict[str, str] = {}

    def fill(connection: Any) -> None:
        now = timestamp()
        for tenant in ("other", "off"):
            add_tenant(connection, tenant, now=now)
            add_domain(connection, tenant, f"{tenant}.test", now=now)
        for name in ("u@other.test", "u@off.test", "off@t1.test", "old@t1.test", "net@t1.test"):
            add_account(connection, name, now=now)
        for name in ("u@other.test", "u@off.test", "off@t1.test"):
            passwords[name] = add_password(connection, name, "x", now=now).password
        old = add_password(connection, "old@t1.test", "x", now=now - 10_000, expires_at=now - 1)
        passwords["old@t1.test"] = old.password
        add_network(connection, "net@t1.test", "x", network="192.0.2.0/24", now=now)
        disable_account(connection, "off@t1.test", disabled_at=now)
        disable_tenant(connection, "off", disabled_at=now)

    await site.change(fill)
    return {
        "unknown": ("nobody@t1.test", WRONG),
        "unknown domain": ("nobody@nowhere.test", WRONG),
        "no address": ("nobody", WRONG),
        "wrong password": (USER, WRONG),
        "password of another tenant": (USER, passwords["u@other.test"]),
        "disabled account": ("off@t1.test", passwords["off@t1.test"]),
        "disabled tenant": ("u@off.test", passwords["u@off.test"]),
        "expired password": ("old@t1.test", passwords["old@t1.test"]),
        "no right to log in": ("net@t1.test", WRONG),
    }


async def _guess(client: Client, mechanism: str, username: str, password: str) -> str:
    if mechanism == "PLAIN":
        return await client.login(username, password)
    await client.command("AUTH LOGIN")
    await client.command(base64.b64encode(username.encode()).decode())
    return await client.command(base64.b64encode(password.encode()).decode())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_row_28_and_29_all_refused_logins_are_the_same_octets_after_one_hash(
    site: Site, connect: Connect, guesses: dict[str, tuple[str, str]], mechanism: str
) -> None:
    """Unknown, wrong, disabled, expired, of another tenant, without a right to log in."""
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")

    replies = {why: await _guess(client, mechanism, *login) for why, login in guesses.items()}

    assert len(set(replies.values())) == 1, replies
    assert replies["unknown"].startswith("535 5.7.8 ")
    assert len(site.hashes) == len(guesses)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_row_29_all_refused_logins_take_the_same_time(
    connect: Connect, guesses: dict[str, tuple[str, str]]
) -> None:
    """The medians of 200 samples each differ by less than 5 %. Samples take turns, so that what
    else the machine does concerns all alike."""
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")
    times: dict[str, list[float]] = {"unknown": [], "wrong password": [], "disabled account": []}

    for number in range(SAMPLES):
        for why, seconds in times.items():
            username = guesses[why][0]
            began = time.perf_counter()
            reply = await client.login(username, f"guess {number} at {username}")
            seconds.append(time.perf_counter() - began)
            assert reply.startswith("535 "), reply
            await asyncio.sleep(0)

    medians = {why: statistics.median(seconds) for why, seconds in times.items()}
    assert max(medians.values()) < 1.05 * min(medians.values()), medians
