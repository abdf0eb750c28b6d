"""Ready providers of tokens: Microsoft 365 and Google (client.microsoft, client.google)."""

import json
from base64 import b64decode
from collections import deque
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.issuer import CLIENT, DEVICE_CODE, TENANT, TOKEN, Issuer
from tests.support.sending import Certified, Face, letter
from tests.support.smtp_peer import serve
from tests.support.taking_peer import logins, taking

from pillarbox.client import ArgumentError, Pool, TokenError, google, microsoft

USER = "app@t1.test"


def registration(issuer: Issuer, certified: Certified) -> dict[str, str]:
    """Where and as what one signs in."""
    return {
        "tenant_id": TENANT,
        "client_id": CLIENT,
        "authority": issuer.url,
        "ca_file": certified.ca_file,
    }


async def test_an_application_of_microsoft_signs_in_by_secret(
    face: Face, issuer: Issuer, certified: Certified
) -> None:
    """With the scope that Microsoft documents; one token for all connections."""
    auth = microsoft.client_secret(USER, secret="the-secret", **registration(issuer, certified))
    async with serve(taking()) as server:
        client = face.client(server.port, auth=auth, pool=Pool(messages=1))
        for _ in range(2):
            await face.send(client, letter())
        await face.close(client)

    (form,) = issuer.forms()
    assert form["client_secret"] == "the-secret"
    assert form["scope"] == "https://outlook.office365.com/.default"
    assert logins(server.commands) == [f"user={USER} auth=Bearer access-1"] * 2


async def test_a_wrong_secret_of_microsoft_is_explained(
    face: Face, issuer: Issuer, certified: Certified
) -> None:
    """The number of Entra says what to do; nothing is connected to, and no secret is told."""
    text = "AADSTS7000222: The secret the-secret has expired."
    issuer.answers[TOKEN] = deque([(401, {"error": "invalid_client", "error_description": text})])
    auth = microsoft.client_secret(USER, secret="the-secret", **registration(issuer, certified))

    async with serve(taking()) as server:
        with pytest.raises(TokenError) as raised:
            await face.send_one(server.port, letter(), auth=auth)

    assert server.peers == []
    assert raised.value.code == "sign-in-secret-expired"
    assert "AADSTS7000222" in str(raised.value)
    assert "the-secret" not in f"{raised.value!r} {raised.value}"
    assert "route" not in raised.value.fix


async def test_a_sign_in_server_that_is_away_is_told(face: Face, certified: Certified) -> None:
    """It may pass by itself."""
    auth = microsoft.client_secret(
        USER,
        tenant_id=TENANT,
        client_id=CLIENT,
        secret="x",
        authority="https://localhost:1",
        ca_file=certified.ca_file,
    )
    with pytest.raises(TokenError) as raised:
        await face.send_one(25, letter(), auth=auth)

    assert raised.value.code == "sign-in-unreachable"
    assert raised.value.is_transient


async def test_a_person_signs_in_at_microsoft_once(
    face: Face, issuer: Issuer, certified: Certified, tmp_path: Path
) -> None:
    """By a code; the next program finds the refresh token in the file, which nobody else reads."""
    issuer.answers[DEVICE_CODE] = deque([(200, {**issuer._device_code(), "interval": 0})])
    told: list[str] = []
    cache = tmp_path / "person.json"

    for _ in range(2):
        auth = microsoft.device_code(
            USER, tell=told.append, cache_file=cache, **registration(issuer, certified)
        )
        async with serve(taking()) as server:
            assert (await face.send_one(server.port, letter(), auth=auth)).is_complete

    assert len(told) == 1
    assert "ABCD-EFGH" in told[0]
    assert cache.stat().st_mode & 0o777 == 0o600


async def test_a_refresh_token_of_google_gets_access(
    face: Face, issuer: Issuer, certified: Certified
) -> None:
    """RFC 6749 section 6."""
    auth = google.refresh_token(
        USER,
        client_id="id",
        client_secret="secret",
        refresh_token="refresh-0",
        token_url=f"{issuer.url}/token",
        ca_file=certified.ca_file,
    )
    async with serve(taking()) as server:
        assert (await face.send_one(server.port, letter(), auth=auth)).is_complete

    assert issuer.forms() == [
        {
            "grant_type": "refresh_token",
            "client_id": "id",
            "client_secret": "secret",
            "refresh_token": "refresh-0",
        }
    ]


async def test_a_refused_refresh_token_of_google_is_explained(
    face: Face, issuer: Issuer, certified: Certified
) -> None:
    """Somebody has to sign in again."""
    auth = google.refresh_token(
        USER,
        client_id="id",
        client_secret="secret",
        refresh_token="gone",
        token_url=f"{issuer.url}/token",
        ca_file=certified.ca_file,
    )
    with pytest.raises(TokenError) as raised:
        await face.send_one(25, letter(), auth=auth)

    assert raised.value.code == "sign-in-again"
    assert not raised.value.is_transient


async def test_a_service_account_of_google_signs_for_a_mailbox(
    face: Face, issuer: Issuer, certified: Certified, tmp_path: Path
) -> None:
    """RFC 7523: a JWT that it signed, for the mailbox (`sub`) and the scope of Gmail."""
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file = tmp_path / "key.json"
    url = f"{issuer.url}/token"
    fields = {"client_email": "robot@x.test", "private_key": pem, "token_uri": url}
    file.write_text(json.dumps(fields))

    auth = google.service_account(USER, str(file), ca_file=certified.ca_file)
    async with serve(taking()) as server:
        assert (await face.send_one(server.port, letter(), auth=auth)).is_complete

    (form,) = issuer.forms()
    claims = json.loads(b64decode(form["assertion"].split(".")[1] + "==", altchars=b"-_"))
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("robot@x.test", USER, url)


def test_a_file_that_is_no_key_of_google_is_refused(tmp_path: Path) -> None:
    """When the login is made, not when the first message is sent."""
    file = tmp_path / "key.json"
    file.write_text("{}")
    with pytest.raises(ArgumentError):
        google.service_account(USER, str(file))
