"""Signed at intake, whatever the message is like; dkimpy verifies it as it comes out."""

import smtplib
import ssl
from collections.abc import Iterator

import dkim
import pytest
from tests.e2e.letters import SENDER
from tests.e2e.next_hop import NextHop
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

DOMAIN = SENDER.partition("@")[2]
FROM = f"From: {SENDER}\r\n"


@pytest.fixture(scope="module")
def records(service: Pillarbox) -> dict[bytes, bytes]:
    """What DNS has: the records of two active keys, one of each algorithm."""
    found = {}
    for algorithm in ("rsa-sha256", "ed25519-sha256"):
        key = service.admin_json("dkim", "create", DOMAIN, "--algorithm", algorithm)
        _change(service, "dkim", "activate", DOMAIN, key["selector"])
        record = key["record"]
        found[f"{record['name']}.".encode()] = record["value"].encode()
    return found


def _change(service: Pillarbox, *words: str) -> None:
    """Run a command, and wait until the service has seen what it changed."""
    before = len(service.events("directory.changed"))
    service.admin(*words)
    wait_until(lambda: len(service.events("directory.changed")) > before, 10, f"{words}")


@pytest.fixture(scope="module")
def hop(service: Pillarbox) -> Iterator[NextHop]:
    """Where the mail goes."""
    hop = NextHop()
    hop.open()
    smart_host = ("--smarthost", f"127.0.0.1:{hop.port}", "--tls", "none")
    service.admin("route", "add", "--to", "recipient.example", *smart_host)
    yield hop
    hop.shut()


def _submit(service: Pillarbox, recipient: str, content: bytes) -> None:
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=20) as client:
        client.login(service.username, service.password)
        client.sendmail(SENDER, recipient, content)


def _through(service: Pillarbox, hop: NextHop, content: bytes) -> bytes:
    """Submit a message; its octets as the next hop got them."""
    before = len(hop.taken)
    _submit(service, "rcpt@recipient.example", content)
    wait_until(lambda: len(hop.taken) > before, 20, "the message")
    return hop.taken[before].octets


def _verdicts(message: bytes, records: dict[bytes, bytes]) -> list[bool]:
    verifier = dkim.DKIM(message)

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        del timeout
        return records[name]

    count = message.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [verifier.verify(index, dnsfunc=look_up) for index in range(count)]


MESSAGES = {
    "usual": f"{FROM}To: a@b.example\r\nSubject: x\r\n\r\nHello,\r\n.\r\n..two  dots \r\n\r\n",
    "no_body": f"{FROM}Subject: x\r\n\r\n",
    "empty_lines": f"{FROM}\r\n\r\n\r\n \t\r\n\r\n",
    "no_date_no_id": f"{FROM}\r\nIt gets both.\r\n",
    "no_from": "Subject: without From\r\n\r\nIt gets one.\r\n",
    "no_header": "just a line, and no field\r\nTo: be is no field either\r\n\r\nend\r\n",
    "empty": "\r\nstarts with an empty line\r\n",
    "eight_bit": f"{FROM}Subject: x\r\n\r\nGrüße\r\n",
    "below": f"From: app+tag@{DOMAIN}\r\nSubject: x\r\n\r\nA tag is the same address.\r\n",
    "large": f"{FROM}Subject: x\r\n\r\n" + "a line of  text \t in which blanks are\r\n" * 90_000,
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_leaves_is_signed(
    service: Pillarbox, records: dict[bytes, bytes], hop: NextHop, name: str
) -> None:
    """With both keys, the fields that Pillarbox adds included; large ones go through the store."""
    kept = _through(service, hop, MESSAGES[name].encode())
    assert _verdicts(kept, records) == [True, True]


def test_no_key_no_signature(service: Pillarbox, records: dict[bytes, bytes], hop: NextHop) -> None:
    """Of a domain of the tenant that has none; the key of another domain is not for it."""
    assert records
    service.admin("domain", "add", "other.example")
    service.admin("account", "add", "who@other.example")
    service.admin("send-as", "add", SENDER, "who@other.example")
    kept = _through(service, hop, b"From: who@other.example\r\n\r\nx\r\n")
    assert b"DKIM-Signature" not in kept
