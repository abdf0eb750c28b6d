"""The control API and the command: what a test in another language uses."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from click.testing import CliRunner
from tests.e2e.programs import program, run
from tests.e2e.waiting import wait_until
from tests.support.emulated import (
    MESSAGE,
    RECIPIENT,
    Client,
    app_token,
    emulating,
    submit,
)

from pillarbox.cli.root import root
from pillarbox.emulate.config import SAMPLE_MAILBOX, load_config
from pillarbox.emulate.emulator import Emulator
from pillarbox.emulate.switches import SWITCHES
from pillarbox.errors import ConfigError


@asynccontextmanager
async def controlling() -> AsyncIterator[tuple[Emulator, httpx.AsyncClient]]:
    """An emulator and a client of its control API."""
    async with (
        emulating() as emulator,
        httpx.AsyncClient(base_url=emulator.control_url, trust_env=False) as http,
    ):
        yield emulator, http


async def test_switches_are_turned_and_set_back() -> None:
    """For all and for one mailbox; what is wrong changes nothing."""
    async with controlling() as (emulator, http):
        changed = await http.put(
            "/switches", json={"smtp_auth": "off", f"{SAMPLE_MAILBOX}/mailbox": "disabled"}
        )
        wrong = await http.put("/switches", json={"mfa": "on", "smtp_auth": "maybe"})
        refused = await submit(emulator)
        shown = (await http.get("/switches")).json()
        back = (await http.delete("/switches")).json()
        taken = await submit(emulator)

    assert changed.json()["smtp_auth"] == "off"
    assert wrong.status_code == 400
    assert wrong.json()["error"] == "smtp_auth can be on, off, not 'maybe'"
    assert "disabled for the Tenant" in refused
    assert shown["mfa"] == "off"
    assert shown[f"{SAMPLE_MAILBOX}/mailbox"] == "disabled"
    assert set(back) == set(SWITCHES)
    assert taken.startswith("250")


async def test_faults_are_ordered_and_cancelled() -> None:
    """With their hits; an order that makes no sense is refused."""
    fault = {"stage": "mail", "reply": "try-later", "times": 2}

    async with controlling() as (emulator, http):
        first = (await http.post("/faults", json=fault)).json()["id"]
        await submit(emulator)
        shown = (await http.get("/faults")).json()
        cancelled = await http.delete(f"/faults/{first}")
        again = await http.delete(f"/faults/{first}")
        wrong = await http.post("/faults", json={"stage": "mail", "reply": "nonsense"})
        taken = await submit(emulator)

    assert [(order["id"], order["hits"], order["reply"]) for order in shown] == [
        (first, 1, "try-later")
    ]
    assert (cancelled.status_code, again.status_code, wrong.status_code) == (204, 404, 400)
    assert wrong.json()["error"].startswith("reply is a name of a reply")
    assert taken.startswith("250")


async def test_the_mailbox_view_shows_what_arrived() -> None:
    """Envelope, login, header fields, octets; by an alias too, and from an id on."""
    bcc = MESSAGE.replace(b"Subject:", b"Bcc: hidden@fabrikam.example\r\nSubject:")

    async with controlling() as (emulator, http):
        await submit(emulator)
        await submit(emulator, bcc)
        mailboxes = (await http.get("/mailboxes")).json()
        view = (await http.get("/mailboxes/scanner@contoso.example/messages?after=1")).json()
        one = (await http.get("/messages/2")).json()
        raw = await http.get("/messages/2/raw")
        seen = await http.get("/messages/2/seen")
        missing = await http.get("/messages/9")

    assert {m["address"]: m["messages"] for m in mailboxes}[SAMPLE_MAILBOX] == 2
    assert [message["id"] for message in view] == [2]
    assert (one["login"], one["recipients"]) == (SAMPLE_MAILBOX, [RECIPIENT])
    assert ["Bcc", "hidden@fabrikam.example"] in one["headers"]
    assert (raw.content, raw.headers["content-type"]) == (bcc, "message/rfc822")
    assert seen.content == MESSAGE
    assert missing.status_code == 404


async def test_statistics_prove_what_a_client_kept_to() -> None:
    """When messages arrived and how many in any minute; forgetting begins anew."""
    async with controlling() as (emulator, http):
        for _ in range(3):
            await submit(emulator)
        facts = (await http.get("/stats")).json()[SAMPLE_MAILBOX]
        await http.delete("/messages")
        after = (await http.get("/stats")).json()
        messages = (await http.get("/messages")).json()

    assert (facts["accepted"], facts["most_in_window"], facts["most_connections"]) == (3, 3, 1)
    assert len(facts["arrived_at"]) == 3
    assert (after, messages) == ({}, [])


async def test_connections_are_counted_with_a_login_or_without() -> None:
    """Now and at most, by port; forgetting begins anew."""
    async with controlling() as (emulator, http):
        reader, writer = await asyncio.open_connection("127.0.0.1", emulator.smtp_port)
        await reader.readline()
        await submit(emulator)
        counted = (await http.get("/connections")).json()
        writer.close()
        await reader.read()
        await asyncio.to_thread(
            wait_until, lambda: not emulator.connections()["smtp"]["open"], 20, "no connection"
        )
        await http.delete("/messages")
        after = (await http.get("/connections")).json()

    assert counted["smtp"]["most"] == 2
    assert counted["smtp"]["open"] >= 1
    assert after["smtp"] == {"open": 0, "most": 0}
    assert set(counted) == {"smtp", "login", "graph"}


async def test_tokens_that_were_given_out_can_be_ended() -> None:
    """Such a one is refused, the next one is taken."""

    def log_in(emulator: Emulator, token: str) -> str:
        with Client(emulator) as client:
            return client.log_in_by_token(token)[:3]

    async with controlling() as (emulator, http):
        old = app_token(emulator)
        before = await asyncio.to_thread(log_in, emulator, old)
        ended = await http.delete("/tokens")
        after = await asyncio.to_thread(log_in, emulator, old)
        new = await asyncio.to_thread(log_in, emulator, app_token(emulator))

    assert ended.status_code == 204
    assert (before, after, new) == ("235", "535", "235")


async def test_it_tells_where_everything_is() -> None:
    """As JSON at the root."""
    async with controlling() as (emulator, http):
        card = (await http.get("/")).json()
        replies = (await http.get("/replies")).json()
        nothing = await http.get("/nothing")

    assert card["smtp"]["port"] == emulator.smtp_port
    assert (card["authority"], card["graph"]) == (emulator.authority_url, emulator.graph_url)
    assert replies["many-threads"]["row"] == 31
    assert (replies["many-threads"]["code_guessed"], replies["spf"]["code_guessed"]) == (
        False,
        True,
    )
    assert nothing.status_code == 404


async def test_the_user_decides_about_a_device_code() -> None:
    """As at the page that the device names."""
    async with controlling() as (_, http):
        unknown = await http.post("/devicecodes/ABC", json={"decision": "approve"})
        wrong = await http.post("/devicecodes/ABC", json={"decision": "perhaps"})

    assert (unknown.status_code, wrong.status_code) == (404, 400)


# The command


@pytest.fixture
def emulating_process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """`pillarbox emulate m365` with a file; it ends by SIGTERM with 0."""
    file = tmp_path / "tenant.toml"
    file.write_text(CONFIG)
    argv = [sys.executable, "-m", "pillarbox", "emulate", "m365", str(file)]
    argv += ["--folder", str(tmp_path / "ca"), "--switch", "retry_after=date"]
    argv += ["--fault", '{"stage": "mail", "reply": "try-later"}']
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, process.stdout
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


CONFIG = """
[[tenants]]
id = "22222222-2222-3333-4444-555555555555"
domains = ["fabrikam.example"]

