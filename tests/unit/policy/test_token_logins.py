"""Logins by token: which tokens get in, and that no other does (docs/security.md row 32)."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.support.token_issuer import KEYS, SUBJECT, TokenIssuer, rsa_key, send

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.net.issuer_documents import Fetcher
from pillarbox.policy.authenticate import Authenticator, Grant, Verdict
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.issuer_keys import IssuerKeys
from pillarbox.policy.login_limits import LoginLimits
from pillarbox.policy.token_logins import TokenLogins
from pillarbox.route import RouteTable
from pillarbox.smtp.events import BearerToken
from pillarbox.store.records import Account, Issuer, LoginRecord, SubjectCredential, Tenant

USER = "app@t1.test"
ENTRA = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


class Directory:
    """A directory in memory: one account of one tenant."""

    generation = 1

    def __init__(self, issuer: TokenIssuer) -> None:
        self.known: dict[int, Issuer] = {1: issuer.settings}
        self.subject = SubjectCredential(10, "erp", issuer.url, "sub", SUBJECT)
        self.touched: list[int] = []

    async def issuers(self) -> Mapping[int, Issuer]:
        """The issuers by tenant."""
        return self.known

    async def login(self, username: str) -> LoginRecord | None:
        """The account by its address."""
        if username.lower() != USER:
            return None
        tenant = Tenant(1, "one", frozenset({"t1.test"}), RouteTable([]))
        account = Account(1, tenant, parse_mailbox(USER), None, frozenset({USER}))
        return LoginRecord(account, (), (self.subject,))

    def touch(self, credential_id: int, now: Timestamp) -> None:
        """Note the use of a credential."""
        assert now > 0
        self.touched.append(credential_id)


class Desk:
    """Logins by token with all that they need, and a clock that can be set forward."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self.issuer = issuer
        self.ahead = 0.0
        self.directory = Directory(issuer)
        clock = Clock(
            lambda: time.monotonic() + self.ahead, lambda: int((time.time() + self.ahead) * 1000)
        )
        self.keys = IssuerKeys(Fetcher(), clock)
        limits = LoginLimits(tries_per_source=60, tries_per_account=30, window_seconds=600)
        failures = Authenticator(
            self.directory, limits, matcher=lambda _, __: None, cache_seconds=60, clock=clock
        )
        self.logins = TokenLogins(self.directory, self.keys, failures, clock)

    async def login(self, token: str, username: str = USER, address: str = "192.0.2.1") -> Verdict:
        """One login."""
        return await self.logins.check(BearerToken("XOAUTH2", username, token), address)

    async def cause(self, token: str, username: str = USER) -> str:
        """Why a token is refused, which it must be; the client reads the same words for all."""
        verdict = await self.login(token, username)
        assert isinstance(verdict, Denial)
        assert verdict.refusal is Refusal.TOKEN_REFUSED
        assert not any(len(piece) > 8 and piece in verdict.cause for piece in token.split("."))
        return verdict.cause


@pytest.fixture
def desk(issuer: TokenIssuer) -> Desk:
    """A fresh desk."""
    return Desk(issuer)


async def test_a_token_of_the_subject_gets_in(desk: Desk) -> None:
    """And the credential is known as used."""
    grant = await desk.login(desk.issuer.token())

    assert isinstance(grant, Grant)
    assert grant.account.credential_id == 10
    assert desk.directory.touched == [10]


@pytest.mark.parametrize("audience", [["other", "api://mail"], ["api://mail"]])
async def test_a_token_for_several_audiences_gets_in(desk: Desk, audience: list[str]) -> None:
    """Ours is one of them (RFC 7519 section 4.1.3)."""
    assert isinstance(await desk.login(desk.issuer.token(aud=audience)), Grant)


async def test_an_elliptic_key_gets_in(desk: Desk) -> None:
    """Issuers use RSA or ECDSA."""
    desk.issuer.keys["ec"] = ECKey.generate_key("P-256")

    assert isinstance(await desk.login(desk.issuer.token(kid="ec")), Grant)


async def test_the_only_key_needs_no_id(desk: Desk) -> None:
    """With two nobody knows which."""
    assert isinstance(await desk.login(desk.issuer.token(kid=None)), Grant)
    desk.issuer.keys["k2"] = rsa_key("k2")
    desk.ahead = 3700
    await desk.keys.renew_all(desk.directory.known.values())
    token = desk.issuer.token(kid=None, exp=int(time.time()) + 9000)

    assert "kid" in await desk.cause(token)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"aud": "api://other"}, "aud"),
        ({"aud": "api://mail/"}, "aud"),
        ({"aud": {"api://mail": 1}}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "issued"),
        ({"iss": ["https://evil.example"]}, "issued"),
        ({"exp": int(time.time()) - 120}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"nbf": int(time.time()) + 86_400}, "nbf"),
        ({"iat": int(time.time()) + 86_400}, "iat"),
        ({"sub": "client-2"}, "sub"),
        ({"sub": None}, "sub"),
        ({"sub": [SUBJECT]}, "sub"),
        ({"sub": None, "email": SUBJECT}, "sub"),
    ],
)
async def test_row_32_a_claim_that_does_not_hold(
    desk: Desk, changes: Mapping[str, Any], named: str
) -> None:
    """Wrong audience, issuer, time or subject; the cause names the claim and repeats nothing."""
    assert named in await desk.cause(desk.issuer.token(**changes))


