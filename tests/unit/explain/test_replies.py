"""Replies of next hops: what is behind them, and what to do."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.explain.remedies import Bounce, Grade, Remedy, Scope, Stage, Way
from pillarbox.explain.replies import (
    MAX_TEXT_CHARACTERS,
    ReplyContext,
    bounce_of,
    explain_failure,
    explain_reply,
    explain_text,
    explanation_of,
)
from pillarbox.explain.reply_table import TABLE, Row
from pillarbox.mail.reply import Reply, reply
from pillarbox.smtp.client_replies import ReplyParser, to_reply

TRAILER = "[AM0PR01CA0001.eurprd01.prod.exchangelabs.com 2026-11-20T10:00:00.000Z 08DE0000]"
EXAMPLES = [(row, example) for row in TABLE.rows.values() for example in row.examples]
AS_SMTP = [(row, text) for row, text in EXAMPLES if row.stage is not None]
AS_HTTP = [(row, text) for row, text in EXAMPLES if row.way is not Way.SMTP]
PASTED = [
    (row, text)
    for row, text in EXAMPLES
    # Of the stage, or of HTTP, a pasted line tells nothing.
    if row.way is not Way.GRAPH and row.id not in {"rfc-550-mail", "rfc-554", "rfc-x.7.4"}
]
HOSTS = {"microsoft365": "smtp.office365.com", "google": "smtp.gmail.com"}

each_row = pytest.mark.parametrize("row", TABLE.rows.values(), ids=lambda row: row.id)


def _of_server(text: str) -> Reply:
    """A reply as it comes from a server."""
    parser = ReplyParser()
    parser.feed(f"{text}\r\n".encode())
    raw = parser.next_reply()
    assert raw is not None
    return to_reply(raw)


def _pairs(pairs: list[tuple[Row, str]]) -> pytest.MarkDecorator:
    ids = [f"{row.id}: {text[:40]}" for row, text in pairs]
    return pytest.mark.parametrize(("row", "text"), pairs, ids=ids)


def test_all_rows_of_microsoft_365_are_there() -> None:
    """64 of them, under ids that stay."""
    numbers = [row.id for row in TABLE.rows.values() if re.fullmatch(r"m365-\d\d", row.id)]

    assert numbers == [f"m365-{number:02}" for number in range(1, 65)]


@each_row
def test_every_row_says_why_what_to_do_and_where_it_is_known_from(row: Row) -> None:
    """And what was not seen is told as probable, never as a fact."""
    assert row.cause.endswith(".")
    assert len(row.fix) > 15
    assert row.sources
    assert row.examples
    if row.grade is Grade.UNSEEN:
        assert "probably" in row.cause.lower()
        assert "probably" in row.fix.lower()
    found = explanation_of(row.id)
    assert found is not None
    assert (found.cause, found.fix, found.remedy) == (row.cause, row.fix, row.remedy)


@_pairs(AS_SMTP)
def test_reply_at_its_stage_is_explained(row: Row, text: str) -> None:
    """Whether the next hop is known by its name or stands behind an address."""
    for host in (HOSTS.get(row.provider, "smtp.example.net"), "192.0.2.25"):
        found = explain_reply(_of_server(text), ReplyContext(stage=row.stage, host=host))
        assert found is not None
        assert found.id == row.id
        assert (found.remedy, found.scope) == (row.remedy, row.scope)


@_pairs(AS_HTTP)
def test_answer_of_graph_or_token_endpoint_is_explained(row: Row, text: str) -> None:
    """Its status is the code of the reply that stands for it."""
    code, _, words = text.partition(" ") if text[0].isdigit() else ("400", "", text)

    found = explain_reply(Reply(int(code), "", (words,)), ReplyContext(way=row.way))

    assert found is not None
    assert found.id == row.id


@_pairs(PASTED)
def test_pasted_text_is_explained(row: Row, text: str) -> None:
    """Alone, in a line of a log, and in the report of another server."""
    report = f"Diagnostic information:\nRemote server returned '{text}'\nversion 15.20.7.28\n"

    for pasted in (text, f"  Nov 20 10:00:00 relay[123]: said: {text}", report, text.upper()):
        found = explain_text(pasted)
        assert found is not None, pasted
        assert found.id == row.id, pasted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello, 500 people came (550 at most) and 421 stayed",
        "250 2.0.0 OK",
        "192.168.5.7.1 and 10.5.7.1.3 are addresses",
        "version 5.7.19.2",
        "ErrorNothing AADSTS99999999",
    ],
)
def test_what_is_not_known_is_not_explained(text: str) -> None:
    """No guess is better than a wrong one."""
    assert explain_text(text) is None


def test_reply_as_python_shows_it_is_explained() -> None:
    """Its exceptions split the code off the words."""
    found = explain_text("smtplib.SMTPAuthenticationError: (535, b'Incorrect authentication data')")

    assert found is not None
    assert found.id == "rfc-5.7.8"


def test_words_of_programs_are_no_replies_of_servers() -> None:
    """A server that quotes such words in a refusal of one message does not stop the route."""
    found = explain_reply(reply(550, "5.7.0", "callout: certificate verify failed"))

    assert found is not None
    assert found.scope is Scope.MESSAGE


def test_a_full_mailbox_is_that_of_whoever_the_words_name() -> None:
    """The same codes: the recipient's mailbox, or the one that sends."""
    theirs = explain_reply(reply(554, "5.2.2", "mailbox full; STOREDRV.Deliver.Exception"))
    ours = explain_reply(reply(554, "5.2.2", "mailbox full; STOREDRV.Submission.Exception"))

    assert theirs is not None
    assert ours is not None
    assert (theirs.scope, ours.scope) == (Scope.RECIPIENT, Scope.HOP)


