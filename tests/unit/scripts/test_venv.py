"""scripts/venv.sh makes the environment, or says the one command that mends what is missing."""

import os

from tests.support.machine import Machine

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
INSTALL = ("scripts/venv.sh", "server")

OLD_PYTHON = """
case "$*" in
*version_info*) exit 1 ;;
--version) echo Python 3.9.2 ;;
esac
"""


def test_without_python_it_says_how_to_get_one(machine: Machine) -> None:
    """One sentence and one command."""
    done = machine.run(*INSTALL)

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed; here is no Python." in done.stderr
    assert "sudo apt-get install -y python3.11" in done.stderr


def test_an_old_python_is_named(machine: Machine) -> None:
    """Debian 11 has 3.9."""
    machine.add("python3", OLD_PYTHON)

    done = machine.run(*INSTALL)

    assert done.returncode == 1
    assert "here is Python 3.9.2." in done.stderr


def test_without_the_venv_package_it_says_the_command(machine: Machine) -> None:
    """Debian and Ubuntu keep it in a package of its own; its name has the version."""
    machine.add("python3", NEW_PYTHON)

    done = machine.run(*INSTALL)

    assert done.returncode == 1
    assert "sudo apt-get update && sudo apt-get install -y python3.12-venv" in done.stderr


def test_where_there_is_no_sudo_it_says_su(machine: Machine) -> None:
    """Debian has no sudo where a password for root was chosen."""
    machine.add("python3", NEW_PYTHON)
    machine.add("su", "exit 1")

    done = machine.run(*INSTALL)

    assert "su -c 'apt-get update && apt-get install -y python3.12-venv'" in done.stderr


def test_root_gets_the_venv_package(machine: Machine) -> None:
    """As root the package is installed, and the environment made."""
    machine.add("python3", NEW_PYTHON)
    machine.add("id", "echo 0")
    keep = f'echo "$@" >>{machine.apt_log}; cat "$POLICY_RC_D" >>{machine.apt_log}'
    machine.add("apt-get", f"{keep}; : >{machine.bin}/python3.venv")

    done = machine.run(*INSTALL)

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

    done = machine.run(*INSTALL)

    assert done.returncode == 0, done.stderr
    assert "with Python 3.11.9" in done.stderr


def test_nothing_is_installed_twice(machine: Machine) -> None:
    """Only a change of pyproject.toml or of the lock makes pip run again, with the lock."""
    machine.add("python3", NEW_PYTHON)
    (machine.bin / "python3.venv").touch()

    machine.run(*INSTALL)
    machine.run(*INSTALL)

    assert len(machine.pip_log.read_text().splitlines()) == 1
    assert "--constraint requirements.lock --editable .[server]" in machine.pip_log.read_text()

    lock = machine.project / "requirements.lock"
    lock.write_text(lock.read_text() + os.linesep)
    machine.run(*INSTALL)

    assert len(machine.pip_log.read_text().splitlines()) == 2
