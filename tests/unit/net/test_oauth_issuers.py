"""net.oauth_microsoft, net.oauth_issuers: what issuers are told, and what their answers mean."""

import base64
import json
from collections import deque
from dataclasses import replace

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from tests.support.granting import MemoryGrants
from tests.support.issuer import CLIENT, DISCOVERY, TOKEN, Issuer
from tests.support.tokens import SCOPE, SECRET, SourceMaker, failure, value

from pillarbox.explain.failures import FailureKind, explain
from pillarbox.net.oauth import AccessToken
from pillarbox.oauth.sign_in import Access, Flow


async def test_an_application_signs_in_with_its_secret(
    make: SourceMaker, issuer: Issuer, app: Access
) -> None:
    """Client credentials (RFC 6749 section 4.4); the secret is not in what is shown."""
    source = make()

    token = await source.get(app)

    [form] = issuer.forms()
    assert isinstance(token, AccessToken)
    assert token.value == "access-1"
    assert form["grant_type"] == "client_credentials"
    assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
    assert form["scope"] == SCOPE
    assert "access-1" not in repr(token)


async def test_an_application_signs_in_with_its_certificate(
    make: SourceMaker, issuer: Issuer, app: Access
) -> None:
    """A signed assertion in place of the secret (RFC 7523), with the thumbprint of SHA-256."""
    pair = trustme.CA().issue_cert("app.example", key_type=trustme.KeyType.RSA)
    key = load_pem_private_key(pair.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    sign_in = replace(
        app.sign_in,
        flow=Flow.CERTIFICATE,
        secret="",
        private_key=pem,
        certificate=pair.cert_chain_pems[0].bytes().decode(),
    )

    assert await value(make(), Access(sign_in, SCOPE)) == "access-1"

    [form] = issuer.forms()
    header, claims, _ = form["client_assertion"].split(".")
    assert form["client_assertion_type"].endswith(":jwt-bearer")
    assert json.loads(_decoded(header))["x5t#S256"]
    assert json.loads(_decoded(claims))["iss"] == CLIENT
    assert "client_secret" not in form


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


ANSWERS = [
    ("AADSTS7000215", "invalid_client", FailureKind.SIGN_IN_WRONG_SECRET),
    ("AADSTS7000222", "invalid_client", FailureKind.SIGN_IN_SECRET_EXPIRED),
    ("AADSTS700027", "invalid_client", FailureKind.SIGN_IN_CERTIFICATE_REFUSED),
    ("AADSTS700024", "invalid_client", FailureKind.SIGN_IN_CERTIFICATE_REFUSED),
    ("AADSTS700016", "unauthorized_client", FailureKind.SIGN_IN_UNKNOWN_APPLICATION),
    ("AADSTS7000112", "unauthorized_client", FailureKind.SIGN_IN_APPLICATION_DISABLED),
    ("AADSTS65001", "invalid_grant", FailureKind.SIGN_IN_NO_CONSENT),
    ("AADSTS53003", "access_denied", FailureKind.SIGN_IN_BLOCKED),
    ("AADSTS50076", "interaction_required", FailureKind.SIGN_IN_AGAIN),
    ("AADSTS700082", "invalid_grant", FailureKind.SIGN_IN_AGAIN),
    ("AADSTS50173", "invalid_grant", FailureKind.SIGN_IN_AGAIN),
    ("AADSTS7000218", "invalid_request", FailureKind.SIGN_IN_NO_PUBLIC_CLIENT),
    ("AADSTS90033", "temporarily_unavailable", FailureKind.SIGN_IN_UNAVAILABLE),
    ("AADSTS70011", "invalid_scope", FailureKind.SIGN_IN_REFUSED),
]


@pytest.mark.parametrize(("code", "error", "expected"), ANSWERS)
async def test_what_microsoft_refuses_is_explained(
    make: SourceMaker, issuer: Issuer, app: Access, code: str, error: str, expected: FailureKind
) -> None:
    """Tried again in every case, with the fix; what the server repeats of the secret is not
    shown."""
    text = f"{code}: no, not {SECRET}. Trace ID: 0"
    number = int(code.removeprefix("AADSTS"))
    answer = {"error": error, "error_description": text, "error_codes": [number]}
    issuer.answers[TOKEN] = deque([(401, answer)])

    refused = await failure(make(), app)

    reply = str(explain(refused, hop="smtp.office365.com:587").reply)
    assert refused.kind is expected
    assert reply.startswith("451 ")
    assert code in reply
    assert SECRET not in reply


async def test_an_unknown_tenant_is_explained(
    make: SourceMaker, issuer: Issuer, app: Access
) -> None:
    """Microsoft says so where its configuration is looked up."""
    said = {"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant 'x' not found."}
    issuer.answers[DISCOVERY] = deque([(400, said)])

    refused = await failure(make(), app)

    assert refused.kind is FailureKind.SIGN_IN_UNKNOWN_TENANT


@pytest.mark.parametrize("what", [DISCOVERY, TOKEN])
@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (503, "busy", FailureKind.SIGN_IN_UNAVAILABLE),
        (429, "slower", FailureKind.SIGN_IN_UNAVAILABLE),
        (404, "<html>", FailureKind.SIGN_IN_REFUSED),
    ],
)
async def test_an_answer_that_is_none_is_explained(
    make: SourceMaker,
    issuer: Issuer,
    app: Access,
    *,
    what: str,
    status: int,
    text: str,
    expected: FailureKind,
) -> None:
    """Gateways and proxies answer in their own way."""
    issuer.answers[what] = deque([(status, text)] * 3)

    assert (await failure(make(), app)).kind is expected


