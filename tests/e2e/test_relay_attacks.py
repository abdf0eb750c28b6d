"""Mail that runs in circles, reports that nobody should get, and next hops that lie."""

import email.message
import email.policy
import smtplib
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from email.parser import BytesParser
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.flooding import MIB, fill_hash_threads, memory_needed
from tests.e2e.letters import SENDER
from tests.e2e.next_hop import END, NextHop
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

SECONDS = 60.0
BOUNCING = "bouncing.example"
"""Mail to this domain goes to a next hop that takes nothing; so do reports to its people."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """Reports to senders are captured; other mail has no route yet."""
    with running(tmp_path_factory.mktemp("pillarbox")) as pillarbox:
        pillarbox.admin("route", "add", "--to", "sender.example", "--capture")
        yield pillarbox


@pytest.fixture
def domain() -> str:
    """A domain of recipients that only this test knows."""
    return f"d{uuid4().hex[:12]}.example"


def _client(service: Pillarbox) -> smtplib.SMTP_SSL:
    """A client that has logged in as the first account."""
    context = ssl.create_default_context(cafile=service.ca_file)
    client = smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60)
    client.login(service.username, service.password)
    return client


def _send(
    service: Pillarbox,
    recipient: str,
    *,
    sender: str = SENDER,
    subject: str = "Attack",
    options: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
) -> str:
    """Send one message; its queue id."""
    text = f"From: {service.username}\r\nSubject: {subject}\r\n\r\nHello {recipient}\r\n"
    with closing(_client(service)) as client:
        code, said = client.docmd("MAIL", " ".join((f"FROM:<{sender.strip('<>')}>", *options[0])))
        assert code == 250, said
        code, said = client.docmd("RCPT", " ".join((f"TO:<{recipient}>", *options[1])))
        assert code == 250, said
        code, said = client.data(text.encode())
        assert code == 250, said
        return said.decode().rsplit(maxsplit=1)[-1]


def _route_to(service: Pillarbox, hop: NextHop, domain: str) -> None:
    """Open the next hop and send mail for the domain there."""
    hop.open()
    words = ("--to", domain, "--smarthost", f"127.0.0.1:{hop.port}", "--tls", "none")
    service.admin("route", "add", *words)


def _reports_on(service: Pillarbox, queue_id: str) -> list[str]:
    """The ids of reports on a message."""
    lines = service.events("outcome.reported")
    return [line["dsn_id"] for line in lines if line["queue_id"] == queue_id]


def _final(service: Pillarbox, queue_id: str, *states: str) -> bool:
    """Whether the attempts at a message ended in these states, one after the other."""
    lines = service.events("delivery.attempt")
    made = [line["states"] for line in lines if line["queue_id"] == queue_id]
    return made == [f"{state}:1" for state in states]


def _report(service: Pillarbox, queue_id: str) -> email.message.EmailMessage:
    """The only report on a message, as it was captured."""
    wait_until(lambda: _reports_on(service, queue_id), SECONDS, "the report")
    (dsn_id,) = _reports_on(service, queue_id)
    wait_until(lambda: _final(service, dsn_id, "captured"), SECONDS, "the report's arrival")
    file = service.folder / f"{dsn_id}.eml"
    service.admin("capture", "export", dsn_id, "--output", str(file))
    return BytesParser(policy=email.policy.default).parsebytes(file.read_bytes())


def _join(one: Pillarbox, other: Pillarbox) -> None:
    """Let one service send the mail of loop.example to the other."""
    hop = ("--smarthost", f"localhost:{other.tls_port}", "--tls", "tls")
    login = ("--user", other.username, "--password-file", "-", "--ca-file", str(other.ca_file))
    words = ("route", "add", "--to", "loop.example", *hop, *login)
    one.admin(*words, stdin=f"{other.password}\n")


@pytest.mark.timeout(300)
def test_row_61_a_loop_of_two_services_ends_with_one_report(tmp_path: Path) -> None:
    """Each of two services has the other as its next hop. After 100 passages the message is
    refused with 554 5.4.6; the sender gets one report, and nothing moves any more."""
    folders = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        folder.mkdir()
    with running(folders[0]) as one, running(folders[1]) as other:
        for service in (one, other):
            service.admin("route", "add", "--to", "sender.example", "--capture")
        _join(one, other)
        _join(other, one)

        _send(one, "x@loop.example")

        def ends() -> list[str]:
            lines = [line for s in (one, other) for line in s.events("delivery.attempt")]
            usual = {"delivered:1", "deferred:1"}
            return [line["states"] for line in lines if line["states"] not in usual]

        def passages() -> int:
            return sum(len(s.events("message.accepted")) for s in (one, other))

        # A line of the log is written up to 100 ms after what it tells.
        wait_until(lambda: len(ends()) >= 2, SECONDS, "the report's arrival")
        wait_until(lambda: passages() >= 101, SECONDS, "the lines of all passages")
        assert sorted(ends()) == ["captured:1", "failed:1"]
        reports = [line for s in (one, other) for line in s.events("outcome.reported")]
        assert [line["kind"] for line in reports] == ["failed"]
        refused = [line for s in (one, other) for line in s.events("delivery.attempt")]
        assert any(line["reply"].startswith("554 5.4.6") for line in refused)
        assert passages() == 101
        assert not one.admin_json("queue", "list")
        assert not other.admin_json("queue", "list")


def test_row_61_mail_that_passed_101_servers_is_refused(service: Pillarbox, domain: str) -> None:
    """Whatever made the loop: 101 Received fields are one too many, 100 are not."""
    received = b"Received: from a by b; Mon, 02 Mar 2026 10:20:30 +0100\r\n"
    author = f"From: {service.username}\r\n\r\nHello\r\n".encode()
    recipients = [f"x@{domain}", service.username]
    with closing(_client(service)) as client:
        with pytest.raises(smtplib.SMTPDataError, match=r"^\(554, b'5\.4\.6 "):
            client.sendmail(service.username, recipients[1:], received * 101 + author)
        client.sendmail(service.username, recipients[1:], received * 100 + author)


def test_row_62_reports_go_to_the_account_and_to_nobody_else(
    service: Pillarbox, next_hop: NextHop, domain: str
) -> None:
    """A forged reverse-path is refused in the session, so nobody's name can be used to have a
    report sent to him; the report of mail that fails goes to the account."""
    next_hop.replies["RCPT"] = deque([b"550 5.1.1 Nobody of this name\r\n"])
    _route_to(service, next_hop, domain)

    with closing(_client(service)) as client:
        code, said = client.docmd("MAIL", "FROM:<victim@elsewhere.example>")
        assert (code, said[:7]) == (550, b"5.7.60 ")
        forged = f"From: victim@elsewhere.example\r\n\r\n{domain}\r\n"
        with pytest.raises(smtplib.SMTPDataError, match=r"5\.7\.60"):
            client.sendmail(service.username, [f"x@{domain}"], forged)
    report = _report(service, _send(service, f"x@{domain}"))

    assert report["To"] == service.username
    assert not next_hop.taken


def test_row_62_failure_of_a_null_reverse_path_is_told_to_nobody(
    service: Pillarbox, next_hop: NextHop, domain: str
) -> None:
    """A mail server may pass its bounces on; one that fails is kept for the operator, not
    reported."""
    next_hop.replies["RCPT"] = deque([b"550 5.1.1 Nobody of this name\r\n"])
    _route_to(service, next_hop, domain)
    service.admin("send-as", "add", service.username, "<>")

    queue_id = _send(service, f"x@{domain}", sender="<>")

    wait_until(lambda: _final(service, queue_id, "failed"), SECONDS, "the failure")
    trace = service.admin_json("trace", queue_id)[0]
    assert trace["recipients"][0]["state"] == "failed"
    assert not _reports_on(service, queue_id)


def test_row_63_a_report_that_can_not_be_delivered_becomes_no_other(
    service: Pillarbox, next_hop: NextHop
) -> None:
    """The report on a failure fails too: it ends there, with its trace."""
    next_hop.replies["RCPT"] = deque([b"550 5.1.1 Nobody of this name\r\n"] * 9)
    service.admin("domain", "add", BOUNCING)
    service.admin("send-as", "add", service.username, f"@{BOUNCING}")
    _route_to(service, next_hop, BOUNCING)

    queue_id = _send(service, f"x@{BOUNCING}", sender=f"me@{BOUNCING}")

    wait_until(lambda: _reports_on(service, queue_id), SECONDS, "the report")
    (dsn_id,) = _reports_on(service, queue_id)
    wait_until(lambda: _final(service, dsn_id, "failed"), SECONDS, "the report's failure")
    trace = service.admin_json("trace", dsn_id)[0]
    assert trace["reverse_path"] == ""
    assert trace["recipients"][0]["state"] == "failed"
    assert not _reports_on(service, dsn_id)
    assert not service.admin_json("queue", "list", "--domain", BOUNCING)
    assert not next_hop.taken


def test_row_64_nothing_from_outside_adds_to_a_report(
    service: Pillarbox, next_hop: NextHop, domain: str
) -> None:
    """A reply with boundaries, HTML, escapes and 8-bit octets: the report has three parts and its
    fields say what happened. (Line ends in ENVID and ORCPT do not come so far.)"""
    evil = b"\r\n550-5.7.1 ".join(
        [b"550-5.7.1 --report", b"", b"Action: delivered", b"<b>\xff\xfe</b>", b"\x1b[31mred\x07"]
    )
    next_hop.replies["RCPT"] = deque([evil + b"\r\n550 5.7.1 \xc3\xa4nd\r\n"])
    _route_to(service, next_hop, domain)
    options = ("RET=FULL", "ENVID=a+3Cb+3E"), ("ORCPT=rfc822;x+20Action:+20delivered",)

    queue_id = _send(service, f"x@{domain}", subject="--report\r\nX-Own: 1", options=options)

    report = _report(service, queue_id)
    parts = list(report.iter_parts())
    assert [part.get_content_type() for part in parts] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    of_message, of_recipient = parts[1].iter_parts()
    assert of_recipient.get_all("Action") == ["failed"]
    assert of_recipient["Status"] == "5.7.1"
    assert of_message["Original-Envelope-Id"] == "a<b>"
    assert of_recipient["Original-Recipient"] == "rfc822;x Action: delivered"
    assert "\x1b" not in of_recipient["Diagnostic-Code"]
    assert of_recipient["Diagnostic-Code"].isascii()


@pytest.mark.parametrize(
    ("mail", "rcpt", "parameter"),
    [
        (" ENVID=a+0D+0AX-Evil:+201", "", "ENVID"),
        (" ENVID=a+0A", "", "ENVID"),
        ("", " ORCPT=rfc822;x+0D+0AAction:+20delivered", "ORCPT"),
    ],
)
def test_row_64_line_ends_in_envid_and_orcpt_are_refused(
    service: Pillarbox, mail: str, rcpt: str, parameter: str
) -> None:
    """RFC 3461 4.4 and 4.2: both are printable text, also behind their encoding."""
    with closing(_client(service)) as client:
        replies = [client.docmd("MAIL", f"FROM:<{SENDER}>{mail}")]
        replies.append(client.docmd("RCPT", f"TO:<{SENDER}>{rcpt}"))

    code, text = replies[0] if mail else replies[1]
    assert (code, parameter in text.decode()) == (501, True)


REPLIES_OCTETS = 4 * MIB
"""What two attempts and a delivery may need at any time, with 10 MB of replies."""

HOSTILE = (b"250-x\r\n" * 100_000, b"2" * 10_000_000)


@pytest.mark.timeout(300)
def test_row_65_hostile_replies_defer_and_cost_nothing(
    service: Pillarbox, next_hop: NextHop, domain: str
) -> None:
    """A next hop that answers RCPT without end, and with 10 MB in one line: the mail waits, memory
    stays, and when the hop has come to its senses it gets the message."""
    next_hop.replies["RCPT"] = deque(HOSTILE)
    _route_to(service, next_hop, domain)
    fill_hash_threads(service)

    def two_attempts_and_a_delivery() -> None:
        queue_id = _send(service, f"x@{domain}")
        for states in (["deferred"], ["deferred"] * 2):
            wait_until(partial(_final, service, queue_id, *states), SECONDS, f"{states}")
            service.admin("queue", "retry", queue_id)
        next_hop.wait_for(f"x@{domain}".encode(), SECONDS)

    assert memory_needed(service, two_attempts_and_a_delivery) < REPLIES_OCTETS
    assert next_hop.copies(f"x@{domain}".encode()) == 1


def test_row_66_a_dot_without_an_answer_is_repeated_once(
    service: Pillarbox, next_hop: NextHop, domain: str
) -> None:
    """The next hop has the message, and the connection is cut before its 250: nobody can know
    (RFC 1047). One more copy comes, the same to the octet, and no third."""
    next_hop.hold(END)
    _route_to(service, next_hop, domain)

    queue_id = _send(service, f"x@{domain}")
    assert next_hop.reached.wait(SECONDS)
    next_hop.let_go()
    wait_until(lambda: _final(service, queue_id, "deferred"), SECONDS, "the first attempt")
    service.admin("queue", "retry", queue_id)

    wait_until(lambda: _final(service, queue_id, "deferred", "delivered"), SECONDS, "the second")
    assert next_hop.copies(f"x@{domain}".encode()) == 2
    assert next_hop.taken[0].octets == next_hop.taken[1].octets
    assert not service.admin_json("queue", "list", "--domain", domain)


def test_row_45_account_with_many_unknown_recipients_is_held_and_loses_nothing(
    service: Pillarbox, next_hop: NextHop, domain: str
) -> None:
    """Of 30 messages 25 go to people whom nobody knows. The account is held with an alarm, what it
    sends then waits, and one command lets it go on."""
    next_hop.replies["RCPT"] = deque([b"550 5.1.1 Nobody of this name\r\n"] * 25)
    _route_to(service, next_hop, domain)
    text = f"From: {SENDER}\r\n\r\nHello {domain}\r\n"

    with closing(_client(service)) as client:
        for number in range(25):
            client.sendmail(SENDER, [f"x{number}@{domain}"], text)
        wait_until(lambda: service.events("account.held"), SECONDS, "the alarm")
        for number in range(5):
            client.sendmail(SENDER, [f"y{number}@{domain}"], text)

    alarm = service.events("account.held")[0]
    assert (alarm["level"], alarm["account"]) == ("warning", SENDER)
    waiting = service.admin_json("queue", "list", "--domain", domain)
    assert {entry["state"] for entry in waiting} == {"held"}
    assert len(waiting) >= 5

    service.admin("account", "release", SENDER)
    wait_until(lambda: next_hop.copies(domain.encode()) == 5, SECONDS, "the rest")
    assert not next_hop.replies["RCPT"]


def test_an_address_that_nobody_has_is_not_tried_again_and_again(
    service: Pillarbox, next_hop: NextHop, domain: str
) -> None:
    """After its failure it is refused at RCPT with the command that allows it again; the next hop
    hears no more of it, and other recipients are served."""
    next_hop.replies["RCPT"] = deque([b"550 5.1.1 Nobody of this name\r\n"])
    _route_to(service, next_hop, domain)
    address = f"x@{domain}"
    _send(service, address)
    wait_until(
        lambda: address in [one["address"] for one in service.events("recipient.suppressed")],
        SECONDS,
        "the suppression",
    )
    listed = service.admin_json("suppression", "list")
    (entry,) = (one for one in listed if one["address"] == address)
    assert entry["origin"] == "bounce"
    assert "Nobody of this name" in entry["reason"]

    def is_taken() -> bool:
        with closing(_client(service)) as client:
            client.mail(SENDER)
            code, said = client.rcpt(address)
            assert code == 250 or b"pillarbox suppression remove ADDRESS" in said
            return code == 250

    wait_until(lambda: not is_taken(), SECONDS, "the refusal")
    _send(service, f"y@{domain}")

    service.admin("suppression", "remove", address)
    wait_until(is_taken, SECONDS, "mail is taken again")
    _send(service, address)
    wait_until(lambda: next_hop.copies(f"Hello {address}".encode()) == 1, SECONDS, "the mail")
