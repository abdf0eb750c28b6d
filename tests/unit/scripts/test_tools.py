"""scripts/tools.sh sees to the programs that the tests talk to; none is ever skipped."""

from tests.support.machine import Machine

TOOLS = "scripts/tools.sh"
PRESENT = ("swaks", "msmtp", "curl", "s-nail", "mutt", "php", "perl", "openssl", "strace")
PRESENT_TOO = ("ps", "postfix", "node", "npm")


def test_what_is_missing_is_named_with_the_command(machine: Machine) -> None:
    """An ordinary user gets one command, and the tests do not begin."""
    done = machine.run(TOOLS)

    assert done.returncode == 1
    assert "sudo apt-get update && sudo apt-get install -y" in done.stderr
    for package in ("swaks", "msmtp", "mutt", "libio-socket-ssl-perl", "nodejs", "npm"):
        assert f" {package}" in done.stderr


def test_root_gets_what_is_missing(machine: Machine) -> None:
    """Only what is missing is installed; Postfix asks nothing."""
    machine.add("id", "echo 0")
    for name in (*PRESENT, *PRESENT_TOO):
        if name != "swaks":
            machine.add(name, "exit 0")
    machine.add("debconf-set-selections", f"cat >>{machine.apt_log}")
    machine.add(
        "apt-get", f'echo "$@" >>{machine.apt_log}; cp {machine.bin}/curl {machine.bin}/swaks'
    )

    machine.run(TOOLS)

    log = machine.apt_log.read_text()
    assert "postfix/main_mailer_type select No configuration" in log
    [line] = [line for line in log.splitlines() if line.startswith("install ")]
    assert "swaks" in line.split()
    assert "msmtp" not in line.split()


def test_what_apt_does_not_bring_is_a_failure(machine: Machine) -> None:
    """It is said which package is still missing."""
    machine.add("id", "echo 0")
    machine.add("apt-get", "exit 0")

    done = machine.run(TOOLS)

    assert done.returncode == 1
    assert "still missing after apt-get:" in done.stderr
