"""Refusals: every text fits, says something to do, and has matching codes."""

import re
import string

import pytest

from pillarbox.explain.refusals import UNSPOKEN, Fact, Refusal
from pillarbox.explain.replies import explain_text
from pillarbox.smtp.server_content import NO_RECIPIENT

SESSION_ID = "0123456789ABC"
FACTS: dict[str, Fact] = {
    "limit": 10**20,
    "minutes": 60,
    "text": "x" * 100,
    "mailbox": "x" * 254,
    "order": NO_RECIPIENT,
    "form": "MAIL FROM:<name@domain>",
    "parameter": "SMTPUTF8",
    "fault": "the part before the @ has a dot at an end, or two in a row: it needs double quotes",
}

AS_EVERY_SERVER = {
    "LOGIN_UNAVAILABLE": "rfc-454",
    "TLS_UNAVAILABLE": "rfc-454",
    "TOO_MANY_SESSIONS": "too-many-connections",
    "TOO_MANY_RECIPIENTS": "rfc-x.5.3",
    "SIZE_EXCEEDED": "rfc-x.2.3",
    "LOOP": "rfc-x.4.6",
    "NO_RETURN_ADDRESS": "rfc-x.1.1",
    "SYNTAX_ADDRESS": "rfc-x.1.3",
    "SYNTAX_SENDER": "rfc-x.1.7",
    "UTF8_NOT_ASKED": "rfc-x.6.7",
    **dict.fromkeys(("SPOOL_FULL", "SPOOL_AWAY", "SHUTTING_DOWN"), "rfc-x.3.0"),
    **dict.fromkeys(("SERVICE_BUSY", "INTERNAL"), "rfc-x.3.0"),
    **dict.fromkeys(("LOGIN_TWICE", "LOGIN_IN_TRANSACTION", "INJECTED_BEFORE_TLS"), "rfc-x.5.0"),
    **dict.fromkeys(("LINE_TOO_LONG", "UNKNOWN_COMMAND", "NOT_IMPLEMENTED"), "rfc-x.5.0"),
    **dict.fromkeys(("BAD_SEQUENCE", "DATA_NOT_FOR_BINARY", "SYNTAX"), "rfc-x.5.0"),
    **dict.fromkeys(("CONTROL_CHARACTER", "BAD_CHUNK"), "rfc-x.5.0"),
    **dict.fromkeys(("PARAMETER_UNKNOWN", "PARAMETER_INVALID"), "rfc-x.5.0"),
}
"""Refusals of which the general row says all that there is to say."""

every_refusal = pytest.mark.parametrize("refusal", list(Refusal), ids=lambda r: r.name)


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@every_refusal
def test_replies_fit_on_one_line(refusal: Refusal) -> None:
    """RFC 5321 4.5.3.1.5: 512 octets, with the longest facts and the id at the end."""
    encoded = refusal.reply(SESSION_ID, **FACTS).encode()

    assert len(encoded) <= 512
    assert encoded.endswith(b" [0123456789ABC]\r\n")
    assert encoded.count(b"\r\n") == 1
    assert b"?" not in encoded


@every_refusal
def test_codes_match(refusal: Refusal) -> None:
    """The class of code and enhanced code are the same (RFC 2034 section 4)."""
    value = refusal.value

    assert 400 <= value.code <= 599
    assert re.fullmatch(r"[45]\.\d{1,3}\.\d{1,3}", value.enhanced)
    assert value.enhanced[0] == str(value.code)[0]


@every_refusal
def test_texts_are_for_people(refusal: Refusal) -> None:
    """Text and hint are there, without a full stop before the id, and places have known facts."""
    value = refusal.value

    assert len(value.text) > 20
    assert len(value.cause_hint) > 20
    assert not value.text.endswith(".")
    assert value.cause_hint.endswith(".")
    assert _places(value.text) <= set(FACTS)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refusal.AUTH_NEEDS_ENCRYPTION, ["STARTTLS", "465", "SSL/TLS"]),
        (Refusal.AUTH_BEFORE_ENCRYPTION, ["STARTTLS", "465", "SSL/TLS"]),
        (Refusal.AUTH_REQUIRED, ["authentication", "user name", "password"]),
        (Refusal.LOGIN_FAILED, ["user name", "password"]),
        (Refusal.SENDER_NOT_ALLOWED, ["sender address", "send-as"]),
        (Refusal.FROM_NOT_ALLOWED, ["From", "quotes", "send-as"]),
        (Refusal.WRONG_PORT, ["465", "STARTTLS"]),
        (Refusal.WRONG_PORT_HEALED, ["465", "STARTTLS"]),
        (Refusal.PLAIN_ON_TLS_PORT, ["SSL/TLS", "587", "STARTTLS"]),
        (Refusal.TLS_TOO_OLD, ["TLS 1.2", "firmware"]),
        (Refusal.UTF8_NOT_ASKED, ["SMTPUTF8"]),
        (Refusal.BARE_LINE_END, ["CR LF"]),
    ],
    ids=lambda value: value.name if isinstance(value, Refusal) else "",
)
def test_texts_name_the_setting(refusal: Refusal, words: list[str]) -> None:
    """Each tells which setting of the client to change."""
    text = refusal.reply(SESSION_ID).text

    assert all(word in text for word in words)


def test_a_reply_is_filled_with_facts() -> None:
    """Places take their facts; facts without a place are left out."""
    answer = Refusal.SIZE_EXCEEDED.reply(SESSION_ID, limit=1000, other="x")

    assert "at most 1000 octets" in answer.text
    assert str(answer).startswith("552 5.3.4 ")


def test_a_missing_fact_is_our_own_fault() -> None:
    """A text is never sent with an empty place."""
    with pytest.raises(KeyError):
        Refusal.SIZE_EXCEEDED.reply(SESSION_ID)


@pytest.mark.parametrize("refusal", [r for r in Refusal if r not in UNSPOKEN], ids=lambda r: r.name)
def test_what_we_say_is_explained_as_ours(refusal: Refusal) -> None:
    """Not by a row of somebody else's server, whose settings are not to be found here."""
    found = explain_text(str(refusal.reply(SESSION_ID, **FACTS)))

    assert found is not None
    usual = AS_EVERY_SERVER.get(refusal.name)
    assert (found.id if usual else found.provider) == (usual or "pillarbox")