@pytest.mark.parametrize(
    ("kind", "host", "port", "row_id", "suspends"),
    [
        (FailureKind.CONNECTION_TIMED_OUT, "smtp.office365.com", 465, "m365-01", True),
        (FailureKind.NOT_TLS, "smtp.office365.com", 587, "m365-02", True),
        (FailureKind.CONNECTION_TIMED_OUT, "smtp.office365.com", 587, "m365-03", False),
        (FailureKind.NAME_NOT_FOUND, "smtp-emea.outlook.com", 587, "m365-04", True),
        (FailureKind.CERTIFICATE_NOT_TRUSTED, "smtp.office365.com", 587, "m365-07", True),
        (FailureKind.LOGIN_NOT_OFFERED, "smtp.office365.com", 587, "m365-09", True),
        (FailureKind.NAME_NOT_FOUND, "smtp.example.net", 25, "hop-name-not-found", True),
        (FailureKind.CERTIFICATE_EXPIRED, "smtp.example.net", 25, "hop-certificate-expired", True),
        (FailureKind.TLS_MISSING, "smtp.example.net", 25, "hop-tls-missing", True),
        (FailureKind.CONNECTION_REFUSED, "smtp.example.net", 25, "hop-connection-refused", False),
        (FailureKind.NAME_LOOKUP_FAILED, "smtp.example.net", 25, "hop-name-lookup-failed", False),
        (FailureKind.GREETING_REFUSED, "smtp.example.net", 25, "hop-greeting-refused", False),
        (FailureKind.HANDSHAKE_FAILED, "smtp.example.net", 25, "hop-handshake-failed", False),
        (FailureKind.CONNECTION_LOST, "smtp.example.net", 25, "hop-connection-lost", False),
    ],
)
def test_hop_that_can_not_be_used_is_explained(
    kind: FailureKind, host: str, port: int, row_id: str, suspends: bool
) -> None:
    """By what is known of this provider, or by the failure itself; only what does not pass by
    itself is for a person."""
    found = explain_failure(Failure(kind), host=host, port=port)

    assert (found.id, found.suspends) == (row_id, suspends)


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_an_explanation(kind: FailureKind) -> None:
    """Whatever the next hop said or did not say."""
    for said in (None, reply(535, "5.7.8", "no"), reply(550, "", "")):
        found = explain_failure(Failure(kind, "detail", said), host="h.test", port=25)
        assert found.cause
        assert found.fix


def test_refused_token_is_explained_by_the_code_of_the_sign_in_server() -> None:
    """It stands in the detail of the failure; the next hop was not asked."""
    failure = Failure(FailureKind.LOGIN_REFUSED, "login.example: invalid_client, AADSTS7000222")

    found = explain_failure(failure, host="smtp.office365.com", port=587)

    assert (found.id, found.suspends) == ("aadsts-7000222", True)


def test_login_that_can_not_be_checked_now_is_nobodys_fault() -> None:
    """RFC 4954 section 6: 454 says nothing about the password."""
    failure = Failure(FailureKind.LOGIN_UNAVAILABLE, said=reply(454, "4.7.0", "later"))

    assert explain_failure(failure, host="h.test", port=587).remedy is Remedy.RETRY


@settings(max_examples=40)
@given(st.text(max_size=300), st.sampled_from(EXAMPLES))
def test_no_text_breaks_the_look_up(noise: str, pair: tuple[Row, str]) -> None:
    """Whatever people paste around a reply, the answer is a row of the table or nothing."""
    for text in (noise, noise + pair[1], f"{pair[1]} {noise}"):
        found = explain_text(text)
        assert found is None or found.id in TABLE.rows


@given(
    st.integers(200, 599),
    st.from_regex(r"\A([245]\.\d{1,3}\.\d{1,3})?\Z"),
    st.lists(st.text(max_size=80), min_size=1, max_size=3),
    st.sampled_from([None, *Stage]),
    st.sampled_from(Way),
)
def test_no_reply_breaks_the_look_up(
    code: int, enhanced: str, lines: list[str], stage: Stage | None, way: Way
) -> None:
    """Whatever a server says; what is no refusal is never explained."""
    found = explain_reply(Reply(code, enhanced, tuple(lines)), ReplyContext(way=way, stage=stage))

    assert found is None or (found.id in TABLE.rows and code >= 400)


