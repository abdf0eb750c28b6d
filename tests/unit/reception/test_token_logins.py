"""Sessions that log in with a token: real TLS, the real store, a real issuer."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.reception import MESSAGE, PATIENCE_SECONDS, USER, Client, Site
from tests.support.token_issuer import DISCOVERY, SUBJECT, TokenIssuer, running_issuer
from tests.unit.reception.conftest import Connect

from pillarbox.policy.clock import timestamp
from pillarbox.smtp.sasl_mechanisms import TOKEN_MECHANISMS
from pillarbox.store.admin.credentials import add_subject, remove_credential
from pillarbox.store.admin.issuers import set_issuer


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[TokenIssuer]:
    """An issuer that answers."""
    with running_issuer(tmp_path) as running:
        yield running


@pytest.fixture
async def trusting(site: Site, issuer: TokenIssuer) -> Site:
    """A site whose only account is known by a subject of the issuer."""
    now = timestamp()
    await site.change(lambda c: set_issuer(c, "default", issuer.settings, now=now))
    await site.change(lambda c: add_subject(c, USER, "erp", subject=SUBJECT, now=now))
    site.reception.offer(TOKEN_MECHANISMS)
    return site


def _xoauth2(token: str, user: str = USER) -> str:
    return b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()


async def _hello(connect: Connect) -> Client:
    client = await connect("submissions")
    assert "AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER" in await client.command("EHLO c.t1.test")
    return client


async def test_a_token_sends_mail(trusting: Site, connect: Connect, issuer: TokenIssuer) -> None:
    """As the account, by the credential that the token is of."""
    client = await _hello(connect)

    reply = await client.command(f"AUTH XOAUTH2 {_xoauth2(issuer.token())}")

    assert reply == "235 2.7.0 Logged in"
    assert (await client.message(MESSAGE)).startswith("250 ")
    (message,) = trusting.accepted
    assert message.credential_id is not None
    login = await trusting.directory.login(USER)
    assert login is not None
    assert message.credential_id == login.subjects[0].credential_id
    # Nothing about it has to be checked again for another transaction.
    assert (await client.message(MESSAGE)).startswith("250 ")


async def test_a_session_ends_with_its_credential(
    trusting: Site, connect: Connect, issuer: TokenIssuer
) -> None:
    """Whoever is not trusted any more sends nothing more, also in a session that is open."""
    client = await _hello(connect)
    await client.command(f"AUTH XOAUTH2 {_xoauth2(issuer.token())}")
    assert (await client.message(MESSAGE)).startswith("250 ")

    await trusting.change(lambda c: remove_credential(c, USER, "erp"))

    assert (await client.message(MESSAGE)).startswith("550 5.7.1 ")


async def test_a_refused_token_leaves_no_trace_of_itself(
    trusting: Site,
    connect: Connect,
    issuer: TokenIssuer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither in the record of the session nor in the log; both name what is wrong."""
    client = await _hello(connect)
    token = issuer.token(aud="api://other")

    challenge = await client.command(f"AUTH XOAUTH2 {_xoauth2(token)}")
    refusal = await client.command("")

    assert json.loads(b64decode(challenge.removeprefix("334 "))) == {
        "status": "401",
        "schemes": "bearer",
    }
    assert refusal.startswith("535 5.7.8 Login with OAuth2 failed")
    await client.command("QUIT")
    record = await trusting.failed_session()
    assert (record.login, record.refusals) == (USER, "TOKEN_REFUSED")
    assert "(aud)" in record.cause
    out = "".join(capfd.readouterr())
    for piece in (*token.split("."), _xoauth2(token)):
        assert piece not in repr(record)
        assert piece not in out


async def test_an_issuer_that_hangs_holds_up_no_other_session(
    trusting: Site, connect: Connect, issuer: TokenIssuer
) -> None:
    """Who waits for it waits alone; passwords and mail go on."""
    issuer.answers[f"/acme{DISCOVERY}"] = issuer.hang
    waiting, other = await _hello(connect), await _hello(connect)
    waiting.send(f"AUTH XOAUTH2 {_xoauth2(issuer.token())}\r\n".encode())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not issuer.asked:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)

    assert (await other.login(USER, trusting.password)).startswith("235 ")
    assert (await other.message(MESSAGE)).startswith("250 ")

    issuer.released.set()
    assert (await waiting.reply()).startswith("454 4.7.0 ")
    assert (await waiting.login(USER, trusting.password)).startswith("235 ")


async def test_tokens_are_offered_once_there_is_an_issuer(site: Site, connect: Connect) -> None:
    """To new sessions; those that are open keep what they were offered."""
    before = await connect("submissions")
    assert "XOAUTH2" not in await before.command("EHLO c.t1.test")

    site.reception.offer(TOKEN_MECHANISMS)

    assert "XOAUTH2" not in await before.command("EHLO c.t1.test")
    plain = await connect("submission")
    assert "AUTH" not in await plain.command("EHLO c.t1.test")
    await plain.starttls(site.client_context())
    assert "XOAUTH2 OAUTHBEARER" in await plain.command("EHLO c.t1.test")
    site.reception.offer(())
    after = await connect("submissions")
    assert "XOAUTH2" not in await after.command("EHLO c.t1.test")
