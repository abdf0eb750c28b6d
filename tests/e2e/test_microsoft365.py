"""Mail by a mailbox of Microsoft 365: a real service, a sign-in server and a next hop that behave
as Microsoft's do."""

import base64
import json
import smtplib
import ssl
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.marks import found_in, places_of
from tests.e2e.next_hop import NextHop
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until
from tests.support.issuer import CLIENT, TENANT, TOKEN, Issuer

ACCOUNT = "app@sender.example"
MAILBOX = "alerts@contoso.example"
CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN = (
    f"{name}-mArK+eD/pass&{number}"
    for number, name in enumerate(("client", "refresh", "access"), 8301)
)
REFUSED = b"535 5.7.3 Authentication unsuccessful [LO4P123CA0001.GBRP123.PROD.OUTLOOK.COM]\r\n"
WAIT = 30


@pytest.fixture
def issuer(hop_ca: Path) -> Iterator[Issuer]:
    """A sign-in server whose tokens are for SMTP."""
    with Issuer(hop_ca / "certificate.pem", hop_ca / "key.pem") as server:
        server.claims = {
            "aud": "https://outlook.office365.com",
            "roles": ["SMTP.SendAsApp"],
            "tid": TENANT,
            "appid": CLIENT,
        }
        yield server


@pytest.fixture
def office365(next_hop: NextHop, hop_ca: Path) -> NextHop:
    """A next hop as smtp.office365.com."""
    next_hop.starttls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    next_hop.starttls.load_cert_chain(hop_ca / "certificate.pem", hop_ca / "key.pem")
    next_hop.open()
    return next_hop


@pytest.fixture
def where(office365: NextHop, issuer: Issuer, hop_ca: Path) -> tuple[str, ...]:
    """The options that put both in the place of Microsoft's."""
    return (
        *("--host", f"localhost:{office365.port}", "--authority", issuer.url),
        *("--ca-file", str(hop_ca / "ca.pem"), "--tenant-id", TENANT, "--client-id", CLIENT),
        *("--other-from", "pass"),
    )


def _add(service: Pillarbox, *words: str, mailboxes: str = MAILBOX) -> str:
    """Add a route; its id."""
    add = ("route", "add", "--microsoft365", mailboxes, *words, "--client-secret-file", "-")
    said = service.admin(*add, "--json", stdin=f"{CLIENT_SECRET}\n")
    return str(json.loads(said)["id"])


def _send(service: Pillarbox, text: str, recipient: str = "bob@next.example") -> None:
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=20) as client:
        client.login(service.username, service.password)
        client.sendmail(ACCOUNT, recipient, f"From: {ACCOUNT}\r\nSubject: {text}\r\n\r\nHello\r\n")


def _waiting(service: Pillarbox, recipient: str) -> list[dict[str, str]]:
    """What the queue says of a recipient that was tried."""
    entries = service.admin_json("queue", "list")
    return [e for e in entries if e["recipient"] == recipient and e["last_reply"]]


def _attempts(service: Pillarbox, hop: NextHop) -> list[str]:
    """The replies of attempts at this next hop."""
    events = service.events("delivery.attempt")
    return [event["reply"] for event in events if event["next_hop"].endswith(f":{hop.port}")]


def _check(service: Pillarbox) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "pillarbox", "m365", "check", "--config", str(service.config)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_mail_goes_out_by_the_mailboxes_of_a_pool(
    service: Pillarbox, office365: NextHop, issuer: Issuer, where: tuple[str, ...]
) -> None:
    """Password in, XOAUTH2 out; each mailbox is used, and every message arrives once."""
    mailboxes = "a@contoso.example,b@contoso.example"
    _add(service, *where, "--to", "pool.example", mailboxes=mailboxes)

    for number in range(12):
        _send(service, f"Pool {number:02}", "bob@pool.example")
    for number in range(12):
        office365.wait_for(f"Pool {number:02}".encode(), WAIT)

    users = {login.split(b"\x01")[0] for login in office365.logins}
    assert users == {b"user=a@contoso.example", b"user=b@contoso.example"}
    assert all(b"\x01auth=Bearer eyJ" in login for login in office365.logins)
    assert all(office365.copies(f"Pool {number:02}".encode()) == 1 for number in range(12))
    assert [form["client_secret"] for form in issuer.forms()] == [CLIENT_SECRET]


