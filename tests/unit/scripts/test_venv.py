"""scripts/venv.sh makes the environment, or says the one command that mends what is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NEEDED = ("cat", "cksum", "dirname", "rm", "sh")

NEW_PYTHON = """
case "$*" in
*ensurepip*) [ -e "$0.venv" ] ;;
*'print("python'*) echo python3.12-venv ;;
*version_info*) exit 0 ;;
--version) echo Python 3.12.3 ;;
"-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip"*) echo "$@" >>"$PIP_LOG" ;;
esac
"""
OLD_PYTHON = """
case "$*" in
*version_info*) exit 1 ;;
--version) echo Python 3.9.2 ;;
esac
"""


class Machine:
    """A machine with the programs that a test gives it, and a copy of the project."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.project = folder / "project"
        self.pip_log = folder / "pip.log"
        self.apt_log = folder / "apt.log"
        self.bin.mkdir()
        self.project.mkdir()
        for name in (*NEEDED, "mkdir", "cp", "chmod"):
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)
        shutil.copytree(ROOT / "scripts", self.project / "scripts")
        for name in ("pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, self.project / name)

    def add(self, name: str, body: str) -> None:
        """Put a program on the machine."""
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)

    def install(self) -> "subprocess.CompletedProcess[str]":
        """Run the script."""
        return subprocess.run(
            ["sh", "scripts/venv.sh", "server"],
            cwd=self.project,
            env={
                "PATH": str(self.bin),
                "PIP_LOG": str(self.pip_log),
                "POLICY_RC_D": str(self.project / "policy"),
                "LC_ALL": "C",
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without Python, for an ordinary user."""
    made = Machine(tmp_path)
    made.add("id", "echo 1000")
    return made


def test_without_python_it_says_how_to_get_one(machine: Machine) -> None:
    """One sentence and one command."""
    done = machine.install()

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed; here is no Python." in done.stderr
    assert "sudo apt-get install -y python3.11" in done.stderr


def test_an_old_python_is_named(machine: Machine) -> None:
    """Debian 11 has 3.9."""
    machine.add("python3", OLD_PYTHON)

    done = machine.install()

    assert done.returncode == 1
    assert "here is Python 3.9.2." in done.stderr


def test_without_the_venv_package_it_says_the_command(machine: Machine) -> None:
    """Debian and Ubuntu keep it in a package of its own; its name has the version."""
    machine.add("python3", NEW_PYTHON)

    done = machine.install()

    assert done.returncode == 1
    assert "sudo apt-get update && sudo apt-get install -y python3.12-venv" in done.stderr


def test_root_gets_the_venv_package(machine: Machine) -> None:
    """As root the package is installed, and the environment made."""
    machine.add("python3", NEW_PYTHON)
    machine.add("id", "echo 0")
    keep = f'echo "$@" >>{machine.apt_log}; cat "$POLICY_RC_D" >>{machine.apt_log}'
    machine.add("apt-get", f"{keep}; : >{machine.bin}/python3.venv")

    done = machine.install()

    assert done.returncode == 0, done.stderr
    assert "install -y -q --no-install-recommends python3.12-venv" in machine.apt_log.read_text()
    assert "exit 101" in machine.apt_log.read_text(), "nothing that it brings is started"
    assert not (machine.project / "policy").exists()
    assert (machine.project / ".venv" / "bin" / "python").exists()


def test_the_newest_python_that_can_is_taken(machine: Machine) -> None:
    """A newer one without its venv package does not stand in the way."""
    machine.add("python3.13", NEW_PYTHON)
    machine.add("python3.11", NEW_PYTHON.replace("3.12.3", "3.11.9"))
    (machine.bin / "python3.11.venv").touch()

    done = machine.install()

    assert done.returncode == 0, done.stderr
    assert "with Python 3.11.9" in done.stderr


def test_nothing_is_installed_twice(machine: Machine) -> None:
    """Only a change of pyproject.toml or of the lock makes pip run again, with the lock."""
    machine.add("python3", NEW_PYTHON)
    (machine.bin / "python3.venv").touch()

    machine.install()
    machine.install()

    assert len(machine.pip_log.read_text().splitlines()) == 1
    assert "--constraint requirements.lock --editable .[server]" in machine.pip_log.read_text()

    lock = machine.project / "requirements.lock"
    lock.write_text(lock.read_text() + os.linesep)
    machine.install()

    assert len(machine.pip_log.read_text().splitlines()) == 2
