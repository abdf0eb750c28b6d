"""The way of a delivered message: circles, delays, clocks, and what its receiver found. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from pillarbox.diagnosis.about_tokens import in_words
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.finding import Finding, Severity
from pillarbox.diagnosis.message_facts import Message
from pillarbox.diagnosis.message_path import Hop, MethodResult, hops, results

LOOP_TIMES = 4
"""A server that hands mail to its own filters and back takes it two or three times."""
MANY_HOPS = 25
SLOW_SECONDS = 300
CLOCK_SECONDS = 60
_SPAM_SCL = 5
"""Microsoft 365: 5 and 6 are spam, 9 is spam for certain."""

_GOOD = frozenset({"pass", "none", "neutral", "bestguesspass", "skipped", "policy"})
_MEANINGS = {
    ("spf", "fail"): "the address that it came from is none of those that the domain names",
    ("spf", "softfail"): "the address that it came from is probably none of the domain's",
    ("dkim", "fail"): "the signature does not fit: the message was changed, or the key is another",
    ("dmarc", "fail"): "neither SPF nor a signature speaks for the domain in From",
    ("arc", "fail"): "the seals of those who passed it on do not fit",
    ("compauth", "fail"): "by all it knows, Microsoft does not believe who sent it",
    ("iprev", "fail"): "the address that it came from has no name that leads back to it (PTR)",
}
_FIXES = {
    "spf": "put the server that sent it into the SPF record: pillarbox doctor dns DOMAIN",
    "dkim": "see the signatures above; nothing may change the message behind the signer",
    "dmarc": "sign with the domain in From, or send under it from a server that SPF names",
    "compauth": "mend SPF, DKIM and DMARC of the domain in From",
    "iprev": "have whoever owns the address set a name (PTR)",
}


def span(seconds: float) -> str:
    """A time in words, seconds too."""
    return f"{round(seconds)} seconds" if 0 <= seconds < 120 else in_words(seconds)


def about_path(message: Message) -> Iterable[Finding]:
    """All findings of the Received fields and of what the receiver wrote."""
    way = hops(message)
    yield from _about_circles(way)
    yield from _about_times(way)
    told = results(message)
    passes = any(one.method == "dmarc" and one.result == "pass" for one in told)
    for one in told:
        yield from _about_result(one, passes=passes)
    if what := _spam(message):
        yield found("MESSAGE-SPAM", "header", what=what)


def _about_circles(way: tuple[Hop, ...]) -> Iterable[Finding]:
    for server, count in Counter(hop.server for hop in way if "." in hop.server).items():
        if count >= LOOP_TIMES:
            yield found("MESSAGE-LOOP", "Received", server=server, count=count)
            return
    if len(way) >= MANY_HOPS:
        yield found("MESSAGE-MANY-HOPS", "Received", count=len(way))


def _about_times(way: tuple[Hop, ...]) -> Iterable[Finding]:
    known = [hop for hop in way if hop.at is not None]
    for before, hop in pairwise(known):
        seconds = (hop.at or 0) - (before.at or 0)
        server = hop.server or "a server"
        if seconds >= SLOW_SECONDS:
            yield found(
                "MESSAGE-SLOW-HOP",
                "Received",
                server=server,
                age=span(seconds),
                before=before.server or "unknown",
            )
        elif seconds <= -CLOCK_SECONDS:
            yield found("MESSAGE-HOP-CLOCK", "Received", server=server, age=span(-seconds))


def _about_result(one: MethodResult, *, passes: bool) -> Iterable[Finding]:
    if one.result in _GOOD:
        return
    meaning = _MEANINGS.get((one.method, one.result), "")
    if not meaning:
        if one.result == "permerror":
            meaning = "the record of the domain, or the signature, can not be read"
        elif one.result == "temperror":
            meaning = "the DNS did not answer it"
        else:
            meaning = "it does not speak for the sender"
    severity = Severity.WARN
    if one.method in ("dmarc", "compauth") and one.result == "fail":
        severity = Severity.FAIL
    elif passes:
        # DMARC takes one of SPF and DKIM; that the other did not pass kept nothing back.
        severity = Severity.INFO
    yield found(
        "MESSAGE-RESULT",
        "Authentication-Results",
        one.text,
        severity=severity,
        server=one.server or "the receiver",
        method=one.method,
        result=one.result,
        meaning=meaning,
        fix=_FIXES.get(one.method, "see what it says beside the result"),
    )


def _spam(message: Message) -> str:
    if message.text("x-spam-flag").lower().startswith("yes"):
        return "X-Spam-Flag: YES"
    if message.text("x-spam-status").lower().startswith("yes"):
        return f"X-Spam-Status: {message.text('x-spam-status')[:80]}"
    level = message.text("x-ms-exchange-organization-scl")
    if not level:
        said = re.search(r"\bSCL:(-?\d+)", message.text("x-forefront-antispam-report"))
        level = said[1] if said else ""
    if re.fullmatch(r"\d{1,2}", level) and int(level) >= _SPAM_SCL:
        return f"SCL {level} of Microsoft 365"
    return ""
