"""The emulator's authority, seen by msal: every way to a token, and every refusal."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msal
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.support.emulated import Client, client_context, emulating

from pillarbox.emulate.config import (
    SAMPLE_APP,
    SAMPLE_MAILBOX,
    SAMPLE_SECRET,
    SAMPLE_TENANT,
    EmulatorConfig,
    sample_tenant,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Action, Fault, Stage

SMTP_DEFAULT = ["https://outlook.office365.com/.default"]
SMTP_SEND = ["https://outlook.office.com/SMTP.Send"]
REDIRECT = "http://localhost:8765/"


@pytest.fixture(autouse=True)
def _no_bundle_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where these are set, requests (below msal) lets them outrank the file that it is given."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def confidential(emulator: Emulator, **options: Any) -> Any:
    """An msal application with the sample secret."""
    usual = {
        "client_credential": SAMPLE_SECRET,
        "authority": f"{emulator.authority_url}/{SAMPLE_TENANT}",
        "instance_discovery": False,
        "verify": str(emulator.ca_file),
    }
    return msal.ConfidentialClientApplication(SAMPLE_APP, **(usual | options))


def public(emulator: Emulator) -> Any:
    """An msal application without a secret."""
    return msal.PublicClientApplication(
        SAMPLE_APP,
        authority=f"{emulator.authority_url}/contoso.example",
        instance_discovery=False,
        verify=str(emulator.ca_file),
    )


async def obtain(work: Callable[[Emulator], Any], **switches: str) -> Any:
    """What a piece of msal's work gives with these switches."""
    async with emulating(switches) as emulator:
        return await asyncio.to_thread(work, emulator)


def client_credentials(emulator: Emulator) -> Any:
    """The usual way of a service."""
    return confidential(emulator).acquire_token_for_client(SMTP_DEFAULT)


async def test_a_secret_buys_a_token_that_smtp_takes() -> None:
    """Signed with RS256 by the key of the JWKS, for the resource, with the app's roles."""

    def work(emulator: Emulator) -> tuple[Any, str]:
        answer = client_credentials(emulator)
        with Client(emulator) as client:
            return answer, client.log_in_by_token(answer["access_token"])

    async with emulating() as emulator:
        answer, said = await asyncio.to_thread(work, emulator)
        async with httpx.AsyncClient(verify=client_context(emulator)) as http:
            base = f"{emulator.authority_url}/{SAMPLE_TENANT}"
            found = (await http.get(f"{base}/v2.0/.well-known/openid-configuration")).json()
            keys = KeySet.import_key_set((await http.get(found["jwks_uri"])).json())

    token = jwt.decode(answer["access_token"], keys, algorithms=["RS256"])
    assert said == "235 2.7.0 Authentication successful"
    assert answer["expires_in"] == 3599
    assert token.header["alg"] == "RS256"
    claims = token.claims
    assert claims["iss"] == found["issuer"]
    assert (claims["aud"], claims["tid"]) == ("https://outlook.office365.com", SAMPLE_TENANT)
    assert (claims["appid"], claims["roles"][0]) == (SAMPLE_APP, "SMTP.SendAsApp")
    assert claims["exp"] - claims["iat"] == 3599


async def test_msals_oidc_authority_works_too() -> None:
    """It compares the issuer with the URL."""

    def work(emulator: Emulator) -> Any:
        app = confidential(
            emulator,
            authority=None,
            oidc_authority=f"{emulator.authority_url}/{SAMPLE_TENANT}/v2.0",
        )
        return app.acquire_token_for_client(SMTP_DEFAULT)

    assert "access_token" in await obtain(work)


