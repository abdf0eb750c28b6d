"""How explanations of replies are shown, in all commands that show replies."""

from pillarbox.cli.output import Json
from pillarbox.explain.remedies import Bounce, Grade, Remedy, Scope
from pillarbox.explain.replies import Explanation, explain_text

PROVIDERS = {
    "microsoft365": "Microsoft 365",
    "google": "Google",
    "yahoo": "Yahoo",
    "amazon-ses": "Amazon SES",
    "pillarbox": "Pillarbox",
    "": "any server",
}

_REMEDIES = {
    Remedy.RETRY: "it passes by itself",
    Remedy.WAIT: "a limit of the next hop is reached, it moves on by itself",
    Remedy.CONFIGURATION: "a setting of the route, or of what sends, has to be changed",
    Remedy.ADMIN: "somebody has to change something at the next hop or in the DNS",
    Remedy.FINAL: "as it is, nothing makes it work",
}
_SCOPES = {
    Scope.RECIPIENT: "this recipient",
    Scope.MESSAGE: "this message",
    Scope.SENDER: "all mail of this sender",
    Scope.HOP: "all mail of this route or mailbox",
}
_BOUNCES = {
    Bounce.HARD: "nobody has the address",
    Bounce.SOFT: "it may pass another time",
    Bounce.QUOTA: "the mailbox is full",
    Bounce.POLICY: "a rule of the recipient's side",
    Bounce.REPUTATION: "of the address or domain that sends",
    Bounce.AUTHENTICATION: "SPF, DKIM, DMARC or the reverse DNS name",
    Bounce.CONTENT: "what is in the message, or its size",
    Bounce.LIMIT: "too much at once or in a time",
    Bounce.SETUP: "the route or the sender is not set up as the next hop wants",
    Bounce.OTHER: "none of the others",
}
_GRADES = {
    Grade.DOCUMENTED: "documented",
    Grade.FIELD: "seen in the field",
    Grade.UNSEEN: "not seen, probable only",
}


def explanation_facts(explanation: Explanation) -> list[tuple[str, str]]:
    """All of it, for people."""
    known = "; ".join(explanation.sources)
    return [
        ("Id", f"{explanation.id} ({PROVIDERS.get(explanation.provider, explanation.provider)})"),
        ("Cause", explanation.cause),
        ("Fix", explanation.fix),
        ("Class", f"{explanation.remedy.value}: {_REMEDIES[explanation.remedy]}"),
        ("Concerns", _SCOPES[explanation.scope]),
        ("Counts as", f"{explanation.bounce.value}: {_BOUNCES[explanation.bounce]}"),
        ("Known from", f"{known} ({_GRADES[explanation.grade]})"),
    ]


def explanation_record(explanation: Explanation | None) -> Json:
    """All of it, for programs; None: not known."""
    if explanation is None:
        return None
    return {
        "id": explanation.id,
        "provider": explanation.provider or None,
        "class": explanation.remedy.value,
        "scope": explanation.scope.value,
        "bounce": explanation.bounce.value,
        "cause": explanation.cause,
        "fix": explanation.fix,
        "grade": explanation.grade.value,
        "sources": list(explanation.sources),
    }


def explain_answer(reply: str, *, remote_host: str) -> Explanation | None:
    """The explanation of a reply that was kept. One of ours says what to do; only what it quotes of
    the next hop is explained."""
    found = explain_text(reply)
    if found is None or remote_host or found.provider or found.suspends:
        return found
    return None
