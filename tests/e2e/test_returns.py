"""Bounces that come later: the whole way, by real mail servers that take mail and send it back."""

import smtplib
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.dns_server import DnsServer
from tests.e2e.exim import EximBouncing
from tests.e2e.next_hop import NextHop
from tests.e2e.postfix import PostfixBouncing
from tests.e2e.programs import free_port
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

SECONDS = 60.0
PATH = "bounces.sender.example"


class Back:
    """A service whose domain has a return path, with a listener for what comes back. The hosts of
    all domains are at one port."""

    def __init__(self, service: Pillarbox, dns: DnsServer, port: int, mx_port: int) -> None:
        self.service = service
        self.dns = dns
        self.port = port
        self.mx_port = mx_port

    def send(self, recipient: str, host: str) -> str:
        """Send a message to somebody whose mail host is at this address; its queue id."""
        domain = recipient.partition("@")[2]
        self.dns.world.dns(domain, "MX", f"10 mx.{domain}.")
        self.dns.world.dns(f"mx.{domain}", "A", host)
        service = self.service
        context = ssl.create_default_context(cafile=service.ca_file)
        with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60) as client:
            client.login(service.username, service.password)
            client.mail(service.username)
            client.rcpt(recipient)
            text = f"From: {service.username}\r\nSubject: To {domain}\r\n\r\nHello\r\n"
            _, said = client.data(text.encode())
        return said.decode().split()[-1]

    def wait_for(self, event: str, queue_id: str) -> dict[str, Any]:
        """The first line of the log about a message."""
        (found, *_) = wait_until(
            lambda: [line for line in self.service.events(event) if line["queue_id"] == queue_id],
            SECONDS,
            f"{event} of {queue_id}",
        )
        line: dict[str, Any] = found
        return line

    def check(self, queue_id: str, address: str, host: str) -> None:
        """The message bounced later: it stands in its trace, and the sender was told."""
        report_id = self.wait_for("message.returned", queue_id)["report_id"]
        self.wait_for("delivery.attempt", report_id)
        (message,) = self.service.admin_json("trace", queue_id)
        (recipient,) = message["recipients"]
        assert recipient["state"] == "delivered"
        (bounce,) = recipient["returned"]
        assert (bounce["kind"], bounce["report_id"]) == ("failed", report_id)
        report = self.service.admin("capture", "show", report_id)
        assert f"Final-Recipient: rfc822;{address}" in report
        assert "Action: failed" in report
        for words in ("Nobody of this name lives here", host, f"Subject: To {host}"):
            assert words in report
        assert "Nobody of this name lives here" in bounce["reply"]


@pytest.fixture(scope="module")
def back(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Back]:
    """The service, with a DNS of its own."""
    dns, port, mx_port = DnsServer(), free_port(), free_port()
    dns.start()
    more = f"""
[[listeners]]
name = "returns"
address = "127.0.0.1"
port = {port}
purpose = "returns"

[delivery]
mx_private_networks = ["127.0.0.0/8"]
"""
    first = f'dns_servers = ["127.0.0.1:{dns.port}"]\n'
    with running(tmp_path_factory.mktemp("pillarbox"), more, first_lines=first) as service:
        service.admin("domain", "add", PATH)
        service.admin("domain", "change", "sender.example", "--return-path", PATH)
        service.admin("route", "add", "--to", "sender.example", "--capture")
        service.admin("route", "add", "--mx", "--mx-port", str(mx_port))
        yield Back(service, dns, port, mx_port)
    dns.stop()


@pytest.fixture
def postfix(back: Back) -> Iterator[PostfixBouncing]:
    """One that takes mail for everybody; the server behind it knows nobody."""
    inner = NextHop()
    inner.replies["RCPT"] = deque([b"550 5.1.1 Nobody of this name lives here\r\n"])
    inner.open()
    server = PostfixBouncing(
        "mx.postfix.example", inner_port=inner.port, back_domain=PATH, back_port=back.port
    )
    try:
        server.start_bouncing(back.mx_port)
        yield server
    finally:
        server.stop()
        inner.shut()


@pytest.fixture
def exim(back: Back, hop_ca: Path) -> Iterator[EximBouncing]:
    """Another one, which knows nobody itself."""
    server = EximBouncing(hop_ca / "certificate.pem", hop_ca / "key.pem")
    server.address, server.starttls_port = "127.0.0.32", back.mx_port
    server.back_domain, server.back_port = PATH, back.port
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_a_bounce_of_postfix_comes_back(back: Back, postfix: PostfixBouncing) -> None:
    """Over TLS; it is in the trace, the sender is told, the address is suppressed."""
    queue_id = back.send("bob@postfix.example", "127.0.0.1")

    with _with_log(postfix):
        back.check(queue_id, "bob@postfix.example", "postfix.example")
    session_id = back.wait_for("message.returned", queue_id)["session_id"]
    (session,) = wait_until(
        lambda: [
            line
            for line in back.service.events("session.closed")
            if line["session_id"] == session_id
        ],
        SECONDS,
        f"the end of session {session_id}",
    )
    assert "TLSv1.3" in session["tls"]
    wait_until(lambda: back.service.events("recipient.suppressed"), SECONDS, "the suppression")
    assert 'pillarbox_outcome_returned_total{kind="failed"}' in back.service.get("/metrics")[1]


def test_a_bounce_of_exim_comes_back(back: Back, exim: EximBouncing) -> None:
    """In a form of its own; people read of it, too."""
    queue_id = back.send("eve@exim.example", exim.address)

    with _with_log(exim):
        returned = back.wait_for("message.returned", queue_id)
    assert returned["kind"] == "failed"
    shown = back.service.admin("trace", queue_id)
    assert "  bounced later, " in shown
    assert "550 5.0.0 Nobody of this name lives here [exim.example]" in shown


@contextmanager
def _with_log(server: PostfixBouncing | EximBouncing) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        error.add_note(server.log[-3000:])
        raise


def test_nothing_else_goes_through_the_port(back: Back) -> None:
    """Whoever tries: the combinations by which relays are looked for."""
    hop = NextHop("127.0.0.31")
    hop.port = back.mx_port
    hop.open()
    try:
        back.send("x@plain.example", hop.address)
        address = hop.wait_for(b"plain.example", SECONDS).sender.split(">")[0].strip("<")
    finally:
        hop.shut()
    assert address.endswith(f"@{PATH}")
    targets = (
        *("victim@plain.example", f"victim%plain.example@{PATH}", "app@sender.example"),
        *(f"@{PATH}:victim@plain.example", "victim@[127.0.0.1]", "postmaster"),
    )
    with smtplib.SMTP("127.0.0.1", back.port, timeout=60) as client:
        for sender in ("", "app@sender.example", "x@plain.example", address):
            for target in targets:
                client.ehlo("relay-test.example")
                assert client.mail(sender)[0] == 250
                code, said = client.docmd("RCPT", f"TO:<{target}>")
                assert (code, said[:5]) == (550, b"5.1.1"), (sender, target, said)
                client.rset()
        with suppress(smtplib.SMTPServerDisconnected):
            assert client.docmd("AUTH", "PLAIN eA==")[0] in {502, 421}
