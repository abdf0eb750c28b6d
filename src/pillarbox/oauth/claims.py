"""What stands in an access token of Microsoft, and whether it can be meant for a mailbox. Pure.

Decoded and not verified: the token came from the issuer itself over TLS, and only explains.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pillarbox.oauth.clouds import CLOUDS, Cloud
from pillarbox.oauth.sign_in import SignIn

SEND_AS_APP = "SMTP.SendAsApp"
SEND = "SMTP.Send"
MAIL_SEND = "Mail.Send"
MAIL_WRITE = "Mail.ReadWrite"
GRAPH_ID = "00000003-0000-0000-c000-000000000000"
"""The id of Microsoft Graph, which some tokens have as their audience."""

_SHOWN = 100
_APP_ROLES = {Cloud.HVE: MAIL_SEND}


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that matter. Times are in seconds since 1970; "" and 0: not there."""

    audience: str
    tenant_id: str
    client_id: str
    user: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    ends_at: int
    begins_at: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a token. `fix` "": it is in order."""

    text: str
    fix: str = ""


def read_claims(token: str) -> Claims | None:
    """The claims of a JWT; None for a token that is none: those of private persons are opaque."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    roles = claims.get("roles")
    return Claims(
        audience=_text(claims.get("aud")),
        tenant_id=_text(claims.get("tid")),
        client_id=_text(claims.get("appid") or claims.get("azp")),
        user=_text(claims.get("upn") or claims.get("unique_name")),
        roles=tuple(map(_text, roles)) if isinstance(roles, list) else (),
        scopes=tuple(_text(claims.get("scp")).split()),
        ends_at=_seconds(claims.get("exp")),
        begins_at=_seconds(claims.get("nbf")),
    )


def _seconds(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    text = value[:_SHOWN] if isinstance(value, str) else ""
    return text if text.isprintable() else ""


def judge(
    claims: Claims, sign_in: SignIn, cloud: Cloud, *, graph_root: str = "", drafts: bool = False
) -> list[Finding]:
    """What is right and wrong with a token for SMTP, or for the Graph at `graph_root`, which
    `drafts` are to be made with."""
    if graph_root:
        needed = (MAIL_SEND, MAIL_WRITE) if drafts else (MAIL_SEND,)
        findings = [_graph_audience(claims, graph_root), _graph_permission(claims, sign_in, needed)]
    else:
        findings = [_audience(claims, cloud), _permission(claims, sign_in, cloud)]
    ids = (
        ("tenant", claims.tenant_id, sign_in.tenant_id),
        ("application", claims.client_id, sign_in.client_id),
    )
    for name, found, wanted in ids:
        # A tenant can be named by its domain as well.
        is_other = "." not in wanted and wanted != CLOUDS[cloud].tenant
        if found and is_other and found.lower() != wanted.lower():
            fix = f"Check the {name} id of the route"
            findings.append(Finding(f"The token is for the {name} {found}, not {wanted}", fix))
    return findings


def _audience(claims: Claims, cloud: Cloud) -> Finding:
    facts = CLOUDS[cloud]
    hosts = {_host(scope) for scope in (facts.app_scope, facts.user_scope) if scope}
    host = _host(claims.audience)
    if host == _host(facts.graph_root):
        fix = "Ask for the scope of SMTP: leave it out, so that Pillarbox chooses it"
        return Finding(f"The audience is {host}: a token for Graph, not for SMTP", fix)
    known = "" if host in hosts else " (another name than usual)"
    return Finding(f"The audience is {host or 'not said'}{known}")


def _graph_audience(claims: Claims, graph_root: str) -> Finding:
    host = _host(claims.audience)
    if host in (_host(graph_root), GRAPH_ID):
        return Finding(f"The audience is {host}")
    fix = "Check the cloud of the route: each has a Graph of its own"
    return Finding(f"The audience is {host or 'not said'}, not {_host(graph_root)}", fix)


def _graph_permission(claims: Claims, sign_in: SignIn, wanted: Sequence[str]) -> Finding:
    is_for_a_person = sign_in.flow.is_for_a_person
    found = claims.scopes if is_for_a_person else claims.roles
    shown = " ".join(found) or "none"
    missing = " and ".join(name for name in wanted if name not in found)
    if not missing:
        return Finding(f"The permissions are {shown}")
    if is_for_a_person:
        fix = f"Add the delegated permission {missing} of Graph, consent, sign in again"
        return Finding(f"The permissions are {shown}, without {missing}", fix)
    return Finding(
        f"The application permissions are {shown}: right with RBAC for Applications (variant B);"
        f" with variant A {missing} of Microsoft Graph or the admin consent is missing"
    )


def judge_person(claims: Claims, mailbox: str) -> list[Finding]:
    """By Graph a person uses his own mailbox: others need permissions that are not asked for."""
    if not claims.user or claims.user.lower() == mailbox.lower():
        return []
    fix = f"Sign in as {mailbox}; for a shared mailbox use --way smtp, or an application"
    return [Finding(f"{claims.user} has signed in, not {mailbox}", fix)]


def _host(url: str) -> str:
    """The host of an address; of what is none, itself."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _permission(claims: Claims, sign_in: SignIn, cloud: Cloud) -> Finding:
    if sign_in.flow.is_for_a_person:
        scopes = " ".join(claims.scopes) or "none"
        who = f" of {claims.user}" if claims.user else ""
        if SEND in claims.scopes:
            return Finding(f"The permissions{who} are {scopes}")
        fix = f"Add the delegated permission {SEND} to the registration, consent, sign in again"
        return Finding(f"The permissions{who} are {scopes}, without {SEND}", fix)
    wanted = _APP_ROLES.get(cloud, SEND_AS_APP)
    roles = " ".join(claims.roles) or "none"
    if wanted in claims.roles:
        return Finding(f"The application permissions are {roles}")
    if cloud is Cloud.HVE:
        fix = f"Add the application permission {wanted} of Office 365 Exchange Online, and consent"
        return Finding(f"The application permissions are {roles}, without {wanted}", fix)
    return Finding(
        f"The application permissions are {roles}: right with RBAC for Applications (variant B);"
        f" with variant A {wanted} or the admin consent is missing"
    )
