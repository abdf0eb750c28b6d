"""oauth.claims: what stands in a token, and whether it can be meant for a mailbox."""

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.issuer import jwt

from pillarbox.oauth.claims import judge, judge_person, read_claims
from pillarbox.oauth.clouds import CLOUDS, Cloud
from pillarbox.oauth.sign_in import Flow, SignIn

APP = SignIn(Flow.CLIENT_SECRET, "app-1", "https://login.test", "tenant-1")
PERSON = SignIn(Flow.DEVICE_CODE, "app-1", "https://login.test", "contoso.example")
SMTP = "https://outlook.office365.com"


def fixes(sign_in: SignIn, cloud: Cloud = Cloud.WORLDWIDE, **claims: object) -> list[str]:
    """What has to be mended."""
    found = read_claims(jwt(**claims))
    assert found is not None
    return [finding.fix for finding in judge(found, sign_in, cloud) if finding.fix]


@pytest.mark.parametrize(
    ("sign_in", "cloud", "claims"),
    [
        (APP, Cloud.WORLDWIDE, {"aud": SMTP, "roles": ["SMTP.SendAsApp"], "tid": "TENANT-1"}),
        (APP, Cloud.WORLDWIDE, {"aud": SMTP, "appid": "app-1"}),
        (APP, Cloud.HVE, {"aud": SMTP, "roles": ["Mail.Send"]}),
        (PERSON, Cloud.WORLDWIDE, {"aud": SMTP, "scp": "SMTP.Send openid", "tid": "0-0"}),
        (PERSON, Cloud.GCC_HIGH, {"aud": "https://outlook.office365.us", "scp": "SMTP.Send"}),
    ],
    ids=["variant A", "variant B", "HVE", "person", "GCC High"],
)
def test_a_token_that_fits(sign_in: SignIn, cloud: Cloud, claims: dict[str, object]) -> None:
    """Nothing is made up; a tenant may be named by its domain."""
    assert fixes(sign_in, cloud, **claims) == []


@pytest.mark.parametrize(
    ("sign_in", "cloud", "claims", "fix"),
    [
        (APP, Cloud.WORLDWIDE, {"aud": "https://graph.microsoft.com"}, "scope of SMTP"),
        (APP, Cloud.WORLDWIDE, {"aud": SMTP, "tid": "tenant-2"}, "tenant id"),
        (APP, Cloud.WORLDWIDE, {"aud": SMTP, "appid": "app-2"}, "application id"),
        (APP, Cloud.HVE, {"aud": SMTP, "roles": ["SMTP.SendAsApp"]}, "Mail.Send"),
        (PERSON, Cloud.WORLDWIDE, {"aud": SMTP, "scp": "Mail.Send"}, "SMTP.Send"),
    ],
)
def test_a_token_that_does_not_fit(
    sign_in: SignIn, cloud: Cloud, claims: dict[str, object], fix: str
) -> None:
    """What is wrong is named with its fix."""
    [found] = fixes(sign_in, cloud, **claims)

    assert fix in found


def test_a_token_for_drafts_needs_both_permissions() -> None:
    """A person's is refused without; of an application it may be RBAC's, which no token shows."""
    claims = read_claims(jwt(aud="https://graph.microsoft.com", scp="Mail.Send"))
    assert claims is not None
    root = "https://graph.microsoft.com"

    alone = judge(claims, PERSON, Cloud.WORLDWIDE, graph_root=root)
    drafts = judge(claims, PERSON, Cloud.WORLDWIDE, graph_root=root, drafts=True)

    assert [finding.fix for finding in alone] == ["", ""]
    assert "delegated permission Mail.ReadWrite" in drafts[1].fix


def test_by_graph_a_person_sends_from_his_own_mailbox() -> None:
    """Who signed in is told from the mailbox of the route."""
    claims = read_claims(jwt(upn="Ann@here.example"))
    assert claims is not None

    assert judge_person(claims, "ann@HERE.example") == []
    [found] = judge_person(claims, "shared@here.example")
    assert "Sign in as shared@here.example" in found.fix


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_NAMES = st.sampled_from(["aud", "tid", "appid", "azp", "upn", "roles", "scp", "exp"])


@given(st.dictionaries(_NAMES, _JSON), st.sampled_from(Cloud), st.sampled_from([APP, PERSON]))
def test_any_claims_are_judged(claims: dict[str, object], cloud: Cloud, sign_in: SignIn) -> None:
    """Whatever an issuer writes, and every text can be shown."""
    found = read_claims(jwt(**claims))

    assert found is not None
    assert all(finding.text.isprintable() for finding in judge(found, sign_in, cloud))
    assert CLOUDS[cloud].source


@given(st.text() | st.binary().map(lambda octets: f"a.{urlsafe_b64encode(octets).decode()}.c"))
def test_any_text_may_be_a_token(token: str) -> None:
    """Opaque ones are usual."""
    read_claims(token)


@pytest.mark.parametrize(
    "claims", ["[" * 100_000, json.dumps({"aud": "http://["}), "[]"], ids=["deep", "odd", "list"]
)
def test_claims_that_are_none(claims: str) -> None:
    """Nothing raises."""
    found = read_claims(f"a.{urlsafe_b64encode(claims.encode()).decode()}.c")

    if found is not None:
        judge(found, APP, Cloud.WORLDWIDE)