def test_another_from_is_rewritten_or_refused(
    service: Pillarbox, office365: NextHop, where: tuple[str, ...]
) -> None:
    """As the route says: a message of the mailbox with Reply-To, or 550 with the way out."""
    route_id = _add(service, *where[:-1], "rewrite", "--to", "rules.example")

    _send(service, "Rewritten", "bob@rules.example")
    taken = office365.wait_for(b"Rewritten", WAIT)
    service.admin("route", "change", route_id, "--other-from", "refuse")
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        _send(service, "Refused", "bob@rules.example")

    assert taken.sender.startswith(f"<{MAILBOX}>")
    assert f"From: <{MAILBOX}>\r\nReply-To: {ACCOUNT}\r\n".encode() in taken.octets
    assert f"set From and sender to {MAILBOX}".encode() in refusal.value.smtp_error
    assert refusal.value.smtp_code == 550


def test_mail_waits_while_the_sign_in_fails_and_goes_when_it_is_mended(
    service: Pillarbox, office365: NextHop, issuer: Issuer, where: tuple[str, ...]
) -> None:
    """The client is not told, the queue is; a new secret lets it go at once."""
    answer = {"error": "invalid_client", "error_description": "AADSTS7000222: expired"}
    issuer.answers[TOKEN] = deque([(401, answer)])
    route_id = _add(service, *where, "--to", "waits.example")

    _send(service, "Waits", "bob@waits.example")
    wait_until(lambda: service.events("oauth.no_token"), WAIT, "a sign-in that fails")
    [entry] = wait_until(lambda: _waiting(service, "bob@waits.example"), WAIT, "a reply")
    service.admin("route", "change", route_id, "--client-secret-file", "-", stdin="new\n")
    service.admin("queue", "retry", "--all")

    assert entry["state"] == "deferred"
    assert "AADSTS7000222" in entry["last_reply"]
    assert "--client-secret-file" in entry["last_reply"]
    office365.wait_for(b"Waits", WAIT)
    assert issuer.forms()[-1]["client_secret"] == "new"


def test_no_secret_of_a_sign_in_is_written_anywhere(
    service: Pillarbox, office365: NextHop, issuer: Issuer, where: tuple[str, ...]
) -> None:
    """Log, database, metrics, queue, trace, check: neither secret, nor refresh token, nor access
    token, though both servers repeat what they were told."""
    issuer.claims, issuer.access_prefix, issuer.refresh_prefix = {}, ACCESS_TOKEN, REFRESH_TOKEN
    person = ("route", "add", "--microsoft365", "me@contoso.example", "--to", "person.example")
    shown = service.admin(*person, *where, "--device-code")
    # From here on both servers refuse, and repeat what they were told.
    text = f"AADSTS7000215: Invalid client secret: {CLIENT_SECRET}"
    issuer.answers[TOKEN] = deque([(401, {"error": "invalid_client", "error_description": text})])
    _add(service, *where, "--to", "app.example")
    token = f"{ACCESS_TOKEN}2"
    response = base64.b64encode(f"user=me@contoso.example\x01auth=Bearer {token}\x01\x01".encode())
    office365.replies["AUTH"] = deque(
        [b"535 5.7.3 Not " + response + b" " + token.encode() + b"\r\n"] * 20
    )

    for domain in ("app.example", "person.example"):
        _send(service, "Marked", f"bob@{domain}")
    wait_until(lambda: len(_attempts(service, office365)) >= 2, WAIT, "attempts")
    places = places_of(service, ACCOUNT, "bob@person.example")
    done = _check(service)
    places["check"] = (done.stdout + done.stderr + shown).encode()

    assert b"535 5.7.3 Not" in places["queue list"]
    assert b"AADSTS7000215" in places["queue list"]
    assert any(b"oauth.no_token" in octets for octets in places.values())
    assert issuer.count(TOKEN) >= 3
    users = (ACCOUNT, MAILBOX, "me@contoso.example")
    for secret in (CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN):
        assert not found_in(places, secret, users), secret
