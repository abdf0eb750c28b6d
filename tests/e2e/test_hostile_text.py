"""What clients write into names and header fields: it fakes no line of the log and no metric."""

import base64
import contextlib
import json
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

MARK = "mArK59"
HOSTILE = (
    f'{MARK}","event":"forged',
    f'{MARK}"}}\n{{"event":"forged"}}',
    f"{MARK}\r\nevent=forged\r\n",
    f"{MARK}%s%n%(event)s{{0}}{{event}}${{jndi:x}}",
    f"{MARK}\x1b]0;title\x07\x1b[2J\x00",
    f"{MARK}é\u2028\u0085\u202e",
)
OCTETS = (*(text.encode() for text in HOSTILE), MARK.encode() + b"\xff\xfe\xed\xa0\x80")


@contextmanager
def _connected(service: Pillarbox) -> Iterator[smtplib.SMTP_SSL]:
    """A client whose session may end at any moment."""
    context = ssl.create_default_context(cafile=service.ca_file)
    with contextlib.suppress(smtplib.SMTPServerDisconnected, ConnectionError):
        client = smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60)
        with contextlib.closing(client):
            yield client


def _say(client: smtplib.SMTP, line: bytes) -> int:
    client.send(line + b"\r\n")
    code, _ = client.getreply()
    return code


def _attack(service: Pillarbox, text: bytes) -> None:
    """The text as host name, user name, sender, recipient, Subject and Message-ID."""
    with _connected(service) as client:
        _say(client, b"EHLO " + text)
    with _connected(service) as client:
        _say(client, b"EHLO client.example")
        _say(client, b"AUTH PLAIN " + base64.b64encode(b"\0" + text + b"\0secret"))
    with _connected(service) as client:
        client.login(service.username, service.password)
        _say(client, b"MAIL FROM:<" + text + b"@sender.example> SMTPUTF8")
        _say(client, b"MAIL FROM:<" + text + b"> " + text)
    fields = b"Subject: " + text + b"\r\nMessage-ID: <" + text + b"@x>\r\nX-" + text + b": 1\r\n"
    header = f"From: {service.username}\r\n".encode() + fields.replace(b"\0", b"")
    with _connected(service) as client:
        client.login(service.username, service.password)
        with contextlib.suppress(smtplib.SMTPDataError):
            client.sendmail(service.username, ["bob@x.example"], header + b"\r\nHello\r\n")


def _series(service: Pillarbox) -> set[str]:
    """The names of all metrics with their labels."""
    lines = service.get("/metrics")[1].splitlines()
    return {line.rpartition(" ")[0] for line in lines if line and not line.startswith("#")}


def test_row_59_text_of_clients_forges_no_line_and_no_metric(service: Pillarbox) -> None:
    """CR, LF, ESC, JSON, formats and octets that are no text: each line of the log is one JSON
    object of an event that Pillarbox has, and a second round makes no new series."""
    service.admin("route", "add", "--capture")
    for text in OCTETS:
        _attack(service, text)
    series = _series(service)

    for text in OCTETS:
        _attack(service, text.replace(MARK.encode(), MARK.encode() + b"-again"))

    wait_until(lambda: f"{MARK}-again" in service.log, 20, "the log")
    written = service.log_file.read_bytes()
    lines = [json.loads(line) for line in written.split(b"\n") if line]
    assert all(line["event"].partition(".")[2].isidentifier() for line in lines)
    assert not any("forged" in line["event"] for line in lines)
    assert any(MARK in str(line) for line in lines)
    assert not {0x1B, 0x00, 0x0D} & set(written)
    assert _series(service) == series
    assert MARK not in "".join(series)
    assert not service.events("reception.failed")
