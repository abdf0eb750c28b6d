"""Pillarbox between a client with a password and Microsoft 365, which the emulator plays."""

import json
import smtplib
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tests.e2e.letters import SENDER
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until
from tests.support.emulated import emulator_in_background

from pillarbox.cli.root import root
from pillarbox.emulate.config import (
    SAMPLE_APP,
    SAMPLE_SECRET,
    SAMPLE_TENANT,
    App,
    EmulatorConfig,
    Limits,
    Mailbox,
    Tenant,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Fault
from pillarbox.emulate.messages import Message

ALIAS = "app+scan@sender.example"
"""The account may use it; whether the mailbox may is Microsoft's to say."""
SECOND = "second@sender.example"
SECONDS = 60.0

GRAPH, SMTP, OUTAGE = "graph.example", "smtp.example", "outage.example"
"""Domains whose mail goes by one of the two ways; the third by Graph, with a sign-in of its own."""

SIGN_IN = ("--tenant-id", SAMPLE_TENANT, "--client-id", SAMPLE_APP, "--client-secret-file", "-")


def emulator_config(limits: Limits | None = None) -> EmulatorConfig:
    """The account of the client is a mailbox, so its mail needs no other From."""
    mailboxes = (
        Mailbox(address=SENDER, password="known", aliases=(ALIAS,)),
        Mailbox(address=SECOND, send_as=(SENDER, ALIAS)),
    )
    app = App(client_id=SAMPLE_APP, secret=SAMPLE_SECRET, mailboxes=(SENDER, SECOND))
    tenant = Tenant(id=SAMPLE_TENANT, domains=("sender.example",), mailboxes=mailboxes, apps=(app,))
    return EmulatorConfig(tenants=(tenant,), limits=limits or Limits(messages=1000))


def command(service: Pillarbox, *words: str, stdin: str = "") -> Any:
    """What Pillarbox.admin_json does, without a process of its own."""
    before = len(service.events("directory.changed"))
    argv = ["--config", str(service.config), *words, "--json"]
    done = CliRunner().invoke(root, argv, input=stdin)
    assert done.exit_code == 0, done.output
    if service.is_running and words[1] in ("add", "change"):
        wait_until(
            lambda: len(service.events("directory.changed")) > before, SECONDS, f"{words} is seen"
        )
    return json.loads(done.stdout)


def add_route(service: Pillarbox, emulator: Emulator, domain: str, *words: str) -> str:
    """Mail for this domain goes to this emulator; the id of the route."""
    where = (
        *("--host", f"localhost:{emulator.smtp_port}", "--graph-url", emulator.graph_url),
        *("--authority", emulator.authority_url, "--ca-file", str(emulator.ca_file)),
    )
    mailbox = () if "--microsoft365" in words else ("--microsoft365", SENDER)
    add = ("route", "add", "--to", domain, *mailbox, *SIGN_IN, *where, *words)
    return str(command(service, *add, stdin=f"{SAMPLE_SECRET}\n")["id"])


@dataclass(frozen=True, slots=True)
class Bridge:
    """The service and the emulator behind its routes. `outage` is the route to OUTAGE; `records` is
    what DNS has of the key that signs mail of the account's domain."""

    service: Pillarbox
    emulator: Emulator
    outage: str
    records: dict[bytes, bytes]

    def dns_txt(self, name: bytes, timeout: int = 5) -> bytes:
        """What dkimpy is given for DNS."""
        del timeout
        return self.records[name]

    def begin_anew(self) -> None:
        """Without what was ordered and sent before."""
        self.emulator.world.faults.clear()
        self.emulator.world.switches.reset()
        self.emulator.forget()

    @contextmanager
    def client(self) -> Iterator[smtplib.SMTP_SSL]:
        """A client that has logged in."""
        context = ssl.create_default_context(cafile=self.service.ca_file)
        port = self.service.tls_port
        with smtplib.SMTP_SSL("localhost", port, context=context, timeout=SECONDS) as client:
            client.login(self.service.username, self.service.password)
            yield client

    def send(self, content: bytes, *recipients: str) -> str:
        """Send a message over a connection of its own, which must be taken; its queue id."""
        with self.client() as client:
            return send_by(client, content, *recipients)

    def order(self, **fault: object) -> None:
        """Order a fault of the emulator."""
        self.emulator.world.faults.order(Fault.model_validate(fault))

    @property
    def hits(self) -> int:
        """How often the faults that were ordered have hit."""
        return self.emulator.world.faults.hits

    def arrived(self, text: bytes) -> list[Message]:
        """What came with this text, and was answered."""
        return arrived(self.emulator, text)

    def wait_for(self, text: bytes, count: int = 1) -> list[Message]:
        """The messages with this text, of which there must be so many."""
        wait_until(lambda: len(self.arrived(text)) >= count, SECONDS, f"{count} with {text!r}")
        return self.arrived(text)

    def tried(self, domain: str) -> list[dict[str, str]]:
        """What the queue has for a domain and has tried."""
        entries = command(self.service, "queue", "list", "--domain", domain)
        return [entry for entry in entries if entry["attempts"]]

    def attempts(self, *queue_ids: str) -> list[dict[str, str]]:
        """What the log says of attempts for these messages."""
        events = self.service.events("delivery.attempt")
        return [event for event in events if event["queue_id"] in queue_ids]

    @property
    def reports(self) -> list[dict[str, str]]:
        """What the log says of reports to the account: they are captured."""
        events = self.service.events("delivery.attempt")
        return [event for event in events if event["next_hop"] == "capture"]


def send_by(client: smtplib.SMTP, content: bytes, *recipients: str, sender: str = SENDER) -> str:
    """Send a message in an open session; its queue id. All replies must be positive."""
    codes = [client.mail(sender)[0], *(client.rcpt(recipient)[0] for recipient in recipients)]
    code, said = client.data(content)
    assert {*codes, code} == {250}, (codes, code, said)
    return said.decode().rsplit(maxsplit=1)[-1]


def letter(subject: str, to: str = "", body: str = "Hello", more: str = "") -> bytes:
    """A message of the account."""
    to_field = f"To: {to}\r\n" if to else ""
    header = f"From: {SENDER}\r\n{to_field}Subject: {subject}\r\n{more}"
    return f"{header}\r\n{body}\r\n".encode()


def arrived(emulator: Emulator, text: bytes) -> list[Message]:
    """What came to an emulator with this text, and was answered."""
    messages = emulator.world.messages.all()
    return [one for one in messages if one.is_answered and text in one.arrival.raw]


def named(raw: bytes) -> Counter[str]:
    """How often To, Cc and Bcc together name each address."""
    header = BytesHeaderParser().parsebytes(raw)
    fields = [field for name in ("To", "Cc", "Bcc") for field in header.get_all(name, [])]
    return Counter(address.lower() for _, address in getaddresses(fields) if address)


@contextmanager
def prepared(folder: Path) -> Iterator[Bridge]:
    """All of it, set up and running; the service must end well."""
    with emulator_in_background(emulator_config()) as emulator:
        service = Pillarbox(folder)
        tenant = ("--retry-first", "1", "--retry-longest", "2")
        command(service, "tenant", "change", "default", *tenant)
        command(service, "route", "add", "--to", "sender.example", "--capture")
        add_route(service, emulator, GRAPH, "--way", "graph", "--per-minute", "none")
        add_route(service, emulator, SMTP, "--per-minute", "none")
        own = ("--microsoft365", SECOND, "--client-secret-ends", "2099-01-01")
        outage = add_route(
            service, emulator, OUTAGE, "--way", "graph", "--other-from", "pass", *own
        )
        key = command(service, "dkim", "create", "sender.example")
        command(service, "dkim", "activate", "sender.example", key["selector"])
        record = key["record"]
        records = {f"{record['name']}.".encode(): record["value"].encode()}
        try:
            service.start()
            yield Bridge(service, emulator, outage, records)
        finally:
            code = service.stop()
        assert code == 0, service.log[-4000:]
