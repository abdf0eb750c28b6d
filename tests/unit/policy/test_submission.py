"""The questions of a mail transaction and their answers."""

import pytest

from pillarbox.config import Limits
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Envelope
from pillarbox.mail.identifier import format_id
from pillarbox.mail.message import scan_header
from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.policy.denial import Denial
from pillarbox.policy.submission import Submission
from pillarbox.route import (
    CAPTURE_ROUTE,
    Capture,
    Microsoft365,
    OtherFrom,
    Reject,
    Route,
    RouteTable,
)
from pillarbox.store.records import Account, Tenant

RULES = Submission(Limits())
SENDER = Envelope(parse_mailbox("u1@t1.test"))


def account(*routes: Route, size: int | None = None, recipients: int | None = None) -> Account:
    """u1@t1.test with these routes and limits of its tenant."""
    tenant = Tenant(
        1, "one", frozenset({"t1.test"}), RouteTable(routes),
        size_limit_octets=size, recipient_limit=recipients,
    )  # fmt: skip
    return Account(1, tenant, parse_mailbox("u1@t1.test"), 1, frozenset({"u1@t1.test"}))


def test_own_reverse_path_passes() -> None:
    """MAIL FROM with the own address."""
    assert RULES.on_mail(account(), SENDER) is None


def test_reverse_path_of_another_is_refused() -> None:
    """550 5.7.60, and only the administrator reads whose it was."""
    denial = RULES.on_mail(account(), Envelope(parse_mailbox("boss@t1.test")))

    assert denial is not None
    assert denial.refusal is Refusal.SENDER_NOT_ALLOWED
    assert "boss@t1.test" in denial.cause
    assert str(denial.reply("ID")).startswith("550 5.7.60 ")
    assert "boss" not in str(denial.reply("ID"))


def test_null_reverse_path_is_refused_with_the_way_out() -> None:
    """Bounces need a right of their own; the reply names it."""
    denial = RULES.on_mail(account(), Envelope(None))

    assert denial is not None
    assert "'<>'" in str(denial.reply("ID"))


@pytest.mark.parametrize("domain", ["example.net", "EXAMPLE.NET"])
def test_recipient_gets_its_route(domain: str) -> None:
    """The most specific route of the tenant."""
    wanted = Route(7, "t1.test", "example.net", Capture())

    found = RULES.on_rcpt(account(wanted), SENDER, parse_mailbox(f"bob@{domain}"))

    assert found is wanted


def test_recipient_without_route_is_refused() -> None:
    """The tenant has routes, none of them for this domain."""
    denial = RULES.on_rcpt(
        account(Route(7, "", "example.net", Capture())), SENDER, parse_mailbox("bob@example.org")
    )

    assert isinstance(denial, Denial)
    assert denial.refusal is Refusal.NO_ROUTE


def test_rejecting_route_says_why() -> None:
    """The text of the route reaches the sender."""
    denial = RULES.on_rcpt(
        account(Route(7, "", "", Reject("no mail to the moon"))), SENDER, parse_mailbox("a@b.test")
    )

    assert isinstance(denial, Denial)
    assert "no mail to the moon" in str(denial.reply("ID"))
    assert denial.cause == f"route {format_id(7)}", "as `pillarbox route show` takes it"


def test_address_literal_takes_the_route_for_everything() -> None:
    """A literal has no domain that a route could name."""
    everything = Route(1, "", "", Capture())

    found = RULES.on_rcpt(account(everything), SENDER, parse_mailbox("a@[192.0.2.1]"))

    assert found is everything


def test_smaller_limit_counts() -> None:
    """Neither the service nor the tenant can be outbid by the other."""
    small, large = account(size=1000, recipients=5), account(size=1 << 40, recipients=1 << 20)

    assert (RULES.size_limit_octets(small), RULES.recipient_limit(small)) == (1000, 5)
    assert RULES.size_limit_octets(large) == RULES.limits.message_octets
    assert RULES.recipient_limit(large) == RULES.limits.recipients


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        (b"From: u1@t1.test\r\n", None),
        (b"From: boss@t1.test\r\n", Refusal.FROM_NOT_ALLOWED),
        (b"Received: x\r\n" * 101, Refusal.LOOP),
        (b"Received: x\r\n" * 100, None),
        (b"X: y\r\n" * 50_000, Refusal.HEADER_TOO_LARGE),
    ],
)
def test_header_is_judged(header: bytes, refusal: Refusal | None) -> None:
    """Author, number of servers on the way, size."""
    denial = RULES.on_message(account(), scan_header(header + b"\r\nbody\r\n"))

    assert (denial.refusal if denial else None) is refusal
    if denial is not None:
        assert denial.reply("ID").code // 100 == 5


def _mailbox_route(rule: OtherFrom, *senders: str) -> Route:
    sign_in = SignIn(Flow.DEVICE_CODE, "app", "https://login.test", "tenant")
    hop = Microsoft365(
        "alerts@contoso.example", Cloud.WORLDWIDE, sign_in, senders=senders, other_from=rule
    )
    return Route(1, "", "", hop)


ALERTS, PRINTER = (parse_mailbox(f"{name}@contoso.example") for name in ("alerts", "printer"))


@pytest.mark.parametrize(
    ("route", "author", "header", "is_refused"),
    [
        (_mailbox_route(OtherFrom.REFUSE), ALERTS, b"", False),
        (_mailbox_route(OtherFrom.REFUSE), ALERTS, b"From: Alerts@contoso.example\r\n\r\n", False),
        (_mailbox_route(OtherFrom.REFUSE), ALERTS, b"From: x@contoso.example\r\n\r\n", True),
        (_mailbox_route(OtherFrom.REFUSE), PRINTER, b"From: alerts@contoso.example\r\n\r\n", True),
        (_mailbox_route(OtherFrom.REFUSE, "@contoso.example"), PRINTER, b"", False),
        (_mailbox_route(OtherFrom.REWRITE), PRINTER, b"From: x@contoso.example\r\n\r\n", False),
        (_mailbox_route(OtherFrom.PASS), PRINTER, b"From: x@contoso.example\r\n\r\n", False),
    ],
)
def test_a_from_that_the_mailbox_may_not_use_is_refused_at_once(
    route: Route, author: Mailbox, header: bytes, is_refused: bool
) -> None:
    """Not by Microsoft hours later; the text names the mailbox and both ways out."""
    denial = RULES.on_mailboxes(scan_header(header), author, [CAPTURE_ROUTE, route])

    assert (denial is not None) is is_refused
    if denial is not None:
        assert denial.cause in (
            "alerts@contoso.example may not send as x@contoso.example",
            "alerts@contoso.example may not send as printer@contoso.example",
        )
        text = denial.reply("ID").text
        assert "set From and sender to alerts@contoso.example" in text
        assert "--other-from rewrite" in text
        assert "recipient" not in text
