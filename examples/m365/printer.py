#!/usr/bin/env python3
"""A printer that knows only a password sends by Microsoft 365, on this machine alone.

    examples/m365/printer.py smtp     printer -> Pillarbox -> emulator by SMTP with XOAUTH2
    examples/m365/printer.py graph    printer -> Pillarbox -> emulator by Microsoft Graph

Starts the emulator of Microsoft 365 and Pillarbox in a temporary folder, on free ports of the
loopback, sends with swaks as a printer does (STARTTLS, PLAIN), and shows the mail as it came to the
mailbox. It needs swaks, and Pillarbox in the Python that runs it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

PRINTER = "printer@contoso.example"
RECIPIENTS = "ann@fabrikam.example,bob@fabrikam.example"
HEADERS = (f"From: Printer <{PRINTER}>", "To: Ann <ann@fabrikam.example>", "Subject: A scan")
SECONDS = 60.0

CONFIG = """\
data_directory = "."
master_key_file = "master.key"
host_name = "pillarbox.example"

[[listeners]]
name = "submission"
address = "127.0.0.1"
port = {port}
tls = "starttls"

[metrics]
port = {metrics_port}
"""


def main() -> None:
    """Start both, send, show."""
    if sys.argv[1:] not in (["smtp"], ["graph"]):
        sys.exit(__doc__)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pillarbox-example-")))
        microsoft = start_emulator(stack)
        port, metrics_port = free_port(), free_port()
        (folder / "pillarbox.toml").write_text(CONFIG.format(port=port, metrics_port=metrics_port))
        password = first_start(folder)
        add_route(folder, microsoft, way=sys.argv[1])
        start(stack, "pillarbox", "serve", "--config", folder / "pillarbox.toml", output=None)
        wait_for(f"http://127.0.0.1:{metrics_port}/readyz")
        print_as_printer(port, password, folder / "tls/ca.pem")
        show(microsoft["control"])


def start_emulator(stack: ExitStack) -> dict:
    """Microsoft 365 with a sample tenant; where everything of it is."""
    words = ("pillarbox", "emulate", "m365", "--json")
    process = start(stack, *words, output=subprocess.PIPE)
    text = ""
    while True:
        text += process.stdout.readline()
        try:
            return json.loads(text)
        except ValueError:
            if process.poll() is not None:
                sys.exit("the emulator did not start")


def first_start(folder: Path) -> str:
    """Make what Pillarbox needs, and an account for the printer; its password."""
    environment = {**os.environ, "PILLARBOX_FIRST_ACCOUNT": PRINTER}
    argv = [sys.executable, "-m", "pillarbox.first_start", str(folder)]
    card = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout
    line = next(line for line in card.splitlines() if line.startswith("Password "))
    return line.split(maxsplit=1)[1]


def add_route(folder: Path, microsoft: dict, way: str) -> None:
    """All mail goes by the sample mailbox, which is that of the printer."""
    [tenant] = microsoft["tenants"]
    app = next(app for app in tenant["apps"] if app["secret"])
    argv = [
        *(sys.executable, "-m", "pillarbox", "route", "add", "--config"),
        *(str(folder / "pillarbox.toml"), "--way", way),
        *("--microsoft365", tenant["mailboxes"][0]["address"], "--tenant-id", tenant["id"]),
        *("--client-id", app["client_id"], "--client-secret-file", "-"),
        *("--authority", microsoft["authority"], "--graph-url", microsoft["graph"]),
        *("--host", f"localhost:{microsoft['smtp']['port']}", "--ca-file", microsoft["ca_file"]),
    ]
    subprocess.run(argv, input=f"{app['secret']}\n", text=True, check=True)


def print_as_printer(port: int, password: str, ca_file: Path) -> None:
    """What a printer does: STARTTLS, PLAIN, one message. Bob is only in the envelope."""
    argv = [
        *("swaks", "--server", f"localhost:{port}", "--tls", "--tls-verify"),
        *("--tls-ca-path", str(ca_file), "--auth", "PLAIN", "--auth-user", PRINTER),
        *("--auth-password", password, "--from", PRINTER, "--to", RECIPIENTS, "--hide-all"),
        *("--data", "\\n".join((*HEADERS, "", "Page 1 of 1", ""))),
    ]
    subprocess.run(argv, check=True)
    print("The printer has sent its mail.", flush=True)


def show(control_url: str) -> None:
    """The mail at the mailbox, as its recipients see it."""
    ends_at = time.monotonic() + SECONDS
    while not (messages := json.loads(fetch(f"{control_url}/messages"))):
        if time.monotonic() > ends_at:
            sys.exit("the mail did not arrive")
        time.sleep(0.1)
    for message in messages:
        print(f"Arrived by {message['way']}, {message['mechanism']}, at {message['mailbox']}")
        print(f"for {', '.join(message['recipients'])}:\n")
        print(fetch(f"{control_url}/messages/{message['id']}/seen"))


def start(stack: ExitStack, module: str, *words: object, output: int | None) -> subprocess.Popen:
    """Start a program that ends with this one."""
    argv = [sys.executable, "-m", module, *map(str, words)]
    log = subprocess.DEVNULL if output is None else None
    process = subprocess.Popen(argv, stdout=output or log, stderr=log, text=True)
    stack.callback(stop, process)
    return process


def stop(process: subprocess.Popen) -> None:
    """Ask it to end."""
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)


def wait_for(url: str) -> None:
    """Until a page is there."""
    ends_at = time.monotonic() + SECONDS
    while time.monotonic() < ends_at:
        try:
            fetch(url)
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"no answer from {url}")


def fetch(url: str) -> str:
    """A page."""
    with urllib.request.urlopen(url, timeout=SECONDS) as response:
        return response.read().decode()


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


if __name__ == "__main__":
    main()