def _certificate() -> tuple[str, str]:
    """A certificate of an app and its key, both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


async def test_a_certificate_buys_a_token() -> None:
    """And another one, or one that was removed, does not."""
    certificate, key = _certificate()
    other_certificate, other_key = _certificate()
    tenant = sample_tenant()
    app = tenant.apps[0].model_copy(update={"certificate": certificate})
    config = EmulatorConfig(tenants=(tenant.model_copy(update={"apps": (app,)}),))

    def work(emulator: Emulator, pem: str, public_pem: str) -> Any:
        credential = {"private_key": pem, "public_certificate": public_pem}
        app = confidential(emulator, client_credential=credential)
        return app.acquire_token_for_client(SMTP_DEFAULT)

    async with Emulator(config) as emulator:
        right = await asyncio.to_thread(work, emulator, key, certificate)
        wrong = await asyncio.to_thread(work, emulator, other_key, other_certificate)
        emulator.world.switches.change({"certificate": "removed"})
        removed = await asyncio.to_thread(work, emulator, key, certificate)

    assert "access_token" in right
    assert wrong["error_codes"] == removed["error_codes"] == [700027]


@pytest.mark.parametrize(
    ("switches", "error", "code"),
    [
        ({"secret": "replaced"}, "invalid_client", 7000215),
        ({f"{SAMPLE_APP}/secret": "expired"}, "invalid_client", 7000222),
        ({"app": "missing"}, "unauthorized_client", 700016),
        ({"app": "disabled"}, "unauthorized_client", 7000112),
    ],
)
async def test_an_app_is_refused_with_its_aadsts_code(
    switches: dict[str, str], error: str, code: int
) -> None:
    """In the JSON that msal reads."""
    answer = await obtain(client_credentials, **switches)

    assert answer["error"] == error
    assert answer["error_codes"] == [code]
    assert answer["error_description"].startswith(f"AADSTS{code}: ")
    assert {"trace_id", "correlation_id", "timestamp", "error_uri"} <= set(answer)


async def test_a_missing_tenant_is_told_at_discovery() -> None:
    """msal gives up with the text of the authority."""
    with pytest.raises(ValueError, match="authority"):
        await obtain(client_credentials, tenant="missing")


async def test_without_consent_the_token_has_no_roles() -> None:
    """It is given out, and SMTP refuses it."""

    def work(emulator: Emulator) -> str:
        answer = client_credentials(emulator)
        with Client(emulator) as client:
            return client.log_in_by_token(answer["access_token"])

    assert (await obtain(work, consent="missing")).startswith("535 5.7.3")


async def test_an_unknown_resource_has_no_token() -> None:
    """AADSTS500011."""

    def work(emulator: Emulator) -> Any:
        return confidential(emulator).acquire_token_for_client(["https://example.org/.default"])

    assert (await obtain(work))["error_codes"] == [500011]


def device_flow(emulator: Emulator, decide: str = "") -> Any:
    """Sign in with a device code; somebody decides after the first question where asked to."""
    app = public(emulator)
    flow = app.initiate_device_flow(SMTP_SEND)
    if decide:
        pending = app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
        assert pending["error"] == "authorization_pending"
        emulator.decide_device(flow["user_code"], decide, SAMPLE_MAILBOX)
    flow["interval"] = 0.01
    return app.acquire_token_by_device_flow(flow)


async def test_a_device_code_is_approved_by_itself() -> None:
    """With an id token of the user and a token that opens his mailbox."""

    def work(emulator: Emulator) -> tuple[Any, str]:
        answer = device_flow(emulator)
        with Client(emulator) as client:
            return answer, client.log_in_by_token(answer["access_token"])

    answer, said = await obtain(work)

    assert answer["id_token_claims"]["preferred_username"] == SAMPLE_MAILBOX
    assert "refresh_token" in answer
    assert said.startswith("235")


@pytest.mark.parametrize(
    ("decision", "error"), [("approve", None), ("decline", "authorization_declined")]
)
async def test_a_device_code_waits_for_a_decision(decision: str, error: str | None) -> None:
    """authorization_pending until then."""

    def work(emulator: Emulator) -> Any:
        return device_flow(emulator, decision)

    assert (await obtain(work, device_code="wait")).get("error") == error


async def test_a_device_code_ends() -> None:
    """expired_token."""
    assert (await obtain(device_flow, device_code="expire"))["error"] == "expired_token"


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"consent": "missing"}, 65001),
        ({"conditional_access": "all"}, 53003),
        ({"mailbox": "disabled"}, 50057),
    ],
)
async def test_a_user_is_refused_with_his_aadsts_code(switches: dict[str, str], code: int) -> None:
    """invalid_grant."""
    answer = await obtain(device_flow, **switches)

    assert answer["error_codes"] == [code]


async def test_a_refresh_token_brings_a_new_one_and_stays_valid() -> None:
    """Until it is revoked or has ended."""

    def redeem(emulator: Emulator, token: str, position: str) -> Any:
        # A new application each time: msal repeats the error of an equal request from memory.
        emulator.world.switches.change({"refresh_tokens": position})
        return public(emulator).acquire_token_by_refresh_token(token, SMTP_SEND)

    def work(emulator: Emulator) -> list[Any]:
        first = device_flow(emulator)["refresh_token"]
        positions = ("valid", "valid", "expired", "revoked")
        return [first, *(redeem(emulator, first, position) for position in positions)]

    first, second, third, expired, revoked = await obtain(work)

    tokens = {first, second["refresh_token"], third["refresh_token"]}
    assert len(tokens) == 3
    assert expired["error_codes"] == [700082]
    assert revoked["error_codes"] == [50173]


async def test_a_code_with_pkce_buys_a_token_once() -> None:
    """/authorize goes back at once; a wrong verifier or a second use is refused."""

    def follow(emulator: Emulator, flow: Any) -> dict[str, str]:
        with httpx.Client(verify=client_context(emulator)) as http:
            page = http.get(flow["auth_uri"]).text
            redirect = http.get(flow["auth_uri"].replace("form_post", "query"))
        assert redirect.status_code == 302
        assert redirect.headers["location"].startswith(f"{REDIRECT}?code=")
        assert f'action="{REDIRECT}"' in page
        return dict(re.findall(r'name="(\w+)" value="([^"]+)"', page))

    def work(emulator: Emulator) -> list[Any]:
        app = public(emulator)
        flow = app.initiate_auth_code_flow(
            SMTP_SEND,
            redirect_uri=REDIRECT,
            login_hint=SAMPLE_MAILBOX,
            response_mode="form_post",
        )
        answer = follow(emulator, flow)
        good = app.acquire_token_by_auth_code_flow(dict(flow), answer)
        again = app.acquire_token_by_auth_code_flow(dict(flow), answer)
        flow["code_verifier"] = "x" * 43
        wrong = app.acquire_token_by_auth_code_flow(flow, follow(emulator, flow))
        return [good, again, wrong]

    good, again, wrong = await obtain(work)

    assert good["id_token_claims"]["preferred_username"] == SAMPLE_MAILBOX
    assert again["error_codes"] == [54005]
    assert wrong["error_codes"] == [501481]


async def test_the_authority_fails_on_order() -> None:
    """A status at the token endpoint alone, then a cut after the token was made."""
    async with emulating() as emulator:
        faults = emulator.world.faults
        path = f"/{SAMPLE_TENANT}/oauth2/v2.0/token"
        faults.order(Fault(service="login", stage=Stage.REQUEST, path=path, status=503))
        faults.order(Fault(service="login", stage=Stage.TAKEN, action=Action.CUT))
        form = {
            "client_id": SAMPLE_APP,
            "client_secret": SAMPLE_SECRET,
            "grant_type": "client_credentials",
            "scope": SMTP_DEFAULT[0],
        }
        async with httpx.AsyncClient(
            verify=client_context(emulator), base_url=emulator.authority_url
        ) as http:
            busy = await http.post(path, data=form)
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(path, data=form)
            right = await http.post(path, data=form)

    assert busy.status_code == 503
    assert right.json()["token_type"] == "Bearer"
