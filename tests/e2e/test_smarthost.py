"""Smart hosts: a login over verified TLS, and what happens when they refuse."""

import email.message
import email.policy
import smtplib
import ssl
from collections import deque
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.e2e.next_hop import NextHop
from tests.e2e.postfix import SMART_HOST_PASSWORD, SMART_HOST_USER, PostfixNextHop
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

SECOND = "second@sender.example"
SECONDS = 60.0


@pytest.fixture(scope="module")
def password(service: Pillarbox) -> str:
    """Of a second account. Reports to senders are captured; other mail has no route yet."""
    service.admin("account", "add", SECOND)
    made = service.admin_json("credential", "add", SECOND, "--label", "e2e")
    service.admin("route", "add", "--to", "sender.example", "--capture")
    password: str = made["password"]
    return password


@pytest.fixture
def domain() -> str:
    """A domain of recipients that only this test knows."""
    return f"d{uuid4().hex[:12]}.example"


def _send(service: Pillarbox, password: str, *recipients: str) -> dict[str, Any]:
    """Send one message as the second account; what was refused at RCPT."""
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60) as client:
        client.login(SECOND, password)
        text = f"From: {SECOND}\r\nSubject: Over a smart host\r\n\r\nHello {recipients}\r\n"
        return client.sendmail(SECOND, recipients, text)


def _add_route(service: Pillarbox, domain: str, *options: str, password: str = "") -> str:
    """Add a route for a domain; its id."""
    login = ("--password-file", "-") if password else ()
    words = ("route", "add", "--to", domain, *options, *login)
    return str(service.admin_json(*words, stdin=f"{password}\n")["id"])


def _after_attempt(service: Pillarbox, domain: str) -> dict[str, Any]:
    """The entry of the queue for a domain, once its first attempt was made."""

    def look() -> list[dict[str, Any]]:
        entries = service.admin_json("queue", "list", "--domain", domain)
        return [entry for entry in entries if entry["attempts"]]

    return wait_until(look, SECONDS, "the first attempt")[0]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_smart_host_is_used_with_a_login_over_verified_tls(
    service: Pillarbox, postfix: PostfixNextHop, hop_ca: Path, password: str, domain: str, tls: str
) -> None:
    """Both modes of TLS, with a certificate that is checked, and a password that is hard to
    quote; the smart host says in its Received field that somebody logged in."""
    port = postfix.starttls_port if tls == "starttls" else postfix.tls_port
    hop = ("--smarthost", f"localhost:{port}", "--tls", tls, "--user", SMART_HOST_USER)
    ca = ("--ca-file", str(hop_ca / "ca.pem"))
    _add_route(service, domain, *hop, *ca, password=SMART_HOST_PASSWORD)

    _send(service, password, f"bob@{domain}")

    kept = postfix.wait_for(f"bob@{domain}", SECONDS)
    assert b"with ESMTPSA" in kept.octets.partition(b"\r\nReceived:")[0]


def test_wrong_password_at_the_smart_host_keeps_mail_and_says_so(
    service: Pillarbox, postfix: PostfixNextHop, hop_ca: Path, password: str, domain: str
) -> None:
    """The queue names the refused login; with the right password and `queue retry` the mail goes
    on."""
    user = f"late-{domain}@hop.example"
    hop = ("--smarthost", f"localhost:{postfix.starttls_port}", "--tls", "starttls")
    login = ("--user", user, "--ca-file", str(hop_ca / "ca.pem"))
    route = _add_route(service, domain, *hop, *login, password="wrong one")
    _send(service, password, f"bob@{domain}")

    entry = _after_attempt(service, domain)
    assert entry["state"] == "deferred"
    assert "535" in entry["last_reply"]
    assert "password" in entry["last_reply"].lower()
    assert "535" in service.admin("queue", "list", "--domain", domain)

    postfix.allow_login(user, "right one")
    service.admin(
        "route", "change", route, "--user", user, "--password-file", "-", stdin="right one\n"
    )
    service.admin("queue", "retry", "--domain", domain)
    assert postfix.wait_for(f"bob@{domain}", SECONDS)


def test_unknown_certificate_of_the_smart_host_keeps_mail_and_says_so(
    service: Pillarbox, postfix: PostfixNextHop, password: str, domain: str
) -> None:
    """Without its CA the smart host is not trusted: neither password nor mail go there."""
    hop = ("--smarthost", f"localhost:{postfix.starttls_port}", "--tls", "starttls")
    user = f"secret-{domain}"
    _add_route(service, domain, *hop, "--user", user, password=SMART_HOST_PASSWORD)

    _send(service, password, f"bob@{domain}")

    entry = _after_attempt(service, domain)
    assert entry["state"] == "deferred"
    assert "certificate" in entry["last_reply"].lower()
    assert user not in postfix.log
    assert not postfix.kept_for(f"bob@{domain}")


def test_refused_recipient_is_reported_to_the_sender(
    service: Pillarbox, postfix: PostfixNextHop, password: str, domain: str
) -> None:
    """RFC 3464: one report about the recipient that failed, with the words of the next hop; the
    other recipient gets the message."""
    _add_route(service, domain, "--smarthost", f"127.0.0.1:{postfix.port}", "--tls", "none")
    before = len(service.admin_json("capture", "list"))

    _send(service, password, f"bob@{domain}", f"refused@{domain}")

    assert postfix.wait_for(f"bob@{domain}", SECONDS)
    wait_until(lambda: len(service.admin_json("capture", "list")) > before, SECONDS, "the report")
    captured = service.admin_json("capture", "list")[0]
    assert captured["reverse_path"] == ""
    assert captured["recipients"] == [SECOND]
    report = _parse(service.admin("capture", "export", captured["queue_id"]).encode())
    assert report.get_content_type() == "multipart/report"
    assert report["To"] == SECOND
    assert report["Auto-Submitted"] == "auto-replied"
    text = report.as_string()
    assert f"Final-Recipient: rfc822; refused@{domain}" in text.replace("rfc822;r", "rfc822; r")
    assert "Action: failed" in text
    assert "Status: 5.1.1" in text
    assert "Nobody of this name lives here" in text
    assert f"bob@{domain}" not in text.partition("Final-Recipient")[0]


def test_greylisted_recipient_is_tried_again(
    service: Pillarbox, next_hop: NextHop, password: str, domain: str
) -> None:
    """450 is not the end: the mail waits, the queue shows the reply, the next attempt delivers."""
    next_hop.replies["RCPT"] = deque([b"450 4.7.1 Greylisted, come again\r\n"])
    next_hop.open()
    _add_route(service, domain, "--smarthost", f"127.0.0.1:{next_hop.port}", "--tls", "none")

    _send(service, password, f"bob@{domain}")

    entry = _after_attempt(service, domain)
    assert entry["state"] == "deferred"
    assert "Greylisted, come again" in entry["last_reply"]
    assert entry["next_attempt_at"] > entry["received_at"]
    service.admin("queue", "retry", "--domain", domain)
    taken = next_hop.wait_for(b"Hello", SECONDS)
    assert taken.recipients == [f"<bob@{domain}>"]


def test_recipient_without_a_route_is_refused_at_once(
    service: Pillarbox, password: str, domain: str
) -> None:
    """Where a tenant has routes and none matches, the client is told at RCPT."""
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        _send(service, password, f"bob@{domain}")

    code, text = refused.value.recipients[f"bob@{domain}"]
    assert code == 550
    assert text.startswith(b"5.7.1 There is no route")


def _parse(octets: bytes) -> email.message.EmailMessage:
    return BytesParser(policy=email.policy.SMTP).parsebytes(octets)
