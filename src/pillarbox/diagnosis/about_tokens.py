"""A token of OAuth2 as it can be read without its issuer: for whom, for what, until when. Pure.

It is decoded and not verified: only its issuer and the server judge it.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable

from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.facts import Facts, TokenFacts
from pillarbox.diagnosis.finding import Finding
from pillarbox.oauth.claims import SEND, SEND_AS_APP, Claims, read_claims
from pillarbox.oauth.clouds import CLOUDS, CloudFacts

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""RFC 6750 section 2.1: b64token; tokens of Outlook.com have characters of it alone as well."""

_SKEW_SECONDS = 300
_DAY = 86_400


def read_token(text: str) -> TokenFacts:
    """What stands in a token."""
    if what := _malformed(text):
        return TokenFacts(malformed=what)
    claims = read_claims(text)
    if claims is None:
        return TokenFacts(is_opaque=True)
    return TokenFacts(
        audience=claims.audience,
        owner=_owner(claims),
        permissions=(*claims.scopes, *claims.roles),
        begins_at=claims.begins_at,
        ends_at=claims.ends_at,
    )


def _owner(claims: Claims) -> str:
    if claims.user or not claims.client_id:
        return claims.user
    return f"the application {claims.client_id}"


def _malformed(text: str) -> str:
    if not text:
        return "it is empty"
    if text[:7].lower() == "bearer ":
        return "the word Bearer stands before it"
    if not _TOKEN.fullmatch(text):
        return "it has quotes, blanks, line breaks or other characters that no token has"
    try:
        inner = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ""
    if b"auth=Bearer " in inner:
        return "it is the whole login of XOAUTH2 in base64, with the token inside"
    return ""


def about_token(facts: Facts) -> Iterable[Finding]:
    """What is wrong with the token for this server."""
    token = facts.token
    if token is None:
        return
    where = "token"
    if token.malformed:
        yield found("TOKEN-MALFORMED", where, what=token.malformed)
    elif token.is_opaque:
        yield found("TOKEN-OPAQUE", where)
    else:
        yield from _of_time(token, facts.now, where)
        yield from _of_purpose(token, facts, where)
        yield found(
            "TOKEN-READ",
            where,
            audience=token.audience or "nobody that it names",
            owner=token.owner or "nobody that it names",
            permissions=" ".join(token.permissions) or "no permissions",
            left=in_words(token.ends_at - facts.now) if token.ends_at else "no time that it names",
        )


def _of_time(token: TokenFacts, now: float, where: str) -> Iterable[Finding]:
    if token.ends_at and token.ends_at <= now:
        yield found(
            "TOKEN-EXPIRED", where, f"exp {token.ends_at}", ago=in_words(now - token.ends_at)
        )
    elif token.begins_at > now + _SKEW_SECONDS:
        ahead = in_words(token.begins_at - now)
        yield found("TOKEN-NOT-YET-VALID", where, f"nbf {token.begins_at}", ahead=ahead)


def _of_purpose(token: TokenFacts, facts: Facts, where: str) -> Iterable[Finding]:
    """What Microsoft's servers want; of others nobody says what they do."""
    cloud = next((c for c in CLOUDS.values() if c.host == facts.target.host), None)
    if cloud is not None:
        scope = cloud.app_scope or cloud.user_scope
        if _host(token.audience) not in _audiences(cloud):
            yield found("TOKEN-AUDIENCE", where, audience=token.audience or "nobody", scope=scope)
        elif not {SEND, SEND_AS_APP} & set(token.permissions):
            permissions = " ".join(token.permissions) or "none"
            wanted = f"{SEND} (a person) or {SEND_AS_APP} (an application)"
            yield found("TOKEN-SCOPE", where, permissions=permissions, wanted=wanted)
    owner, user = token.owner, facts.username
    if "@" in owner and user and owner.lower() != user.lower():
        yield found("TOKEN-USER", where, owner=owner, user=user)


def _audiences(cloud: CloudFacts) -> set[str]:
    hosts = {_host(scope) for scope in (cloud.app_scope, cloud.user_scope) if scope}
    # Exchange Online's own id, which tokens of version 2 have as their audience.
    return hosts | {"00000002-0000-0ff1-ce00-000000000000"}


def _host(text: str) -> str:
    rest = text.partition("://")[2] or text
    return rest.partition("/")[0].lower()


def in_words(seconds: float) -> str:
    """A time in the largest unit that says enough."""
    if seconds < 0:
        return "the past"
    if seconds >= 2 * _DAY:
        return f"{int(seconds // _DAY)} days"
    if seconds >= 7200:
        return f"{int(seconds // 3600)} hours"
    return f"{int(seconds // 60)} minutes"
