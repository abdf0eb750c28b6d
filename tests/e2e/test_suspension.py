"""A next hop whose login was switched off: nothing bounces, one alert, and all flows on."""

import smtplib
import ssl
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.next_hop import NextHop
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

MESSAGES = 600
SECONDS = 60.0
OFF = (
    b"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the"
    b" Tenant. Visit https://aka.ms/smtp_auth_disabled for more information."
    b" [AM0PR01CA0001.eurprd01.prod.exchangelabs.com]\r\n"
)
ALWAYS = 100_000
USER = "printer@contoso.example"


pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Pillarbox]:
    """A service of the test's own: it is restarted."""
    with running(tmp_path) as pillarbox:
        yield pillarbox


@pytest.fixture
def switched_off(next_hop: NextHop, hop_ca: Path) -> NextHop:
    """A next hop that refuses every login as Microsoft 365 does."""
    next_hop.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    next_hop.tls.load_cert_chain(hop_ca / "certificate.pem", hop_ca / "key.pem")
    next_hop.offers_login = True
    next_hop.replies["AUTH"] = deque([OFF] * ALWAYS)
    next_hop.open()
    return next_hop


def _logins(hop: NextHop) -> int:
    return ALWAYS - len(hop.replies["AUTH"])


def _add_route(service: Pillarbox, hop: NextHop, hop_ca: Path) -> str:
    words = ("--smarthost", f"localhost:{hop.port}", "--tls", "tls", "--user", USER)
    ca = ("--ca-file", str(hop_ca / "ca.pem"), "--password-file", "-")
    return str(service.admin_json("route", "add", *words, *ca, stdin="old\n")["id"])


def _send(service: Pillarbox, count: int) -> None:
    door = service.door(implicit_tls=True)
    context = ssl.create_default_context(cafile=door.ca_file)
    with smtplib.SMTP_SSL("localhost", door.port, context=context, timeout=60) as client:
        client.login(door.username, door.password)
        for number in range(count):
            text = f"From: {door.username}\r\nSubject: {number:04}\r\n\r\nHello\r\n"
            client.sendmail(door.username, [f"bob{number}@far.example"], text)


def _waiting(service: Pillarbox) -> int:
    return sum(line["recipients"] for line in service.admin_json("queue", "count"))


def _suspended(service: Pillarbox, route: str) -> dict[str, str]:
    """What is known of the suspension of a route; empty if it takes mail."""
    found: dict[str, str] | None = service.admin_json("route", "show", route)["suspended"]
    return found or {}


def test_600_messages_wait_out_a_login_that_was_switched_off(
    service: Pillarbox, switched_off: NextHop, hop_ca: Path
) -> None:
    """Nothing bounces, one alert, single probes; a corrected route sends everything at once."""
    route = _add_route(service, switched_off, hop_ca)
    _send(service, MESSAGES)

    wait_until(lambda: service.events("delivery.hop_suspended"), SECONDS, "the alert")
    suspended = wait_until(lambda: _suspended(service, route), SECONDS, "the suspension")
    assert suspended["reply"] == OFF.decode().strip()
    assert (suspended["explanation"], suspended["class"]) == ("m365-12", "admin")
    assert "Set-CASMailbox" in service.admin("queue", "count")
    assert _logins(switched_off) <= 6
    assert _waiting(service) == MESSAGES
    assert "pillarbox_delivery_suspended_lanes 1.0" in service.get("/metrics")[1]

    switched_off.replies["AUTH"].clear()
    service.admin("route", "change", route, "--user", USER, "--password-file", "-", stdin="new\n")

    wait_until(lambda: len(switched_off.taken) >= MESSAGES, SECONDS, "all mail at the next hop")
    copies = Counter(message.recipients[0] for message in switched_off.taken)
    assert copies == {f"<bob{number}@far.example>": 1 for number in range(MESSAGES)}
    wait_until(lambda: not _suspended(service, route), SECONDS, "the end of the suspension")
    assert service.admin_json("capture", "list") == []
    assert len(service.events("delivery.hop_suspended")) == 1
    assert len(service.events("delivery.hop_resumed")) == 1


def test_suspension_outlives_a_restart(
    service: Pillarbox, switched_off: NextHop, hop_ca: Path
) -> None:
    """While nothing runs people read why mail waits; the next start tries once, and goes on."""
    route = _add_route(service, switched_off, hop_ca)
    _send(service, 5)
    wait_until(lambda: service.events("delivery.hop_suspended"), SECONDS, "the alert")
    before = wait_until(lambda: _suspended(service, route), SECONDS, "the suspension")

    service.stop()
    assert _suspended(service, route) == before
    tried = _logins(switched_off)
    service.start()
    wait_until(lambda: _logins(switched_off) > tried, SECONDS, "a probe after the start")
    wait_until(lambda: service.events("delivery.probe_failed"), SECONDS, "the probe to fail")
    assert _suspended(service, route) == before
    assert len(service.events("delivery.hop_suspended")) == 1

    service.stop()
    switched_off.replies["AUTH"].clear()
    service.start()
    wait_until(lambda: len(switched_off.taken) == 5, SECONDS, "all mail at the next hop")
    wait_until(lambda: service.events("delivery.hop_resumed"), SECONDS, "the end in the log")
    wait_until(lambda: not _suspended(service, route), SECONDS, "the end of the suspension")
