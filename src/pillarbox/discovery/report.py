"""What was found, for people and for programs. Pure."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from pillarbox.discovery.answer import Discovery, client_settings
from pillarbox.discovery.findings import Check, CheckState, Login, Offer
from pillarbox.discovery.ranking import Suggestion
from pillarbox.publish.card import CARD_COLUMNS, door_text, render_fields
from pillarbox.publish.snippets import Snippet

Json: TypeAlias = str | int | bool | Sequence["Json"] | Mapping[str, "Json"] | None

FORMAT_VERSION = 1
"""Of the JSON. A name that is there keeps its meaning as long as this stays."""

_LOGINS = {
    Login.PASSWORD: "the password of the mailbox",
    Login.APP_PASSWORD: "an app password, which the account makes for one program",
    Login.OAUTH2: "OAuth2 (a token)",
    Login.SERVICE: "the credentials that the service gives out for SMTP",
}


def render_discovery(found: Discovery) -> str:
    """The settings card, with why, how sure, and what to confirm; or that nothing was found."""
    best = found.best
    if best is None:
        return _nothing(found)
    settings = client_settings(best, found.asking)
    fields = [("Server", settings.server)]
    fields += [("Port", door_text(door)) for door in settings.doors]
    fields += [
        ("User name", settings.username),
        ("Log in with", ", or ".join(_LOGINS[login] for login in best.logins)),
        ("Checked", _checked(best)),
        ("Why", best.why),
        ("How sure", _how_sure(best)),
    ]
    fields += [("Confirm", text) for text in best.confirm]
    fields += [("Note", text) for text in best.notes]
    fields += [("Also found", _in_one_line(other)) for other in found.suggestions[1:3]]
    fields += [("Not usable", _in_one_line(other)) for other in found.rejected[:3]]
    return render_fields(f"Settings for {found.query}", _wrapped(fields)) + "\n"


def _nothing(found: Discovery) -> str:
    lines = [f"No server for sending was found for {found.query}."]
    if found.trouble:
        lines.append(f"The search could not be made: {found.trouble}.")
    for other in found.rejected[:3]:
        lines.append(f"Not usable: {_in_one_line(other)}")
    lines += [f"{asked.source.value}: {asked.outcome}" for asked in found.asked]
    lines.append("Ask the provider of the mailbox for the name of its server for outgoing mail.")
    return "\n".join(lines) + "\n"


def _wrapped(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Long values go on in lines without a name."""
    wrapped: list[tuple[str, str]] = []
    for name, value in fields:
        lines = textwrap.wrap(value, CARD_COLUMNS - 13, break_long_words=False) or [""]
        wrapped += [(name, lines[0]), *(("", line) for line in lines[1:])]
    return wrapped


def _checked(suggestion: Suggestion) -> str:
    pairs = zip(suggestion.offers, suggestion.checks, strict=True)
    return "; ".join(f"port {offer.door.port}: {_result(check)}" for offer, check in pairs)


def _result(check: Check) -> str:
    if check.state is not CheckState.OK:
        return f"{check.state.value}, {check.problem}"
    offered = " ".join(check.mechanisms) or "no login"
    return f"ok ({check.tls}; offers {offered})"


def _how_sure(suggestion: Suggestion) -> str:
    said = f"{suggestion.confidence.name.lower()}; by {suggestion.source.value}"
    also = ", ".join(source.value for source in suggestion.agreed)
    return f"{said}, and also by {also}" if also else said


def _in_one_line(suggestion: Suggestion) -> str:
    return f"{suggestion.host} ({_checked(suggestion)}) by {suggestion.source.value}"


def as_json(found: Discovery, snippets: Iterable[Snippet] = ()) -> Json:
    """All that was found. Names that are there keep their meaning while `version` stays."""
    best = found.best
    return {
        "version": FORMAT_VERSION,
        "query": found.query,
        "domain": found.asking.domain,
        "found": best is not None,
        "settings": _suggestion(best, found) if best else None,
        "alternatives": [_suggestion(other, found) for other in found.suggestions[1:]],
        "rejected": [_suggestion(other, found) for other in found.rejected],
        "asked": [
            {"source": asked.source.value, "outcome": asked.outcome} for asked in found.asked
        ],
        "trouble": found.trouble or None,
        "snippets": {snippet.name: snippet.text for snippet in snippets},
    }


def _suggestion(suggestion: Suggestion, found: Discovery) -> Json:
    settings = client_settings(suggestion, found.asking)
    pairs = zip(suggestion.offers, suggestion.checks, strict=True)
    return {
        "server": suggestion.host,
        "ports": [_port(offer, check) for offer, check in pairs],
        "username": settings.username,
        "logins": [login.value for login in suggestion.logins],
        "mechanisms": list(suggestion.mechanisms),
        "source": suggestion.source.value,
        "also_by": [source.value for source in suggestion.agreed],
        "why": suggestion.why,
        "confidence": suggestion.confidence.name.lower(),
        "verified": suggestion.is_verified,
        "outside_domain": suggestion.is_outside,
        "provider": suggestion.provider or None,
        "confirm": list(suggestion.confirm),
        "notes": list(suggestion.notes),
    }


def _port(offer: Offer, check: Check) -> Json:
    return {
        "port": offer.door.port,
        "encryption": offer.door.encryption.value,
        "check": check.state.value,
        "problem": check.problem or None,
        "tls": check.tls or None,
    }