@pytest.mark.parametrize(
    "said",
    [{}, [], "x", {"access_token": 3}, {"access_token": "a\r\nb"}, "[" * 100_000],
    ids=["empty", "list", "text", "number", "line ends", "deep"],
)
async def test_another_issuer_may_answer_anything(
    make: SourceMaker, issuer: Issuer, other: Access, said: object
) -> None:
    """A token that could not be said in SMTP is none; nothing raises."""
    issuer.answers[TOKEN] = deque([(200, said)])

    assert (await failure(make(), other)).kind is FailureKind.SIGN_IN_REFUSED


@pytest.mark.parametrize("lifetime", [None, "3600", -5, 1e300, 10**400, "soon", [], True])
async def test_any_lifetime_is_taken(
    make: SourceMaker, issuer: Issuer, other: Access, lifetime: object
) -> None:
    """A token is a token; without a lifetime that can be read it is an hour."""
    issuer.answers[TOKEN] = deque([(200, {"access_token": "a", "expires_in": lifetime})])

    token = await make().get(other)

    assert isinstance(token, AccessToken)
    assert 0 <= token.ends_at - token.got_at <= 24 * 3600


async def test_another_issuer_is_asked_as_the_rfc_says(
    make: SourceMaker, issuer: Issuer, other: Access
) -> None:
    """RFC 6749 section 6: a form with grant, client and scope; the token stays what it was."""
    grants = MemoryGrants()

    assert await value(make(grants), other) == "access-1"

    assert issuer.forms() == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "refresh-0",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "scope": "https://mail.example/",
        }
    ]
    assert grants.tokens == {7: "refresh-0"}


@pytest.mark.parametrize("who", ["app", "other"])
async def test_a_certificate_that_is_not_trusted_is_named(
    make: SourceMaker, who: str, request: pytest.FixtureRequest
) -> None:
    """A proxy that opens TLS is a usual cause."""
    access = request.getfixturevalue(who)
    access = Access(replace(access.sign_in, ca_file=""), access.scope)

    refused = await failure(make(), access)

    assert refused.kind is FailureKind.SIGN_IN_UNREACHABLE
    assert "certificate" in refused.detail


async def test_an_issuer_that_is_down_is_named(
    make: SourceMaker, issuer: Issuer, app: Access
) -> None:
    """With the reason of the system, and nothing of the request."""
    sign_in = replace(app.sign_in, authority="https://localhost:1")

    refused = await failure(make(), Access(sign_in, SCOPE))

    assert refused.kind is FailureKind.SIGN_IN_UNREACHABLE
    assert refused.detail.startswith("https://localhost:1/")
    assert issuer.asked == []