@pytest.mark.parametrize(("offset", "gets_in"), [(-50, True), (-70, False)])
async def test_clocks_may_differ_by_a_minute(desk: Desk, offset: int, *, gets_in: bool) -> None:
    """No more."""
    verdict = await desk.login(desk.issuer.token(exp=int(time.time()) + offset))

    assert isinstance(verdict, Grant) == gets_in


async def test_row_32_a_token_of_another_tenant_of_entra(desk: Desk) -> None:
    """The claim tid must be the tenant that stands in the issuer."""
    url = f"{desk.issuer.url}/{ENTRA}/v2.0"
    desk.issuer.documents[f"/acme/{ENTRA}/v2.0/.well-known/openid-configuration"] = lambda: {
        "issuer": url,
        "jwks_uri": desk.issuer.jwks_uri,
    }
    desk.directory.known[1] = replace(desk.issuer.settings, url=url)

    assert isinstance(await desk.login(desk.issuer.token(iss=url, tid=ENTRA)), Grant)
    assert "tid" in await desk.cause(desk.issuer.token(iss=url, tid=ENTRA.replace("a", "f")))


def _part(value: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", "HS256", "HS384", "HS512"])
async def test_row_32_no_signature_and_the_public_key_as_a_secret(
    desk: Desk, algorithm: str
) -> None:
    """Neither `none` in any case, nor an HMAC that takes the public key for its secret."""
    claims = desk.issuer.claims()
    unsigned = f"{_part({'alg': algorithm, 'kid': 'k1'})}.{_part(claims)}."
    await desk.cause(unsigned)
    if algorithm.startswith("HS"):
        public_key = desk.issuer.keys["k1"].as_pem(private=False)
        digest = hmac.digest(public_key, unsigned[:-1].encode(), f"sha{algorithm[2:]}")
        signed = unsigned + urlsafe_b64encode(digest).decode().rstrip("=")
        assert "algorithm" in await desk.cause(signed)


async def test_row_32_a_foreign_key(desk: Desk) -> None:
    """Signed by another key under the id of the right one, or brought along in the header."""
    foreign = rsa_key("k2")
    public = dict(foreign.as_dict(private=False))
    for more in ({}, {"jwk": public}, {"jku": desk.issuer.jwks_uri}, {"x5u": "https://evil.test"}):
        header = {"alg": "RS256", "kid": "k1", **more}
        signed = jwt.encode(header, desk.issuer.claims(), foreign, algorithms=["RS256"])
        assert "signature" in await desk.cause(signed)


async def test_row_32_a_token_that_was_changed(desk: Desk) -> None:
    """Any octet of it."""
    header, claims, signature = desk.issuer.token().split(".")
    for changed in (
        f"{header}.{_part(desk.issuer.claims(sub='client-1', more=1))}.{signature}",
        f"{_part({'alg': 'RS384', 'kid': 'k1'})}.{claims}.{signature}",
        f"{_part({'alg': 'ES256', 'kid': 'k1'})}.{claims}.{signature}",
        f"{_part({'alg': 'RS256', 'kid': 'k1', 'crit': ['x'], 'x': 1})}.{claims}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature}.{signature}",
        f"{header}.{claims}.{signature[:-2]}",
        f"..{signature}",
        "opaque",
        "." * 100,
        urlsafe_b64encode(b"[" * 5000).decode() + f".{claims}.{signature}",
        f"{header}.{urlsafe_b64encode(b'[' * 5000).decode()}.{signature}",
    ):
        await desk.cause(changed)


@pytest.mark.parametrize(
    "kid", ["../../../../etc/passwd", "k1' OR '1'='1", "", "k2", "/keys", "\x00", "k" * 1000]
)
async def test_row_32_an_id_of_a_key_that_is_none(desk: Desk, kid: str) -> None:
    """It is a name in a table, nothing else; what follows is one look at the issuer's keys."""
    signed = jwt.encode(
        {"alg": "RS256", "kid": kid}, desk.issuer.claims(), desk.issuer.keys["k1"], ["RS256"]
    )

    assert "key" in await desk.cause(signed)
    assert desk.issuer.asked[KEYS] == 1


async def test_row_32_unknown_keys_ask_the_issuer_once_a_minute(desk: Desk) -> None:
    """However many tokens say so; a key that was added is known after a minute."""
    await desk.login(desk.issuer.token())
    desk.issuer.keys["k2"] = rsa_key("k2")
    token = desk.issuer.token(kid="k2")

    for _ in range(5):
        await desk.cause(token)
    assert desk.issuer.asked[KEYS] == 1
    desk.ahead = 61

    assert isinstance(await desk.login(token), Grant)
    assert desk.issuer.asked[KEYS] == 2


async def test_an_account_is_not_told_from_none(desk: Desk) -> None:
    """A good token for nobody, and for somebody else, are refused alike."""
    assert "no such account" in await desk.cause(desk.issuer.token(), "nobody@t1.test")
    desk.directory.subject = replace(desk.directory.subject, subject="client-2")
    assert "no credential" in await desk.cause(desk.issuer.token())


async def test_a_credential_that_has_expired(desk: Desk) -> None:
    """The token may be good for longer."""
    desk.directory.subject = replace(desk.directory.subject, expires_at=1)

    assert "'erp' has expired" in await desk.cause(desk.issuer.token())


async def test_the_issuer_of_one_tenant_is_none_for_another(desk: Desk) -> None:
    """Each account is known by the issuer of its own tenant."""
    other = replace(desk.issuer.settings, url="https://other.example")
    for known in ({2: desk.issuer.settings}, {1: other, 2: desk.issuer.settings}):
        desk.directory.known = known
        assert "another tenant" in await desk.cause(desk.issuer.token())


@pytest.mark.parametrize("first", ["own", "other"])
async def test_each_tenant_trusts_its_issuer_by_its_own_roots(desk: Desk, first: str) -> None:
    """Two tenants have one issuer: who named no roots for it keeps nobody of the other out, and is
    not let in by those that the other named."""
    right, without = desk.issuer.settings, replace(desk.issuer.settings, ca_file="")
    known = {"own": {1: right, 2: without}, "other": {2: without, 1: right}}
    desk.directory.known = known[first]
    assert isinstance(await desk.login(desk.issuer.token()), Grant)
    assert "signature" in await desk.cause(desk.issuer.token()[:-20] + "A" * 20)

    desk.directory.known = {tenant % 2 + 1: each for tenant, each in known[first].items()}
    verdict = await desk.login(desk.issuer.token())
    assert isinstance(verdict, Denial)
    assert verdict.refusal is Refusal.LOGIN_UNAVAILABLE
    assert "--ca-file" in verdict.cause


@pytest.mark.parametrize(
    ("claims", "gets_in"),
    [
        ({"scp": "User.Read SMTP.Send"}, True),
        ({"scope": "SMTP.Send"}, True),
        ({"roles": ["SMTP.Send"]}, True),
        ({"scp": "SMTP.SendAs"}, False),
        ({"scp": ["x"], "roles": "y"}, False),
        ({}, False),
    ],
)
async def test_a_scope_can_be_asked_for(
    desk: Desk, claims: Mapping[str, Any], *, gets_in: bool
) -> None:
    """An ID token has none, so it is no access token."""
    desk.directory.known[1] = replace(desk.issuer.settings, scope="SMTP.Send")

    assert isinstance(await desk.login(desk.issuer.token(**claims)), Grant) == gets_in


@pytest.mark.parametrize(
    ("verified", "gets_in"), [(None, True), (True, True), (False, False), ("true", False)]
)
async def test_an_address_that_nobody_verified_is_no_subject(
    desk: Desk, verified: object, *, gets_in: bool
) -> None:
    """Where the issuer says whether it is verified (OpenID Connect Core 5.1)."""
    desk.directory.subject = replace(desk.directory.subject, claim="email", subject="a@t1.test")
    token = desk.issuer.token(email="a@t1.test", email_verified=verified)

    assert isinstance(await desk.login(token), Grant) == gets_in


async def test_failures_are_counted_and_a_good_token_gets_in_all_the_same(desk: Desk) -> None:
    """The address of a guesser has to wait; nobody is locked out by it."""
    bad = desk.issuer.token(sub="client-2")
    refusals = []
    for _ in range(32):
        verdict = await desk.login(bad)
        assert isinstance(verdict, Denial)
        refusals.append(verdict.refusal)

    assert refusals[0] is Refusal.TOKEN_REFUSED
    assert refusals[-1] is Refusal.TOO_MANY_FAILURES
    assert isinstance(await desk.login(desk.issuer.token()), Grant)


async def test_an_issuer_that_is_away_is_no_fault_of_the_client(desk: Desk) -> None:
    """454, and nothing is counted."""
    desk.issuer.answers[KEYS] = lambda handler: send(handler, b"", 503)

    for _ in range(30):
        verdict = await desk.login(desk.issuer.token())
        assert isinstance(verdict, Denial)
        assert verdict.refusal is Refusal.LOGIN_UNAVAILABLE
        assert "503" in verdict.cause
