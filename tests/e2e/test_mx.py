"""Straight to the mail hosts of the recipients: the whole way, with a DNS and hosts of our own."""

import smtplib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.dns_server import DnsServer
from tests.e2e.next_hop import NextHop
from tests.e2e.postfix import PostfixNextHop
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

from pillarbox.store.database import Database
from pillarbox.store.tls_results import add_results
from pillarbox.tlsrpt.results import NO_POLICY, Counted, TlsResult

SECONDS = 60.0


@pytest.fixture(scope="module")
def dns() -> Iterator[DnsServer]:
    """What the service asks."""
    server = DnsServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, dns: DnsServer) -> Iterator[Pillarbox]:
    """A service whose tenant sends everything straight to the recipients' hosts."""
    folder = tmp_path_factory.mktemp("pillarbox")
    more = """
[delivery]
helo_name = "out.pillarbox.example"
mx_private_networks = ["127.0.0.0/8"]

[tls_reports]
contact = "postmaster@sender.example"
"""
    with running(
        folder, more, first_lines=f'dns_servers = ["127.0.0.1:{dns.port}"]\n'
    ) as pillarbox:
        yield pillarbox


@pytest.fixture(scope="module")
def hosts(service: Pillarbox, dns: DnsServer) -> Iterator[dict[str, NextHop]]:
    """Two mail hosts, and a third one that is dead."""
    made = {"a": NextHop("127.0.0.21"), "b": NextHop("127.0.0.22")}
    made["b"].port = made["a"].port
    dns.world.dns("dead.hosts.example", "A", "127.0.0.23")
    for name, host in made.items():
        dns.world.dns(f"{name}.hosts.example", "A", host.address)
        host.open()
    service.admin("route", "add", "--mx", "--mx-port", str(made["a"].port))
    service.admin("route", "add", "--to", "sender.example", "--capture")
    yield made
    for host in made.values():
        host.shut()


@pytest.fixture
def postfix_with_tls(hop_ca: Path) -> Iterator[PostfixNextHop]:
    """A Postfix that offers STARTTLS to everybody."""
    hop = PostfixNextHop("hop.example", hop_ca / "certificate.pem", hop_ca / "key.pem")
    hop.main.append("smtpd_tls_security_level = may")
    try:
        hop.start_hop()
        yield hop
    finally:
        hop.stop()


def _send(
    service: Pillarbox, subject: str, *recipients: str, options: tuple[str, ...] = ()
) -> None:
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60) as client:
        client.login(service.username, service.password)
        text = f"From: {service.username}\r\nSubject: {subject}\r\n\r\nHello\r\n"
        assert client.sendmail(service.username, recipients, text, options) == {}


def _reports(service: Pillarbox, domain: str) -> list[str]:
    """The reports about a domain that were captured."""
    found = service.admin_json("capture", "list")
    texts = [service.admin("capture", "show", each["queue_id"]) for each in found]
    return [text for text in texts if domain in text]


def test_each_recipient_goes_to_the_hosts_of_its_domain(
    service: Pillarbox, dns: DnsServer, hosts: dict[str, NextHop]
) -> None:
    """One message, split by domain; a dead first host gives way; EHLO says the configured name."""
    dns.world.dns("one.example", "MX", "10 dead.hosts.example.", "20 a.hosts.example.")
    dns.world.dns("two.example", "MX", "10 b.hosts.example.")

    _send(service, "Split", "x@one.example", "y@two.example", "z@one.example")

    first, second = hosts["a"].wait_for(b"Split", SECONDS), hosts["b"].wait_for(b"Split", SECONDS)
    assert sorted(first.recipients) == ["<x@one.example>", "<z@one.example>"]
    assert second.recipients == ["<y@two.example>"]


def test_a_domain_that_does_not_exist_is_told_to_the_sender(
    service: Pillarbox, hosts: dict[str, NextHop]
) -> None:
    """A report comes back at once, with what to check."""
    del hosts
    _send(service, "Typo", "x@typo.invalid")

    [text] = wait_until(lambda: _reports(service, "typo.invalid"), SECONDS, "the report")
    assert "5.1.2" in text
    assert "There is no domain typo.invalid" in text


def test_a_message_with_requiretls_comes_back_from_a_host_nobody_vouches_for(
    service: Pillarbox, dns: DnsServer, hosts: dict[str, NextHop]
) -> None:
    """RFC 8689: what was said in MAIL is kept and obeyed, and the report gives nothing away."""
    dns.world.dns("unsigned.example", "MX", "10 a.hosts.example.")

    _send(service, "Secret", "x@unsigned.example", options=("RET=FULL", "REQUIRETLS"))

    [text] = wait_until(lambda: _reports(service, "unsigned.example"), SECONDS, "the report")
    assert "550 5.7.10" in text
    assert "send the message without REQUIRETLS" in " ".join(text.split())
    assert "Subject: Secret" in text
    assert "Hello" not in text
    assert not hosts["a"].copies(b"Secret")


def test_mail_waits_while_the_dns_fails(
    service: Pillarbox, dns: DnsServer, hosts: dict[str, NextHop]
) -> None:
    """It stays in the queue, which says why, and goes when the DNS is back."""
    dns.world.dns("late.example", "MX", "10 a.hosts.example.")
    dns.world.broken.add("late.example")
    _send(service, "Late", "x@late.example")

    def waiting() -> list[dict[str, Any]]:
        entries = service.admin_json("queue", "list", "--domain", "late.example")
        return [entry for entry in entries if entry["attempts"]]

    [entry] = wait_until(waiting, SECONDS, "the first attempt")
    assert entry["last_reply"].startswith("451 4.4.3")
    dns.world.broken.clear()
    service.admin("queue", "retry", "--domain", "late.example")

    assert hosts["a"].wait_for(b"Late", SECONDS)


