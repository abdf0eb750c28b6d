"""SASL exchanges that carry an OAuth2 token: OAUTHBEARER (RFC 7628) and XOAUTH2, which Google and
Microsoft made before it. The server's part.

    OAUTHBEARER    n,a=user@example.org,^Ahost=…^Aport=587^Aauth=Bearer TOKEN^A^A
    XOAUTH2        user=user@example.org^Aauth=Bearer TOKEN^A^A

Both are one message. Where the token is refused the server says so in JSON with 334, the client
answers with what tells nothing, and only then comes the refusal (RFC 7628 section 3.2.3).
"""

import re
from dataclasses import dataclass

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import Reply
from pillarbox.smtp.events import BearerToken
from pillarbox.smtp.sasl import CONTROLS, Challenge, Outcome, SaslFailure

SEPARATOR = b"\x01"

_GS2_HEADER = re.compile(rb"(?:n|y|(p=[A-Za-z0-9.-]+)),(?:a=([^,\x00]+))?,")
"""RFC 7628 3.1 with RFC 5801 section 4: whether the channel is bound, and for whom."""

_ESCAPED = re.compile(rb"=(?:2C|3D)|=")

_PAIR = re.compile(rb"([A-Za-z]+)=([\x20-\x7e\t\r\n]*)")
"""RFC 7628 3.1: kvpair."""

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
"""RFC 6750 section 2.1: b64token."""

_OAUTHBEARER_FAILURE = b'{"status":"invalid_token","schemes":"bearer"}'
_XOAUTH2_FAILURE = b'{"status":"401","schemes":"bearer"}'


@dataclass(frozen=True, slots=True)
class RefusedToken:
    """The exchange after the JSON: whatever comes now, the answer is `reply`."""

    reply: Reply

    def start(self) -> Outcome:
        """Nobody begins here."""
        return SaslFailure(self.reply)

    def answer(self, response: bytes) -> Outcome:
        """RFC 7628 3.2.3: "a dummy client response", %x01; of XOAUTH2 an empty one."""
        del response
        return SaslFailure(self.reply)


class OAuthBearerExchange:
    """OAUTHBEARER: a header with the account, then pairs of which one is the token."""

    failure = _OAUTHBEARER_FAILURE

    def start(self) -> Outcome:
        """An empty challenge: the client begins."""
        return Challenge(b"")

    def answer(self, response: bytes) -> Outcome:
        """The token with the account that it is for.

        RFC 7628 3.1 lets the server guess the account where none is named; here one must be.
        """
        header = _GS2_HEADER.match(response)
        if header is None:
            return Refusal.LOGIN_SYNTAX
        binding, account = header.groups()
        pairs = _pairs(response[header.end() :].removeprefix(SEPARATOR))
        if pairs is None or response[header.end() : header.end() + 1] != SEPARATOR:
            return Refusal.LOGIN_SYNTAX
        if binding is not None or account is None:
            return Refusal.TOKEN_REFUSED
        name = unescaped(account)
        return Refusal.LOGIN_SYNTAX if name is None else _token("OAUTHBEARER", name, pairs)


class XOAuth2Exchange:
    """XOAUTH2: pairs of which one is the account and one the token."""

    failure = _XOAUTH2_FAILURE

    def start(self) -> Outcome:
        """An empty challenge: the client begins."""
        return Challenge(b"")

    def answer(self, response: bytes) -> Outcome:
        """The token with the account that it is for."""
        user, separator, rest = response.partition(SEPARATOR)
        pairs = _pairs(rest)
        if not user.startswith(b"user=") or not separator or pairs is None:
            return Refusal.LOGIN_SYNTAX
        return _token("XOAUTH2", user.removeprefix(b"user="), pairs)


def unescaped(name: bytes) -> bytes | None:
    """A name in which "," stands as "=2C" and "=" as "=3D" (RFC 5802 section 5.1: saslname)."""
    if b"=" in _ESCAPED.findall(name):
        return None
    return name.replace(b"=2C", b",").replace(b"=3D", b"=")


def _pairs(octets: bytes) -> dict[bytes, bytes] | None:
    """Key and value of each pair up to the separator that ends them all; None where that is not
    what they are, or where one key stands there twice."""
    if octets == SEPARATOR:
        return {}
    if not octets.endswith(SEPARATOR * 2):
        return None
    pairs: dict[bytes, bytes] = {}
    for piece in octets[:-2].split(SEPARATOR):
        pair = _PAIR.fullmatch(piece)
        if pair is None or pair.group(1).lower() in pairs:
            return None
        pairs[pair.group(1).lower()] = pair.group(2)
    return pairs


def _token(mechanism: str, account: bytes, pairs: dict[bytes, bytes]) -> Outcome:
    bearer = _BEARER.fullmatch(pairs.get(b"auth", b""))
    try:
        username = account.decode()
    except UnicodeDecodeError:
        return Refusal.TOKEN_REFUSED
    if CONTROLS.search(username):
        return Refusal.LOGIN_SYNTAX
    if bearer is None or not username:
        return Refusal.TOKEN_REFUSED
    return BearerToken(mechanism, username, bearer.group(1).decode("ascii"))
