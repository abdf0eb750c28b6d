"""What a server offers as logins, what became of the one try, and what the login may send. Pure."""

import re
from collections.abc import Iterable

from pillarbox.diagnosis.about_servers import offered_under_tls
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.facts import Answer, Facts, LoginTry, SenderTry
from pillarbox.diagnosis.finding import Finding, shown
from pillarbox.explain.remedies import Stage as ReplyStage
from pillarbox.explain.replies import ReplyContext, explain_reply

_PASSWORDS = frozenset({"PLAIN", "LOGIN"})
_STRONG = frozenset({*_PASSWORDS, "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_TOKENS = frozenset({"XOAUTH2", "OAUTHBEARER"})
_OTHERS = frozenset({"GSSAPI", "GSS-SPNEGO", "EXTERNAL", "KERBEROS_V4"})
"""Logins without a password that is typed in; not for us to judge."""

_WANTS_LOGIN = frozenset({503, 530, 538})
_RELAY_PORT = 25
_NEW_AUTH = re.compile(rb"^250[ -]AUTH ", re.MULTILINE | re.IGNORECASE)


def about_mechanisms(facts: Facts) -> Iterable[Finding]:
    """What the logins that are offered mean for clients."""
    seen: set[tuple[int, str]] = set()
    for attempt in facts.attempts:
        where = f"port {attempt.port}"
        names: list[tuple[str, str, str]] = []
        if _PASSWORDS & set(attempt.before_tls):
            names.append(("AUTH-BEFORE-TLS", "", " ".join(attempt.before_tls)))
        if attempt.works:
            heard = offered_under_tls(attempt)
            names += _of_offer(attempt.mechanisms, heard, is_relay=attempt.port == _RELAY_PORT)
        for name, evidence, offered in names:
            if (attempt.port, name) not in seen:
                seen.add((attempt.port, name))
                yield found(name, where, evidence, offered=offered)


def _of_offer(
    mechanisms: tuple[str, ...], heard: bytes, *, is_relay: bool
) -> Iterable[tuple[str, str, str]]:
    offered, known = " ".join(mechanisms), set(mechanisms)
    evidence = shown(heard)
    if not known:
        if not is_relay:
            yield "AUTH-NOT-OFFERED", evidence, offered
    elif known & _TOKENS and not known & (_STRONG | _OTHERS):
        yield "AUTH-TOKEN-ONLY", evidence, offered
    elif not known & (_STRONG | _TOKENS | _OTHERS):
        yield "AUTH-WEAK-ONLY", evidence, offered
    elif "PLAIN" not in known:
        yield "AUTH-NO-PLAIN", evidence, offered
    if known and not _NEW_AUTH.search(heard):
        yield "AUTH-OLD-SYNTAX", evidence, offered


def about_login(facts: Facts) -> Iterable[Finding]:
    """What became of the one try to log in."""
    tried = facts.login
    if tried is None:
        return
    where = f"port {tried.port}"
    if not tried.mechanism:
        yield _not_offered(tried, where)
    elif tried.broke:
        yield found("LOGIN-BROKEN", where, what=tried.broke)
    elif tried.answer is not None and tried.answer.reply.code >= 400:
        name = "TOKEN-REFUSED" if tried.is_by_token else "LOGIN-REFUSED"
        if tried.answer.reply.code < 500:
            name = "LOGIN-UNAVAILABLE"
        yield _explained(
            found(name, where, mechanism=tried.mechanism), tried.answer, facts, ReplyStage.AUTH
        )


def _not_offered(tried: LoginTry, where: str) -> Finding:
    offered = " ".join(tried.offered) or "none"
    if tried.is_by_token:
        advice = "log in with a password; this server knows no OAuth2"
    elif _TOKENS & set(tried.offered):
        advice = "log in with a token of OAuth2: passwords are switched off here"
    else:
        advice = "use a port for submission (587 or 465), or turn on AUTH there"
    wanted = "a token" if tried.is_by_token else "a password"
    return found("LOGIN-NOT-OFFERED", where, offered=offered, wanted=wanted, advice=advice)


def about_sender(facts: Facts) -> Iterable[Finding]:
    """What the login may send, as far as MAIL and RCPT tell."""
    tried = facts.sender
    if tried is None:
        return
    where = f"port {tried.port}"
    if tried.answer.reply.code >= 400:
        wants_login = tried.answer.reply.code in _WANTS_LOGIN
        name = "LOGIN-NEEDED" if wants_login else "SENDER-REFUSED"
        made = found(name, where, sender=tried.sender)
        yield _explained(made, tried.answer, facts, ReplyStage.MAIL)
        return
    if tried.recipient_answer is not None and tried.recipient_answer.reply.code >= 400:
        made = found("RECIPIENT-REFUSED", where, recipient=tried.recipient)
        yield _explained(made, tried.recipient_answer, facts, ReplyStage.RCPT)
    yield from _beside(tried, where)
    if tried.message is not None:
        taken = tried.message.reply.code < 300
        made = found(
            "MESSAGE-SENT" if taken else "MESSAGE-REFUSED",
            where,
            tried.message.evidence,
            recipient=tried.recipient,
            mark=tried.mark,
        )
        yield made if taken else _explained(made, tried.message, facts, ReplyStage.CONTENT)


def _beside(tried: SenderTry, where: str) -> Iterable[Finding]:
    """What was tried beside the sender itself."""
    if tried.foreign is not None and tried.foreign.reply.code < 300:
        yield found("SENDER-ANY", where, tried.foreign.evidence, sender=tried.foreign_sender)
    if tried.oversize is not None and tried.oversize.reply.code < 300:
        yield found("SIZE-NOT-KEPT", where, tried.oversize.evidence, limit=tried.size_limit)


def _explained(made: Finding, answer: Answer, facts: Facts, stage: ReplyStage) -> Finding:
    """The finding with what is known of the very reply, where more than its code is known."""
    known = explain_reply(answer.reply, ReplyContext(stage=stage, host=facts.target.host))
    is_better = known is not None and (known.provider or not known.id.startswith("rfc-"))
    return Finding(
        id=made.id,
        severity=made.severity,
        where=made.where,
        cause=known.cause.rstrip(".") if known and is_better else made.cause,
        fix=known.fix.rstrip(".") if known and is_better else made.fix,
        evidence=answer.evidence,
    )
