"""OAUTHBEARER and XOAUTH2: what is read of them, and how a refused token ends."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import BearerToken, TokenLogin
from pillarbox.smtp.sasl_mechanisms import TOKEN_MECHANISMS, exchange_for
from pillarbox.smtp.sasl_oauth import OAuthBearerExchange, XOAuth2Exchange, unescaped

if TYPE_CHECKING:
    from tests.support.smtp_session import Driver
    from tests.unit.smtp.conftest import Sessions

Cuts = Callable[[bytes], list[list[bytes]]]

MECHANISMS = ("PLAIN", "LOGIN", *TOKEN_MECHANISMS)
TOKEN = "eyJ.eyJ_-~+/.sig=="
XOAUTH2 = f"user=u1@t1.test\x01auth=Bearer {TOKEN}\x01\x01".encode()
OAUTHBEARER = f"n,a=u1@t1.test,\x01host=mx.test\x01port=587\x01auth=Bearer {TOKEN}\x01\x01".encode()
INITIAL = {"XOAUTH2": XOAUTH2, "OAUTHBEARER": OAUTHBEARER}
FAILED = reply(535, "5.7.8", "Login with OAuth2 failed")
FAILURES = {
    "XOAUTH2": b'{"status":"401","schemes":"bearer"}',
    "OAUTHBEARER": b'{"status":"invalid_token","schemes":"bearer"}',
}

names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
tokens = st.from_regex(r"[A-Za-z0-9._~+/-]{1,40}={0,2}", fullmatch=True)

both = pytest.mark.parametrize("mechanism", TOKEN_MECHANISMS)


def _session(sessions: Sessions) -> Driver:
    return sessions.encrypted(login_mechanisms=MECHANISMS)


@both
@pytest.mark.parametrize("initial", [True, False])
def test_a_token_logs_in(sessions: Sessions, mechanism: str, *, initial: bool) -> None:
    """With an initial response or behind an empty challenge."""
    session = _session(sessions)
    response = b64encode(INITIAL[mechanism])
    verb = f"AUTH {mechanism}".encode()

    if initial:
        codes = session.codes(b"%b %b\r\n" % (verb, response))
    else:
        assert session.send(verb.lower() + b"\r\n") == b"334 \r\n"
        codes = session.codes(response + b"\r\n")

    assert codes == [235]
    assert session.tokens == [BearerToken(mechanism, "u1@t1.test", TOKEN)]
    assert session.protocol.authenticated
    assert TOKEN not in repr(session.events)


@both
@pytest.mark.parametrize("dummy", [b"AQ==", b"", b"*", b"!!!", b"e30=", b"A" * 12_300])
def test_a_refused_token_is_told_twice(sessions: Sessions, mechanism: str, dummy: bytes) -> None:
    """JSON for the program, an answer that tells nothing, then the words for the person
    (RFC 7628 section 3.2.2); the session goes on."""
    session = _session(sessions)
    session.refusals[TokenLogin] = FAILED

    said = session.send(b"AUTH %b %b\r\n" % (mechanism.encode(), b64encode(INITIAL[mechanism])))

    assert said.startswith(b"334 ")
    assert b64decode(said[4:]) == FAILURES[mechanism]
    assert session.send(dummy + b"\r\n") == FAILED.encode()
    assert not session.protocol.authenticated
    assert session.codes(b"MAIL FROM:<a@a.test>\r\n") == [530]
    assert session.codes(b"AUTH PLAIN AHUAcA==\r\n") == [235]


@both
@pytest.mark.parametrize("code", [421, 454])
def test_what_is_no_fault_of_the_token_is_told_at_once(
    sessions: Sessions, mechanism: str, code: int
) -> None:
    """Too many failures, or an issuer that is away: no JSON, since the token may be good."""
    session = _session(sessions)
    session.refusals[TokenLogin] = reply(code, "4.7.0", "Later")

    line = b"AUTH %b %b\r\n" % (mechanism.encode(), b64encode(INITIAL[mechanism]))

    assert session.codes(line) == [code]
    assert session.protocol.closing == (code == 421)


@both
def test_tokens_arrive_in_any_splitting(sessions: Sessions, mechanism: str, cuts: Cuts) -> None:
    """The exchange does not depend on how the octets arrive."""
    line = b"AUTH %b %b\r\n" % (mechanism.encode(), b64encode(INITIAL[mechanism]))
    for pieces in cuts(line):
        session = _session(sessions)
        session.refusals[TokenLogin] = FAILED
        assert session.send_all(pieces).startswith(b"334 ")
        assert session.send_all([b"A", b"Q==\r", b"\n"]) == FAILED.encode()


@pytest.mark.parametrize(
    ("mechanism", "response", "refusal"),
    [
        ("XOAUTH2", b"", Refusal.LOGIN_SYNTAX),
        ("XOAUTH2", b"\x01", Refusal.LOGIN_SYNTAX),
        ("XOAUTH2", XOAUTH2[:-1], Refusal.LOGIN_SYNTAX),
        ("XOAUTH2", XOAUTH2 + b"\x01", Refusal.LOGIN_SYNTAX),
        ("XOAUTH2", XOAUTH2 + b"x", Refusal.LOGIN_SYNTAX),
        ("XOAUTH2", OAUTHBEARER, Refusal.LOGIN_SYNTAX),
        ("XOAUTH2", XOAUTH2.replace(b"u1@", b"u\x001@"), Refusal.LOGIN_SYNTAX),
        ("XOAUTH2", XOAUTH2.replace(b"u1@", b"u\r\n1@"), Refusal.LOGIN_SYNTAX),
        ("XOAUTH2", XOAUTH2.replace(b"u1@", b"\xff@"), Refusal.TOKEN_REFUSED),
        ("XOAUTH2", XOAUTH2.replace(b"u1@t1.test", b""), Refusal.TOKEN_REFUSED),
        ("XOAUTH2", XOAUTH2.replace(b"Bearer", b"Basic"), Refusal.TOKEN_REFUSED),
        ("XOAUTH2", b"user=u1@t1.test\x01\x01", Refusal.TOKEN_REFUSED),
        ("XOAUTH2", XOAUTH2[:-1] + b"auth=Bearer x\x01\x01", Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", b"", Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", b"\x01", Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", XOAUTH2, Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", OAUTHBEARER.replace(b",\x01", b","), Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", OAUTHBEARER.replace(b"n,", b"F,n,"), Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", OAUTHBEARER.replace(b"u1@", b"u=1@"), Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", OAUTHBEARER.replace(b"a=u1@t1.test", b""), Refusal.TOKEN_REFUSED),
        ("OAUTHBEARER", OAUTHBEARER.replace(b"n,", b"p=tls-exporter,"), Refusal.TOKEN_REFUSED),
        ("OAUTHBEARER", OAUTHBEARER.replace(b"port", b"host"), Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", OAUTHBEARER.replace(b"587", b"5\xc3\xbc7"), Refusal.LOGIN_SYNTAX),
        ("OAUTHBEARER", OAUTHBEARER.replace(b"eyJ", b"e J"), Refusal.TOKEN_REFUSED),
    ],
)
def test_what_is_no_token_is_refused(mechanism: str, response: bytes, refusal: Refusal) -> None:
    """No token comes of it."""
    exchange = exchange_for(mechanism)

    assert exchange is not None
    assert exchange.answer(response) is refusal


def test_no_token_at_all_ends_as_a_refused_one(sessions: Sessions) -> None:
    """A client that signs in elsewhere looks for the JSON."""
    session = _session(sessions)
    empty = b64encode(b"user=u1@t1.test\x01\x01")

    assert session.codes(b"AUTH XOAUTH2 %b\r\n" % empty) == [334]
    assert session.codes(b"\r\n") == [535]
    assert session.protocol.refusals == [Refusal.TOKEN_REFUSED]


@both
def test_tokens_are_not_taken_where_they_are_not_offered(
    sessions: Sessions, mechanism: str
) -> None:
    """EHLO did not list them."""
    session = sessions.encrypted()

    line = b"AUTH %b %b\r\n" % (mechanism.encode(), b64encode(INITIAL[mechanism]))

    assert session.codes(line) == [504]
    assert session.tokens == []


def test_tokens_are_offered_under_tls_alone(sessions: Sessions) -> None:
    """As every login."""
    plain = sessions.connected(login_mechanisms=MECHANISMS)
    encrypted = sessions.connected(tls="TLSv1.3 TEST", login_mechanisms=MECHANISMS)

    assert b"AUTH" not in plain.send(b"EHLO client.test\r\n")
    assert b"AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n" in encrypted.send(b"EHLO client.test\r\n")
    assert plain.codes(b"AUTH XOAUTH2 %b\r\n" % b64encode(XOAUTH2)) == [538]


@given(names, tokens)
def test_any_name_and_token_is_read_as_it_was_written(name: str, token: str) -> None:
    """By both mechanisms; with the escapes of RFC 5802 in one of them."""
    escaped = name.replace("=", "=3D").replace(",", "=2C")
    bearer = f"auth=Bearer {token}\x01\x01"

    assert XOAuth2Exchange().answer(f"user={name}\x01{bearer}".encode()) == BearerToken(
        "XOAUTH2", name, token
    )
    assert OAuthBearerExchange().answer(f"n,a={escaped},\x01{bearer}".encode()) == BearerToken(
        "OAUTHBEARER", name, token
    )


@given(st.binary(max_size=60), st.sampled_from(TOKEN_MECHANISMS))
def test_exchanges_never_raise(octets: bytes, mechanism: str) -> None:
    """Whatever a client sends, alone or inside of what is right."""
    exchange = exchange_for(mechanism)
    assert exchange is not None
    for response in (octets, INITIAL[mechanism].replace(b"u1@", octets)):
        outcome = exchange.answer(response)
        assert isinstance(outcome, BearerToken) or outcome in (
            Refusal.LOGIN_SYNTAX,
            Refusal.TOKEN_REFUSED,
        )


@given(st.binary(max_size=20))
def test_names_are_unescaped_in_one_way(octets: bytes) -> None:
    """What has another escape than the two is none."""
    name = unescaped(octets)

    if name is not None:
        assert name.replace(b"=", b"=3D").replace(b",", b"=2C") == octets.replace(b",", b"=2C")
