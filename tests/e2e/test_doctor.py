"""The doctor at servers that are well: Postfix, Exim, Pillarbox, the emulator of Microsoft 365."""

import asyncio
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.e2e.postfix import SMART_HOST_PASSWORD, SMART_HOST_USER, PostfixNextHop
from tests.e2e.servers import Server, exim_server
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until
from tests.support.constants import environment_with
from tests.support.emulated import app_token, client_context, emulating

from pillarbox.cli.root import root
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.finding import Severity
from pillarbox.diagnosis.findings import findings
from pillarbox.diagnosis.target import read_target
from pillarbox.doctor import Account, Tools, examine
from pillarbox.emulate.config import SAMPLE_MAILBOX, SAMPLE_PASSWORD
from pillarbox.net.tls import client_context as context_of

FAILED = 2
HEALTHY_SECONDS = 3.0


def look(target: str, ca_file: Path, account: Account) -> Facts:
    """What the doctor sees."""
    tools = Tools(context_of(verify=True, ca_file=str(ca_file)))
    return asyncio.run(examine(read_target(target), tools, account))


def alarms(facts: Facts) -> list[str]:
    """Failures and warnings."""
    return [str(f) for f in findings(facts) if f.severity is not Severity.INFO]


@pytest.mark.parametrize("door", ["starttls", "tls", "open"])
def test_postfix_is_well(postfix: PostfixNextHop, hop_ca: Path, door: str) -> None:
    """With its defaults for TLS and a login by Dovecot's protocol. A port without TLS, for its own
    machine, has no STARTTLS: the doctor says that first."""
    ports = {"starttls": postfix.starttls_port, "tls": postfix.tls_port, "open": postfix.port}
    scheme = "smtps" if door == "tls" else "smtp"
    account = Account(SMART_HOST_USER, SMART_HOST_PASSWORD, sender="a@hop.example")

    facts = look(f"{scheme}://localhost:{ports[door]}", hop_ca / "ca.pem", account)

    if door == "open":
        assert [f.id for f in findings(facts)][:1] == ["STARTTLS-MISSING"]
    else:
        assert alarms(facts) == []
        assert facts.login is not None
        assert facts.sender is not None


@pytest.fixture(scope="module")
def exim(hop_ca: Path) -> Iterator[Server]:
    """An Exim with the settings of its package, but for users and ports."""
    with exim_server(hop_ca) as server:
        yield server


@pytest.mark.parametrize("implicit_tls", [False, True])
def test_exim_is_well(exim: Server, implicit_tls: bool) -> None:
    """Both doors, with login and sender; all suites that GnuTLS has and their groups are listed."""
    port = exim.tls_port if implicit_tls else exim.starttls_port
    scheme = "smtps" if implicit_tls else "smtp"
    account = Account(exim.username, exim.password, sender=exim.username)
    tools = Tools(context_of(verify=True, ca_file=str(exim.ca_file)), ciphers=implicit_tls)

    facts = asyncio.run(examine(read_target(f"{scheme}://localhost:{port}"), tools, account))

    assert alarms(facts) == []
    assert facts.login is not None
    assert facts.sender is not None
    if implicit_tls:
        [seen] = facts.suites
        assert {0x1301, 0x1302, 0x1303} <= set(seen.versions["1.3"])
        assert {23, 29} <= set(seen.groups)


@pytest.mark.parametrize("implicit_tls", [False, True])
def test_pillarbox_is_well(service: Pillarbox, implicit_tls: bool) -> None:
    """Both doors, with login and sender, in the time that people wait. Its own certificate is of
    an own authority."""
    door = service.door(implicit_tls=implicit_tls)
    scheme = "smtps" if implicit_tls else "submission"
    account = Account(door.username, door.password, sender=door.username)
    began = time.monotonic()

    facts = look(f"{scheme}://localhost:{door.port}", door.ca_file, account)

    assert alarms(facts) == []
    assert facts.login is not None
    assert facts.login.answer is not None
    assert facts.login.answer.reply.code == 235
    assert time.monotonic() - began < HEALTHY_SECONDS


def test_pillarbox_is_told_by_the_command(service: Pillarbox) -> None:
    """From the command line, with the authority of its own."""
    door = service.door(implicit_tls=False)
    words = ["doctor", f"localhost:{door.port}", "--ca-file", str(door.ca_file), "--strict"]

    result = CliRunner().invoke(root, [*words, "--json"])

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["ok"] is True


@pytest.mark.parametrize("by_token", [False, True])
async def test_emulator_of_microsoft_is_well(by_token: bool) -> None:
    """By password and by token; it has no PLAIN, as Microsoft has none."""
    async with emulating() as emulator:
        token = app_token(emulator) if by_token else ""
        password = "" if by_token else SAMPLE_PASSWORD
        account = Account(SAMPLE_MAILBOX, password, token, sender=SAMPLE_MAILBOX)
        tools = Tools(client_context(emulator))

        facts = await examine(read_target(f"localhost:{emulator.smtp_port}"), tools, account)

    assert alarms(facts) == []
    assert facts.login is not None
    assert facts.login.answer is not None
    assert facts.login.answer.reply.code == 235


def test_service_is_looked_at_from_beside(service: Pillarbox) -> None:
    """Its listeners, database and disk are well; one that does not run is told."""
    told = service.admin_json("doctor", "--self")

    assert told["ok"] is True, told["findings"]
    assert {door["port"] for door in told["working"]} == {service.starttls_port, service.tls_port}


def test_service_that_does_not_run_is_told(tmp_path: Path) -> None:
    """First, and with the exit code of a failure."""
    stopped = Pillarbox(tmp_path)
    words = ["doctor", "--self", "--config", str(stopped.config), "--json"]

    result = CliRunner().invoke(root, words)

    assert result.exit_code == FAILED
    first = json.loads(result.stdout)["findings"][0]
    assert first["id"] == "SELF-NOT-RUNNING"
    assert first["cause"].count("does not answer") == 1


def test_service_looks_at_itself_and_tells_what_is_new(tmp_path: Path) -> None:
    """It logs and counts what it finds, once; the command tells it, and with --since what came
    after it. A next start is no new day."""
    reserve = shutil.disk_usage(tmp_path).free * 3 // 4
    itself = Pillarbox(tmp_path)
    said = itself.config.read_text()
    little_room = re.sub(r"disk_reserve_octets = .*", f"disk_reserve_octets = {reserve}", said)
    itself.config.write_text(little_room)
    itself.environment = environment_with({"pillarbox.app.self_watch:FIRST_SECONDS": 1.0})
    try:
        itself.start()
        wait_until(lambda: bool(itself.events("doctor.found")), 60, "the look")
        metric = 'pillarbox_app_self_findings{severity="warn"} 1'
        wait_until(lambda: metric in itself.get("/metrics")[1], 60, metric)
        told = itself.admin_json("doctor", "--self")
        new = itself.admin_json("doctor", "--self", "--since")
        itself.stop()
        itself.start()
        wait_until(lambda: len(itself.events("worker.serves")) == 2, 60, "the next start")
        failed = itself.admin_json("session", "list")
    finally:
        itself.stop()

    [found] = itself.events("doctor.found")
    assert (found["id"], found["level"]) == ("SELF-DISK-LOW", "warning")
    assert failed == []
    assert "SELF-DISK-LOW" in [one["id"] for one in told["findings"]]
    assert "SELF-DISK-LOW" not in [one["id"] for one in new["findings"]]
