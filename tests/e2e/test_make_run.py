"""`make run` in a fresh copy: from nothing to a first mail, and again with everything kept."""

import os
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.programs import end_group, free_port
from tests.e2e.waiting import wait_until

ROOT = Path(__file__).parents[2]
COPIED = ("Makefile", "pyproject.toml", "requirements.lock", "README.md", "LICENSE")
COPIED_FOLDERS = ("scripts", "src")

INSTALL_SECONDS = 240.0
START_SECONDS = 30.0
ACCOUNT = "me@my.example"


class MadeRun:
    """`make run` in a copy of the project, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.starttls_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for name in COPIED:
            shutil.copy(ROOT / name, folder / name)
        for name in COPIED_FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)

    def start(self, seconds: float) -> None:
        """Run `make run` until the service takes mail."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("PILLARBOX_", "MAKE"))}
        doors = (
            f'[{{"address": "127.0.0.1", "port": {self.starttls_port}, "tls": "starttls"}},'
            f' {{"address": "127.0.0.1", "port": {free_port()}, "tls": "tls"}}]'
        )
        environment = {
            **ours,
            "PILLARBOX_FIRST_ACCOUNT": ACCOUNT,
            "PILLARBOX_LISTENERS": doors,
            "PILLARBOX_METRICS__PORT": "0",
        }
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                ["make", "run"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_ready, seconds, "the service")

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.text
        return "service.ready" in self.text

    def interrupt(self) -> None:
        """Press Ctrl-C: all processes get SIGINT."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(START_SECONDS)

    def stop(self) -> None:
        """End what is left."""
        if self._process is not None:
            end_group(self._process.pid, seconds=START_SECONDS)
            self._process.wait(START_SECONDS)

    @property
    def text(self) -> str:
        """What stands on the terminal."""
        return self.output.read_text(errors="replace")

    def pillarbox(self, *words: str) -> str:
        """Run a command of the README."""
        argv = [".venv/bin/pillarbox", *words]
        done = subprocess.run(
            argv, cwd=self.folder, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MadeRun]:
    """A fresh copy of the project; nothing is installed in it."""
    run = MadeRun(tmp_path)
    yield run
    run.stop()


def _send(run: MadeRun, password: str, subject: str) -> None:
    context = ssl.create_default_context(cafile=run.folder / "data" / "tls" / "ca.pem")
    with smtplib.SMTP("127.0.0.1", run.starttls_port, timeout=60) as client:
        client.starttls(context=context)
        client.login(ACCOUNT, password)
        letter = (
            f"From: {ACCOUNT}\r\nTo: someone@example.net\r\nSubject: {subject}\r\n\r\nHello\r\n"
        )
        client.sendmail(ACCOUNT, ["someone@example.net"], letter)


def _captured(run: MadeRun) -> int:
    return run.pillarbox("capture", "list").count("someone@example.net")


@pytest.mark.timeout(400)
def test_make_run_in_a_fresh_copy(made: MadeRun) -> None:
    """It installs, makes the data folder, shows the card and serves. Ctrl-C ends it; a second
    `make run` keeps account, password and mail."""
    made.start(INSTALL_SECONDS)
    found = re.search(r"^Password +(\S+)$", made.text, re.MULTILINE)
    assert found is not None
    password = found[1]
    _send(made, password, "first")
    wait_until(lambda: _captured(made) == 1, START_SECONDS, "the first mail")

    made.interrupt()
    made.start(START_SECONDS)

    assert "(shown once" in made.text
    assert "installing" not in made.text
    _send(made, password, "second")
    wait_until(lambda: _captured(made) == 2, START_SECONDS, "the second mail")
