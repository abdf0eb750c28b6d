"""Logins without a password: tokens by SASL, the messages of SCRAM, and the tokens themselves. Each
is read a second time in another way than the server does."""

import base64
import json
import re

from tests.fuzz.draw import Draw

from pillarbox.explain.refusals import Refusal
from pillarbox.policy.tokens import ALGORITHMS, Origin, TokenError, origin_of
from pillarbox.smtp.events import BearerToken, ScramFinal, ScramFirst
from pillarbox.smtp.sasl import Challenge
from pillarbox.smtp.sasl_oauth import OAuthBearerExchange, XOAuth2Exchange
from pillarbox.smtp.sasl_scram import ScramExchange

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PRINTED = frozenset(range(0x21, 0x7F))
_VALUE = _PRINTED | frozenset(b" \t\r\n")
_TOKEN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")


def tokens(octets: bytes) -> None:
    """OAUTHBEARER and XOAUTH2: account and token are what was sent; nothing else is a token."""
    draw = Draw(octets)
    by_standard = draw.flag()
    response = draw.rest()
    exchange = OAuthBearerExchange() if by_standard else XOAuth2Exchange()
    assert exchange.start() == Challenge(b"")
    json.loads(exchange.failure)

    outcome = exchange.answer(response)

    account = _bearer_account(response) if by_standard else _user(response)
    token = _token(response)
    if account is None or token is None:
        assert outcome in (Refusal.LOGIN_SYNTAX, Refusal.TOKEN_REFUSED)
    else:
        mechanism = "OAUTHBEARER" if by_standard else "XOAUTH2"
        assert outcome == BearerToken(mechanism, account, token)


def _user(response: bytes) -> str | None:
    word = response.split(b"\x01")[0]
    return _name(word[5:]) if word.startswith(b"user=") else None


def _bearer_account(response: bytes) -> str | None:
    parts = response.split(b"\x01")[0].split(b",")
    if len(parts) != 3 or parts[0] not in (b"n", b"y") or parts[2] or parts[1][:2] != b"a=":
        return None
    return _name(_plain(parts[1][2:]))


def _plain(name: bytes) -> bytes:
    """A name without its escapes; empty, which is no name, where one of them is none."""
    out = b""
    while name:
        if name[:1] != b"=":
            out, name = out + name[:1], name[1:]
        elif name[:3] in (b"=2C", b"=3D"):
            out, name = out + (b"," if name[2:3] == b"C" else b"="), name[3:]
        else:
            return b""
    return out


def _name(octets: bytes) -> str | None:
    try:
        name = octets.decode()
    except UnicodeDecodeError:
        return None
    return name if name and not _CONTROLS.search(name) else None


def _token(response: bytes) -> str | None:
    """The value of auth in pairs that are all right."""
    pieces = response.split(b"\x01")[1:]
    if len(pieces) < 2 or pieces[-2:] != [b"", b""]:
        return None
    found: dict[bytes, bytes] = {}
    for piece in pieces[:-2]:
        key, equals, value = piece.partition(b"=")
        key = key.lower()
        if not equals or not key.isalpha() or not key.isascii() or key in found:
            return None
        if not set(value) <= _VALUE:
            return None
        found[key] = value
    scheme, blank, token = found.get(b"auth", b"").partition(b" ")
    token = token.lstrip(b" ")
    body = token.rstrip(b"=")
    if scheme.lower() != b"bearer" or not blank or not body or not set(body) <= _TOKEN:
        return None
    return token.decode("ascii")


def scram(octets: bytes) -> None:
    """The client's messages of SCRAM: the name is what was sent, and nothing else is looked up."""
    draw = Draw(octets)
    first, final = draw.line(), draw.rest()
    exchange = ScramExchange()

    outcome = exchange.answer(first)

    name = _scram_name(first)
    if isinstance(outcome, ScramFirst):
        assert outcome == ScramFirst(name or "", first.decode())
    else:
        assert outcome in (Refusal.LOGIN_SYNTAX, Refusal.LOGIN_FAILED)
        assert name is None
    proof = exchange.answer(final)
    assert proof is Refusal.LOGIN_SYNTAX or proof == ScramFinal(final.decode("ascii"))


def _scram_name(message: bytes) -> str | None:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return None
    flag, _, rest = text.partition(",")
    authzid, _, bare = rest.partition(",")
    words = bare.split(",")
    if flag not in ("n", "y") or authzid or len(words) < 2 or _CONTROLS.search(text):
        return None
    name, nonce, *others = words
    if name[:2] != "n=" or nonce[:2] != "r=" or not nonce[2:]:
        return None
    if not set(nonce.encode()) <= _PRINTED:
        return None
    if any(not re.fullmatch("[A-Za-z]=.+", word, re.DOTALL) for word in others):
        return None
    return _name(_plain(name[2:].encode()))


def jwt(octets: bytes) -> None:
    """Where a token says that it comes from: read, or refused by the one error there is."""
    draw = Draw(octets)
    as_text = draw.flag()
    header, claims = draw.line(), draw.rest()
    token = octets.decode("latin-1")
    if not as_text:
        packed = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (header, claims))
        token = ".".join((*packed, "c2ln"))

    try:
        origin = origin_of(token)
    except TokenError:
        return

    assert isinstance(origin, Origin)
    assert token.count(".") == 2
    if not as_text:
        said = json.loads(header)
        assert said["alg"] in ALGORITHMS
        assert said.get("kid") == origin.kid
        assert json.loads(claims)["iss"] == origin.issuer
