"""DSNs as messages of the tenant, on their way to the sender."""

from email import message_from_bytes

import pytest
from tests.support.queueing import CONTENT, HOP, LANE, NOW, make_message, make_tenant

from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.dsn import MAX_HEADER_OCTETS
from pillarbox.mail.envelope import Envelope, Notify, RecipientOutcome, RecipientState, Ret
from pillarbox.mail.reply import reply
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.outcome.report import Reporter, needed_octets, report_kind
from pillarbox.outcome.settle import Tried, judge
from pillarbox.route import Reject, Route, SmartHost, TlsMode, hop_key, lane_id
from pillarbox.store.records import Tenant

HOME = SmartHost("home.here.example", 25, TlsMode.NONE)


def report(
    tenant: Tenant,
    *,
    message: SpooledMessage | None = None,
    original: bytes = CONTENT,
    remote_host: str = "",
) -> SpooledMessage:
    """The DSN of a failure."""
    message = message or make_message()
    tried = Tried(
        message=message,
        recipients=message.recipients,
        outcomes=[
            RecipientOutcome(0, RecipientState.FAILED, reply(550, "5.1.1", "No"), remote_host)
        ],
        tenant=tenant,
        lane_id=LANE,
        owner="me",
        started_at=NOW,
        duration_ms=5,
    )
    reporter = Reporter(
        "relay.here.example",
        next_id=lambda now: now + 1,
        lane_of=lambda route: lane_id(hop_key(route.next_hop)),
    )
    return reporter.report(tried, judge(tried, 0.5), original)


def test_report_is_a_message_of_the_same_tenant_with_null_reverse_path() -> None:
    """It is nobody's submission, goes to the sender at once, and is never reported on."""
    dsn = report(make_tenant())

    (spooled,) = dsn.recipients
    assert dsn.envelope.reverse_path is None
    assert (dsn.tenant_id, dsn.account_id, dsn.credential_id) == (1, None, None)
    assert spooled.recipient.forward_path.address == "ann@here.example"
    assert spooled.recipient.notify is Notify.NEVER
    assert spooled.next_attempt_at == dsn.received_at == NOW + 5
    assert dsn.content is not None
    assert dsn.size_octets == len(dsn.content)
    assert message_from_bytes(dsn.content).get_content_type() == "multipart/report"


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("graph.microsoft.com", "x-pillarbox"),
        ("dod-graph.microsoft.us", "x-pillarbox"),
        ("smtp.office365.com", "smtp"),
    ],
)
def test_what_graph_answered_is_no_smtp_diagnosis(host: str, kind: str) -> None:
    """RFC 3464 section 2.3.6: the type says how the text is to be read, and Graph speaks HTTPS."""
    dsn = report(make_tenant(), remote_host=host)

    assert dsn.content is not None
    assert f"Remote-MTA: dns; {host}\r\n".encode() in dsn.content
    assert f"Diagnostic-Code: {kind}; 550 5.1.1 No\r\n".encode() in dsn.content


def test_report_takes_the_tenants_route_to_the_sender() -> None:
    """The route for a null sender and the sender's domain counts, not that of the message."""
    tenant = make_tenant(Route(1, "", "", HOP), Route(2, "", "here.example", HOME))

    assert report(tenant).recipients[0].lane_id == lane_id(hop_key(HOME))


@pytest.mark.parametrize(
    "route", [Route(1, "", "far.example", HOP), Route(1, "", "here.example", Reject("No"))]
)
def test_report_without_a_way_is_captured(route: Route) -> None:
    """A report is not lost for want of a route."""
    assert report(make_tenant(route)).recipients[0].lane_id == lane_id("capture")


def test_report_needs_the_whole_message_only_when_it_gives_it_back() -> None:
    """RET=FULL of a message that is not too large."""
    ann = parse_mailbox("ann@here.example")
    full = Envelope(ann, ret=Ret.FULL)

    assert needed_octets(make_message()) == MAX_HEADER_OCTETS
    assert needed_octets(make_message(envelope=full, size_octets=90_000)) == 90_000
    assert needed_octets(make_message(envelope=full, size_octets=10**7)) == MAX_HEADER_OCTETS


@pytest.mark.parametrize(
    ("outcome", "age", "kind"),
    [
        (RecipientState.FAILED, 0, "failed"),
        (RecipientState.DEFERRED, 3 * 86_400_000, "expired"),
        (RecipientState.DEFERRED, 5 * 3_600_000, "delayed"),
        (RecipientState.DELIVERED, 0, "delivered"),
    ],
)
def test_kind_of_a_report_is_the_worst_that_happened(
    outcome: RecipientState, age: int, kind: str
) -> None:
    """What the metrics count."""
    message = make_message(notify=Notify.SUCCESS | Notify.FAILURE | Notify.DELAY)
    outcomes = [RecipientOutcome(0, outcome, reply(250, "", "x"))]
    tried = Tried(message, message.recipients, outcomes, make_tenant(), LANE, "me", NOW + age, 0)

    assert report_kind(judge(tried, 0.5)) == kind
