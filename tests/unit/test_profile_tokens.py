"""Profiles that log in with OAuth2 (`auth` in client.toml), at servers for tests."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.issuer import DEVICE_CODE, TENANT, Issuer
from tests.support.sending import Certified
from tests.support.smtp_peer import serve
from tests.support.taking_peer import logins, taking

from pillarbox.client import TokenError
from pillarbox.errors import ConfigError
from pillarbox.profiles import connect, load_profile

USER = "app@t1.test"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """TLS of the sign-in server."""
    return Certified(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def issuer(certified: Certified) -> Iterator[Issuer]:
    """A sign-in server."""
    with Issuer(certified.certificate, certified.key) as server:
        yield server


def secret(folder: Path, name: str, text: str) -> str:
    """A file for this user alone; gives its name."""
    (folder / name).write_text(text)
    (folder / name).chmod(0o600)
    return name


def private_key() -> str:
    """In PEM."""
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def profile(folder: Path, server: str, **settings: str) -> str:
    """The file with one profile."""
    values = {"server": server, "username": USER, "tls": "opportunistic", **settings}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    secret(folder, "client.toml", f"[profiles.main]\n{lines}")
    return str(folder / "client.toml")


@pytest.mark.parametrize("way", ["secret", "key", "person", "service", "consent"])
async def test_a_profile_gets_a_token_and_logs_in(
    issuer: Issuer, certified: Certified, tmp_path: Path, way: str
) -> None:
    """At Microsoft as an application by secret or certificate and as a person who signed in before;
    at Google as a service account and as a person."""
    url = f"{issuer.url}/token"
    registered = {"client_id": "id", "tenant_id": TENANT, "sign_in_url": issuer.url}
    settings = {"auth": "microsoft", **registered}
    match way:
        case "secret":
            settings["secret_file"] = secret(tmp_path, "secret", "the-secret\n")
        case "key":
            issued = trustme.CA().issue_cert("app.example", key_type=trustme.KeyType.RSA)
            both = issued.private_key_and_cert_chain_pem.bytes().decode()
            settings["key_file"] = secret(tmp_path, "both.pem", both)
        case "person":
            settings["token_file"] = secret(tmp_path, "token", f"{issuer.refresh_token}\n")
        case "service":
            fields = {"client_email": "robot@x.test", "private_key": private_key()}
            key_file = secret(tmp_path, "key.json", json.dumps({**fields, "token_uri": url}))
            settings = {"auth": "google", "key_file": key_file}
        case "consent":
            settings = {
                "auth": "google",
                "client_id": "id",
                "sign_in_url": url,
                "secret_file": secret(tmp_path, "secret", "the-secret\n"),
                "token_file": secret(tmp_path, "token", f"{issuer.refresh_token}\n"),
            }

    def check(file: str) -> None:
        with connect(load_profile(file=file)) as client:
            client.check()

    async with serve(taking()) as server:
        there = f"smtp://127.0.0.1:{server.port}"
        file = profile(tmp_path, there, ca_file=certified.ca_file, **settings)
        await asyncio.to_thread(check, file)

    assert logins(server.commands) == [f"user={USER} auth=Bearer access-1"]


def test_nobody_is_waited_for_where_no_person_is(
    issuer: Issuer, certified: Certified, tmp_path: Path
) -> None:
    """A program of cron fails at once, and says what to do at a terminal."""
    file = profile(
        *(tmp_path, "smtp://127.0.0.1:1"),
        ca_file=certified.ca_file,
        auth="microsoft",
        client_id="id",
        sign_in_url=issuer.url,
        token_file="token",
    )

    with (
        connect(load_profile(file=file)) as client,
        pytest.raises(TokenError) as raised,
    ):
        client.check()

    assert raised.value.code == "sign-in-again"
    assert "pillarbox send --profile main --check" in raised.value.fix
    assert issuer.count(DEVICE_CODE) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"auth": "yahoo"}, '.auth: is "microsoft" or "google"'),
        ({"auth": "microsoft"}, "add client_id and secret_file, or client_id and key_file"),
        ({"auth": "google", "client_id": "x"}, "add key_file, or client_id and secret_file and"),
        ({"auth": "google", "key_file": "k", "username": ""}, ".username: is missing"),
    ],
)
def test_what_a_token_takes_is_said(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    """Before anything is connected to."""
    with pytest.raises(ConfigError) as raised:
        load_profile(file=profile(tmp_path, "smtp://127.0.0.1:1", **settings))

    assert words in str(raised.value)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """As a password is."""
    name = secret(tmp_path, "secret", "the-secret\n")
    (tmp_path / name).chmod(0o644)
    settings = {"auth": "microsoft", "client_id": "id", "secret_file": name}
    found = load_profile(file=profile(tmp_path, "smtp://127.0.0.1:1", **settings))

    with pytest.raises(ConfigError, match="others may read it"):
        connect(found)
