"""How the doctor logs in by SCRAM (pillarbox.doctor.login)."""

import asyncio

import pytest

from pillarbox.doctor.login import Account, admission
from pillarbox.doctor.talk import Means, Place
from pillarbox.publish.client_settings import Encryption
from pillarbox.testing import SmtpServer


@pytest.mark.parametrize(("secret", "code"), [("right", 235), ("wrong", 535)])
async def test_scram_goes_by_its_proofs(smtp_server: SmtpServer, secret: str, code: int) -> None:
    """The server's reply to the proof is what is told."""
    server = smtp_server
    password = server.password if secret == "right" else "wrong"
    place = Place(server.host, server.host, server.port, Encryption.STARTTLS)
    account = Account(server.username, password, mechanism="SCRAM-SHA-256")

    async with asyncio.timeout(60):
        found = await admission(
            place, Means(server.ssl_context(), asyncio.open_connection, 30.0), account
        )

    assert found.login is not None
    assert found.login.mechanism == "SCRAM-SHA-256"
    assert found.login.answer is not None
    assert found.login.answer.reply.code == code
