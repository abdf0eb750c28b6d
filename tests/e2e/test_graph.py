"""The service sends by Microsoft Graph, through the emulator."""

import random
import smtplib
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from tests.e2e.letters import SENDER
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until
from tests.support.emulated import emulator_in_background

from pillarbox.emulate.config import (
    SAMPLE_APP,
    SAMPLE_MAILBOX,
    SAMPLE_SECRET,
    SAMPLE_SHARED,
    SAMPLE_TENANT,
    EmulatorConfig,
    Limits,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Action, Fault, Stage
from pillarbox.emulate.messages import Message

SECONDS = 90.0


@pytest.fixture(scope="module", autouse=True)
def quick_retries(service: Pillarbox) -> None:
    """What is put off comes back within seconds."""
    service.admin("tenant", "change", "default", "--retry-first", "1", "--retry-longest", "2")


def _route(service: Pillarbox, emulator: Emulator, domain: str, *words: str) -> str:
    """Mail for this domain goes by Graph, as mail of the sample mailbox."""
    said = service.admin_json(
        *("route", "add", "--to", domain),
        *(() if "--microsoft365" in words else ("--microsoft365", SAMPLE_MAILBOX)),
        *(() if "--way" in words else ("--way", "graph")),
        *("--tenant-id", SAMPLE_TENANT, "--client-id", SAMPLE_APP, "--client-secret-file", "-"),
        *("--authority", emulator.authority_url, "--graph-url", emulator.graph_url),
        *("--ca-file", str(emulator.ca_file), "--per-minute", "none"),
        *(() if "--other-from" in words else ("--other-from", "rewrite")),
        *words,
        stdin=f"{SAMPLE_SECRET}\n",
    )
    return str(said["id"])


@contextmanager
def _client(service: Pillarbox) -> Iterator[smtplib.SMTP]:
    """A program that is logged in."""
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP("localhost", service.starttls_port, timeout=20) as client:
        client.starttls(context=context)
        client.login(service.username, service.password)
        yield client


def _send(service: Pillarbox, domain: str, count: int) -> None:
    """So many messages, each to one in the header and one in the envelope alone."""
    with _client(service) as client:
        for number in range(count):
            to, hidden = f"to{number}@{domain}", f"hidden{number}@{domain}"
            text = f"From: {SENDER}\r\nTo: {to}\r\nSubject: {number}\r\n\r\nHello\r\n"
            client.sendmail(SENDER, [to, hidden], text)


def test_a_busy_graph_is_asked_again_when_it_said_so(service: Pillarbox) -> None:
    """Five requests in three seconds are allowed: nothing comes sooner than Retry-After says."""
    limits = Limits(graph_requests=5, graph_requests_seconds=3.0)
    config = EmulatorConfig(limits=limits, switches={"retry_after": "date"})
    with emulator_in_background(config) as emulator:
        _route(service, emulator, "busy.example", "--connections", "1")
        _send(service, "busy.example", 12)

        statistics = emulator.world.statistics[SAMPLE_MAILBOX]
        wait_until(lambda: statistics.accepted >= 12, SECONDS, "all messages")

    assert statistics.throttled >= 1
    assert statistics.too_early == 0


def test_everything_arrives_and_only_a_lost_answer_makes_a_copy(service: Pillarbox) -> None:
    """500, 503, 408 and cut connections, four requests at once."""
    count = 40
    with emulator_in_background(EmulatorConfig(limits=Limits(messages=1000))) as emulator:
        faults = emulator.world.faults
        for skip, status in enumerate((500, 503, 408)):
            faults.order(Fault(service="graph", stage=Stage.REQUEST, status=status, skip=4 * skip))
        faults.order(Fault(service="graph", stage=Stage.REQUEST, action=Action.CUT, skip=20))
        faults.order(Fault(service="graph", stage=Stage.TAKEN, action=Action.CUT, skip=10))
        _route(service, emulator, "burst.example")
        _send(service, "burst.example", count)

        messages = emulator.world.messages
        wait_until(
            lambda: sum(one.is_answered for one in messages.all()) >= count, SECONDS, "all messages"
        )
        wait_until(lambda: not service.admin_json("queue", "list"), SECONDS, "an empty queue")
        arrived = messages.all()

    copies = Counter(one.arrival.recipients for one in arrived if one.is_answered)
    assert sorted(copies) == sorted(
        (f"to{number}@burst.example", f"hidden{number}@burst.example") for number in range(count)
    )
    assert set(copies.values()) == {1}
    assert sum(not one.is_answered for one in arrived) == 1
    assert all(b"hidden" not in one.seen for one in arrived)
    assert emulator.world.statistics[SAMPLE_MAILBOX].most_parallel_requests <= 4


SCAN = random.Random(1).randbytes(4_000_000)


def _send_scan(service: Pillarbox, domain: str) -> None:
    """A message with a file of 4 MB."""
    letter = EmailMessage(policy=SMTP)
    letter["From"], letter["To"], letter["Subject"] = SENDER, f"a@{domain}", "Scan"
    letter.set_content("Your scan")
    letter.add_attachment(SCAN, maintype="application", subtype="pdf", filename="scan.pdf")
    with _client(service) as client:
        client.sendmail(SENDER, f"a@{domain}", letter.as_bytes())


def _scan_of(message: Message) -> object:
    read = message_from_bytes(message.seen, policy=SMTP)
    [part] = [part for part in read.walk() if part.get_filename() == "scan.pdf"]
    return part.get_payload(decode=True)


@pytest.mark.parametrize(
    ("stage", "path"), [(Stage.REQUEST, "/upload"), (Stage.TAKEN, "")], ids=["upload", "sent"]
)
def test_a_kill_loses_no_large_message_and_makes_no_copy(
    service: Pillarbox, stage: Stage, path: str
) -> None:
    """In the middle of the upload, and while the answer is due: one message, and no draft."""
    domain = f"{stage.value}.kill.example"
    with emulator_in_background() as emulator:
        fault = Fault(service="graph", stage=stage, action=Action.HANG, path=path)
        emulator.world.faults.order(fault)
        route = _route(service, emulator, domain, "--way", "graph-or-draft")
        _send_scan(service, domain)
        wait_until(lambda: emulator.world.faults.hits, SECONDS, "the request that hangs")
        service.kill()
        service.start()

        wait_until(lambda: emulator.world.messages.all(), SECONDS, "the message")
        wait_until(lambda: not service.admin_json("queue", "list"), SECONDS, "an empty queue")
        service.admin("route", "remove", route)
        [arrived] = emulator.world.messages.all()
        drafts = emulator.drafts

    assert _scan_of(arrived) == SCAN
    assert (drafts, arrived.arrival.recipients) == (0, (f"a@{domain}",))


def test_a_report_comes_by_a_mailbox_that_may_send_nothing_else(service: Pillarbox) -> None:
    """As mail of the mailbox: From mailer-daemon it would be refused, and nobody would know."""
    with emulator_in_background() as emulator:
        _route(service, emulator, "fails.example")
        reports = _route(service, emulator, "sender.example", "--other-from", "refuse")
        text = f"From: {SENDER}\r\nTo: else@fails.example\r\nSubject: Lost\r\n\r\nHello\r\n"
        with _client(service) as client:
            client.sendmail(SENDER, "a@fails.example", text)

        wait_until(lambda: emulator.world.messages.all(), SECONDS, "the report")
        [report] = emulator.world.messages.all()
        service.admin("route", "remove", reports)

    read = message_from_bytes(report.seen, policy=SMTP)
    assert report.arrival.recipients == (SENDER,)
    assert read["From"] == f"Mail Delivery System <{SAMPLE_MAILBOX}>"
    assert (read["Reply-To"], read["Auto-Submitted"]) == (None, "auto-replied")
    assert read.get_content_type() == "multipart/report"
    assert b"else@fails.example" in report.seen


def test_a_pool_spreads_and_each_mailbox_has_its_own_limits(service: Pillarbox) -> None:
    """Four requests at once and no more for each of two mailboxes, of mail that is all there."""
    count = 60
    limits = Limits(messages=1000, graph_seconds=0.3)
    with emulator_in_background(EmulatorConfig(limits=limits)) as emulator:
        pool = ("--microsoft365", f"{SAMPLE_MAILBOX},{SAMPLE_SHARED}")
        _route(service, emulator, "pool.example", *pool)
        service.admin("account", "hold", SENDER)
        _send(service, "pool.example", count)
        service.admin("account", "release", SENDER)

        messages = emulator.world.messages
        wait_until(lambda: len(messages.all()) >= count, SECONDS, "all messages")
        arrived = messages.all()
        statistics = [emulator.world.statistics[one] for one in (SAMPLE_MAILBOX, SAMPLE_SHARED)]

    mailboxes = Counter(one.arrival.mailbox for one in arrived)
    assert len({one.arrival.recipients for one in arrived}) == len(arrived) == count
    assert set(mailboxes) == {SAMPLE_MAILBOX, SAMPLE_SHARED}
    assert min(mailboxes.values()) >= count // 5
    assert [one.most_parallel_requests for one in statistics] == [4, 4]
    assert [one.throttled for one in statistics] == [0, 0]
    for one in arrived:
        assert f"<{one.arrival.mailbox}>".encode() in one.seen


def test_a_person_who_signed_in_sends_by_graph(service: Pillarbox) -> None:
    """With a code once; then with the refresh token, also after the first token has ended."""
    domain, seconds = "person.example", 8
    limits = Limits(token_seconds=seconds)
    with emulator_in_background(EmulatorConfig(limits=limits)) as emulator:
        said = service.admin_json(
            *("route", "add", "--microsoft365", SAMPLE_MAILBOX, "--to", domain),
            *("--tenant-id", SAMPLE_TENANT, "--client-id", SAMPLE_APP, "--device-code"),
            *("--authority", emulator.authority_url, "--graph-url", emulator.graph_url),
            *("--ca-file", str(emulator.ca_file), "--other-from", "rewrite"),
            *("--way", "graph-or-draft"),
        )
        [checked] = service.admin_json("m365", "check", said["id"])
        first = _arrives(service, emulator, domain, 1)
        ends_at = first.accepted_at + seconds
        wait_until(lambda: emulator.world.clock() > ends_at, SECONDS, "the end of its token")
        second = _arrives(service, emulator, domain, 2)
        service.admin("route", "remove", said["id"])

    assert all(step["ok"] for step in checked["steps"])
    for one in (first, second):
        assert (one.arrival.login, one.arrival.mailbox) == (SAMPLE_MAILBOX, SAMPLE_MAILBOX)
        assert one.arrival.way == "graph"


def _arrives(service: Pillarbox, emulator: Emulator, domain: str, count: int) -> Message:
    """Send one more message; the last one of so many."""
    _send(service, domain, 1)
    messages = emulator.world.messages
    wait_until(lambda: len(messages.all()) >= count, SECONDS, "the message")
    return messages.all()[-1]
