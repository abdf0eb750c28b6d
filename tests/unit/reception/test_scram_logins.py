"""Sessions that prove a password by SCRAM: real TLS, the real store."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator

import pytest
from scramp import ScramClient
from tests.support.reception import MESSAGE, USER, Client, Site, running_site
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.net.certificates import CertificateFiles
from pillarbox.smtp.sasl_mechanisms import SCRAM_MECHANISMS


@pytest.fixture
async def site(
    sqlite_url: str, certificates: CertificateFiles, limits: Limits
) -> AsyncIterator[Site]:
    """A running reception with SCRAM."""
    async with running_site(sqlite_url, certificates, limits, with_scram=True) as running:
        running.reception.offer(SCRAM_MECHANISMS)
        yield running


async def _prove(client: Client, password: str, username: str = USER) -> str:
    """AUTH; the last reply."""
    prover = ScramClient(["SCRAM-SHA-256"], username, password)
    first = b64encode(prover.get_client_first().encode()).decode()
    challenge = await client.command(f"AUTH SCRAM-SHA-256 {first}")
    assert challenge.startswith("334 ")
    prover.set_server_first(b64decode(challenge[4:]).decode())
    said = await client.command(b64encode(prover.get_client_final().encode()).decode())
    if not said.startswith("334 "):
        return said
    prover.set_server_final(b64decode(said[4:]).decode())
    return await client.command("")


async def test_a_password_that_was_used_once_can_be_proved(site: Site, connect: Connect) -> None:
    """Its verifier was made by the login before."""
    first = await connect("submissions")
    await first.command("EHLO c.t1.test")
    assert (await _prove(first, site.password)).startswith("535 5.7.8 ")
    assert (await first.login(USER, site.password)).startswith("235 ")

    second = await connect("submissions")
    await second.command("EHLO c.t1.test")

    assert await _prove(second, site.password) == "235 2.7.0 Logged in"
    assert (await second.message(MESSAGE)).startswith("250 ")
    assert site.accepted[0].credential_id is not None


async def test_a_wrong_proof_stands_in_the_record(site: Site, connect: Connect) -> None:
    """With the name that was tried and the cause, and nothing of the exchange."""
    client = await connect("submissions")
    await client.command("EHLO c.t1.test")
    assert (await _prove(client, "wrong", "nobody@t1.test")).startswith("535 5.7.8 ")
    await client.command("QUIT")

    record = await site.failed_session()

    assert (record.login, record.refusals) == ("nobody@t1.test", "LOGIN_FAILED")
    assert record.cause == "no such account, or it is switched off"
