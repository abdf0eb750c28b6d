"""The service sends through the emulator of Microsoft 365, by password as until 2026."""

import smtplib
import ssl
from pathlib import Path

from tests.e2e.letters import SENDER
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until
from tests.support.emulated import emulator_in_background

from pillarbox.emulate.config import EmulatorConfig, Limits, Mailbox, Tenant
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.faults import Action, Fault, Stage

PASSWORD = "password of the mailbox"
MESSAGES = 20
SECONDS = 60.0

CONFIG = EmulatorConfig(
    limits=Limits(messages=1000),
    tenants=(
        Tenant(
            id="t",
            domains=("sender.example",),
            mailboxes=(Mailbox(address=SENDER, password=PASSWORD),),
        ),
    ),
)


def _route(service: Pillarbox, emulator: Emulator) -> None:
    hop = ("--smarthost", f"localhost:{emulator.smtp_port}", "--ca-file", str(emulator.ca_file))
    login = ("--user", SENDER, "--password-file", "-", "--connections", "2")
    service.admin("route", "add", *hop, *login, stdin=f"{PASSWORD}\n")
    service.admin("tenant", "change", "default", "--retry-first", "1", "--retry-longest", "2")


def _send(service: Pillarbox, ca_file: Path) -> None:
    context = ssl.create_default_context(cafile=ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=20) as client:
        client.login(service.username, service.password)
        for number in range(MESSAGES):
            text = f"From: {SENDER}\r\nSubject: {number}\r\n\r\nHello\r\n"
            client.sendmail(SENDER, [f"bob{number}@fabrikam.example"], text)


def test_everything_arrives_once_in_spite_of_refusals(service: Pillarbox) -> None:
    """432, 451 and cut connections only put mail off; two connections are never passed."""
    with emulator_in_background(CONFIG) as emulator:
        faults = emulator.world.faults
        faults.order(Fault(stage=Stage.CONTENT, reply="many-connections", skip=3))
        faults.order(Fault(stage=Stage.MAIL, reply="try-later", skip=8))
        faults.order(Fault(stage=Stage.CONTENT, action=Action.CUT, skip=12))
        _route(service, emulator)

        _send(service, service.ca_file)

        statistics = emulator.world.statistics[SENDER]
        wait_until(lambda: statistics.accepted >= MESSAGES, SECONDS, "all messages")
        messages = emulator.world.messages.all()

    recipients = [message.arrival.recipients for message in messages]
    assert faults.hits == 3
    assert sorted(recipients) == sorted(
        (f"bob{number}@fabrikam.example",) for number in range(MESSAGES)
    )
    assert statistics.most_connections <= 2