[[tenants.mailboxes]]
address = "app@fabrikam.example"
password = "secret-of-the-mailbox"

[[tenants.apps]]
client_id = "an-app"
secret = "secret-of-the-app"
mailboxes = ["app@fabrikam.example"]
"""


def test_the_commands_of_the_card_work_as_they_stand(
    emulating_process: tuple[subprocess.Popen[str], IO[str]], tmp_path: Path
) -> None:
    """swaks meets the fault that was ordered and then sends; curl sends by Graph."""
    assert program("swaks", "swaks")
    assert program("curl", "curl")
    lines: list[str] = []
    while not lines or "try-later" not in lines[-1]:
        lines.append(emulating_process[1].readline())
        assert lines[-1], "the card has ended"
    swaks, by_graph = _commands("".join(lines))
    control = next(line.split()[1] for line in lines if line.startswith("Control"))

    refused = run(["sh", "-c", swaks], code=None)
    run(["sh", "-c", swaks])
    sent = run(["sh", "-c", by_graph], environment={"PATH": os.environ["PATH"]})

    with httpx.Client(base_url=control, trust_env=False) as http:
        messages = http.get("/messages").json()
        switches = http.get("/switches").json()
    assert b"451 4.7.0 Temporary server error" in refused.stdout + refused.stderr
    assert sent.stdout.startswith(b"HTTP/1.1 202")
    assert [message["way"] for message in messages] == ["smtp", "graph"]
    assert {message["mailbox"] for message in messages} == {"app@fabrikam.example"}
    assert switches["retry_after"] == "date"
    assert (tmp_path / "ca/ca.pem").exists()


def _commands(card: str) -> tuple[str, str]:
    """The commands below the first two headings."""
    by_password = card.partition("Send with a password:")[2].partition("Send by Graph:")
    return by_password[0], by_password[2].partition("Look at what")[0]


def test_everything_wrong_in_a_file_is_told_at_once(tmp_path: Path) -> None:
    """With its place."""
    file = tmp_path / "wrong.toml"
    file.write_text(
        '[[tenants]]\nid = "x"\ndomains = ["a.example"]\n[[tenants.mailboxes]]\naddress = "no"\n'
        '[switches]\nsmtp_auth = "maybe"\n[limits]\nmessage = 3\n'
    )

    with pytest.raises(ConfigError) as raised:
        load_config(file)

    places = [problem.path.rpartition(": ")[2] for problem in raised.value.problems]
    assert places == ["tenants[0].mailboxes[0].address", "limits.message", "switches"]


@pytest.mark.parametrize(
    ("option", "code", "text"),
    [
        (["--switch", "smtp_auth"], 64, "is not NAME=POSITION"),
        (["--switch", "smtp_auth=maybe"], 65, "smtp_auth can be on, off"),
        (["--fault", "{"], 64, "Invalid JSON"),
        (["nowhere.toml"], 66, "nowhere.toml: No such file"),
    ],
)
def test_a_wrong_option_is_told(option: list[str], code: int, text: str) -> None:
    """And nothing starts."""
    result = CliRunner().invoke(root, ["emulate", "m365", *option])

    assert result.exit_code == code
    assert text in result.output


def test_port_that_another_program_has_is_told() -> None:
    """With the option that names another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(root, ["emulate", "m365", "--graph-port", str(port)])

    assert result.exit_code == 69
    assert f"127.0.0.1:{port} is in use" in result.output
    assert "--graph-port" in result.output


def test_the_card_can_be_had_as_json() -> None:
    """For programs that start the emulator."""
    argv = [sys.executable, "-m", "pillarbox", "emulate", "m365", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            lines: list[str] = []
            while not lines or lines[-1] != "}\n":
                lines.append(process.stdout.readline())
                assert lines[-1]
        finally:
            process.terminate()
            process.wait(30)

    card = json.loads("".join(lines))
    assert card["kind"] == "m365"
    assert Path(card["ca_file"]).suffix == ".pem"


async def test_it_leaves_nothing_behind() -> None:
    """No port, no task, no file."""
    async with emulating() as emulator:
        port, folder = emulator.smtp_port, emulator.ca_file.parent
        _, writer = await asyncio.open_connection("localhost", port)

    writer.close()
    assert not folder.exists()
    assert len(asyncio.all_tasks()) == 1
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)