def test_the_state_of_mx_hosts_can_be_read(
    service: Pillarbox, dns: DnsServer, hosts: dict[str, NextHop]
) -> None:
    """For the domain and for its hosts: why they are not tried now, until somebody says so."""
    dns.world.dns("gone.example", "MX", "10 gone.hosts.example.")
    dns.world.dns("gone.hosts.example", "A", "127.0.0.24")
    before = len(service.events("delivery.hop_closed"))
    _send(service, "Gone", "x@gone.example")

    def closed() -> list[dict[str, Any]]:
        found = service.admin_json("queue", "hops", "--domain", "gone.example")
        return [site for site in found["mx_hosts"] if site["closed_until"]]

    [site] = wait_until(closed, SECONDS, "the first attempt")
    assert site["hosts"] == ["gone.hosts.example"]
    assert "connection refused" in site["failure"]
    shown = service.admin("queue", "hops", "--domain", "gone.example")
    assert "tried again in" in shown
    assert "MX HOSTS" in shown
    late = NextHop("127.0.0.24")
    late.port = hosts["a"].port
    late.open()
    service.admin("queue", "retry", "--hop", f"mx:gone.example:{late.port}")

    assert late.wait_for(b"Gone", SECONDS)
    assert len(service.events("delivery.hop_closed")) == before + 1
    found = service.admin_json("queue", "hops", "--domain", "gone.example")
    assert [site["security"] for site in found["mx_hosts"]] == ["none"]
    late.shut()


def test_mail_comes_from_the_address_of_its_route(
    service: Pillarbox, dns: DnsServer, hosts: dict[str, NextHop]
) -> None:
    """What is known of the address counts: its name, and how much it may send today."""
    dns.world.dns("sourced.example", "MX", "10 b.hosts.example.")
    words = ("--name", "one.pillarbox.example", "--warm-up", "2,5")
    service.admin("source", "add", "127.0.0.31", *words)
    port = str(hosts["b"].port)
    options = ("--mx", "--mx-port", port, "--source", "127.0.0.31=3")
    service.admin("route", "add", "--to", "sourced.example", *options)

    for number in range(3):
        _send(service, f"Sourced {number}", "x@sourced.example")

    def waiting() -> list[dict[str, Any]]:
        entries = service.admin_json("queue", "list", "--domain", "sourced.example")
        return [entry for entry in entries if "warmed up" in (entry["last_reply"] or "")]

    wait_until(waiting, SECONDS, "the third message to wait")
    assert hosts["b"].copies(b"Sourced") == 2
    assert "127.0.0.31" in hosts["b"].clients
    [source] = service.admin_json("source", "list")
    assert (source["allowed_today"], source["sent_today"]) == (2, 2)
    [site] = service.admin_json("queue", "hops", "--domain", "sourced.example")["mx_hosts"]
    assert (site["hosts"], site["source"]) == (["b.hosts.example"], "127.0.0.31")


def test_a_postfix_takes_mail_under_tls(
    service: Pillarbox,
    dns: DnsServer,
    hosts: dict[str, NextHop],
    postfix_with_tls: PostfixNextHop,
) -> None:
    """Another program at the far side, with a certificate for another name."""
    del hosts
    postfix = postfix_with_tls
    dns.world.dns("postfix.example", "MX", "10 mx.postfix.example.")
    dns.world.dns("mx.postfix.example", "A", "127.0.0.1")
    options = ("--mx", "--mx-port", str(postfix.port))
    service.admin("route", "add", "--to", "postfix.example", *options)

    _send(service, "By MX", "bob@postfix.example")

    kept = postfix.wait_for("bob@postfix.example", SECONDS)
    received = kept.octets.partition(b"\r\nReceived:")[0]
    assert b"from out.pillarbox.example" in received
    assert b"with ESMTPS" in received


def test_a_report_on_tls_goes_out_when_its_day_is_over(
    service: Pillarbox, dns: DnsServer, hosts: dict[str, NextHop]
) -> None:
    """A session of now is counted when the service ends; what workers counted the day before
    yesterday is told at its next start, once, to the mailbox that the domain's record names."""
    # A name of its own: a session is counted when it is opened, and one of others may still stand.
    dns.world.dns("told.hosts.example", "A", hosts["b"].address)
    dns.world.dns("told.example", "MX", "10 told.hosts.example.")
    dns.world.dns("_smtp._tls.told.example", "TXT", '"v=TLSRPTv1; rua=mailto:tls@told.example"')
    day = time.time_ns() // 86_400_000_000_000 - 2
    result = TlsResult(day, "told.example", NO_POLICY, "told.hosts.example")
    _send(service, "Counted", "x@told.example")
    assert hosts["b"].wait_for(b"Counted", SECONDS)
    assert service.stop() == 0
    database = Database.open(f"sqlite:///{service.folder / 'pillarbox.sqlite3'}", reserve_octets=0)
    database.write_now(lambda c: add_results(c, [Counted(result, 42)]))
    database.close_now()
    service.start()

    taken = hosts["b"].wait_for(b"TLS-Report-Domain: told.example", SECONDS)
    assert taken.recipients == ["<tls@told.example>"]
    assert hosts["b"].copies(b"TLS-Report-Domain: told.example") == 1

    def sent() -> list[dict[str, Any]]:
        found = service.admin_json("tls-report", "list", "told.example")
        return [one for one in found if one["state"] == "sent"]

    [report] = wait_until(sent, SECONDS, "the report to be sent")
    assert report["detail"].startswith("mailto:tls@told.example")
    (of_now,) = service.admin_json("tls-report", "show", "told.example")
    assert (of_now["result"], of_now["mx_host"]) == ("starttls-not-supported", "told.hosts.example")
    assert of_now["sessions"] == 1