@given(st.sampled_from(AS_SMTP), st.integers(0, 60), st.booleans())
def test_trailers_and_folds_change_nothing(
    pair: tuple[Row, str], width: int, is_loud: bool
) -> None:
    """Servers add their name and the time, fold long replies, and change the case of words."""
    row, text = pair
    made = _of_server(text.upper() if is_loud else text)
    words = f"{made.text} {TRAILER}" if row.provider == "microsoft365" else made.text
    cut = words.find(" ", width)
    lines = (words,) if cut < 0 else (words[:cut], words[cut + 1 :])

    found = explain_reply(Reply(made.code, made.enhanced, lines), ReplyContext(stage=row.stage))

    assert found is not None
    assert found.id == row.id


@pytest.mark.parametrize("piece", ["5.7.", "550 ", "'550-", "a", "AADSTS5", "\n", "5.7.1 ", "((("])
def test_long_texts_are_read_once(piece: str) -> None:
    """A report with all its attachments is cut, and no pattern goes over it again and again."""
    text = piece * (2 * MAX_TEXT_CHARACTERS // len(piece))

    found = explain_text(text)

    assert found is None or found.id in TABLE.rows


@pytest.mark.parametrize(
    ("text", "bounce"),
    [
        ("550 5.1.1 User unknown", Bounce.HARD),
        ("550 5.1.2 No such domain", Bounce.HARD),
        ("550 No such user here", Bounce.HARD),
        ("550 5.2.1 Mailbox disabled", Bounce.HARD),
        ("450 4.1.1 Try later", Bounce.SOFT),
        ("451 4.3.0 Trouble", Bounce.SOFT),
        ("552 5.2.2 Over quota", Bounce.QUOTA),
        ("452 4.2.2 Mailbox full", Bounce.QUOTA),
        ("550 5.7.1 Not allowed", Bounce.POLICY),
        ("550 Not today", Bounce.POLICY),
        ("554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", Bounce.REPUTATION),
        ("550 5.7.26 Unauthenticated email is not accepted", Bounce.AUTHENTICATION),
        ("550 5.7.23 SPF", Bounce.AUTHENTICATION),
        ("552 5.3.4 Too large", Bounce.CONTENT),
        ("452 4.5.3 Too many recipients", Bounce.LIMIT),
        ("550 5.7.60 Client does not have permissions to send as this sender", Bounce.SETUP),
        ("554 5.3.0 Other", Bounce.OTHER),
        ("480 Hm", Bounce.SOFT),
        ("580 Hm", Bounce.OTHER),
    ],
)
def test_a_failure_has_its_kind(text: str, bounce: Bounce) -> None:
    """By enhanced code and words, where nobody said at which stage."""
    assert bounce_of(_of_server(text)) is bounce


@pytest.mark.parametrize(
    "text",
    [
        "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents"
        " additional messages from being delivered",
        "550 5.2.1 Mailbox temporarily disabled",
        "550 5.2.1 account disabled for exceeding quota",
        "521 5.7.0 Your IP 192.0.2.1 is on our blocklist",
        "521 host does not accept mail",
        "550 5.1.1 Message rejected as spam",
        "550 5.1.1 <a@b.test>: Recipient address rejected: sender listed by a DNSBL",
        "550 5.1.1 Access denied, user unknown or blocked by policy",
        "550 5.1.2 Sender domain does not exist",
        "550 5.1.3 Bad sender address syntax",
        "550 5.1.2 SPF fail",
        "550 Sender verify failed: no such user here",
        "550 5.7.1 Sender address rejected: unknown user",
        "550 Callback verification failed: user unknown",
        "521 too many connections from your address",
    ],
)
def test_what_may_be_about_the_sender_is_not_counted_as_hard(text: str) -> None:
    """An address that is there would be suppressed for what was said of who sends, of how much, or
    of what is in the message."""
    explanation = explain_text(text)

    assert bounce_of(_of_server(text)) is not Bounce.HARD
    assert explanation is None or explanation.bounce is not Bounce.HARD


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 The email account that you tried to reach does not exist. Please try"
        " double-checking the recipient's email address for typos or unnecessary spaces.",
        "550 5.1.1 <bob@separate.test>: Recipient address rejected: User unknown in relay"
        " recipient table",
        "550 5.1.1 <sender@spam.test>: Recipient address rejected: User unknown in virtual table",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    ],
)
def test_what_nobody_has_is_counted_as_hard(text: str) -> None:
    """Whatever the address looks like, and whatever else stands in a report around it."""
    report = (
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; spam-filter.example\n"
        f"Diagnostic-Code: smtp; {text}\nX-Note: the policy of this host is told later\n"
    )

    explanations = [explain_text(text), explain_text(report)]

    assert bounce_of(_of_server(text)) is Bounce.HARD
    assert [found and found.bounce for found in explanations] == [Bounce.HARD] * 2
