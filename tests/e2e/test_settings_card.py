"""What the settings card shows works when it is pasted, and the way of the README in five
commands."""

import smtplib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.next_hop import NextHop
from tests.e2e.postfix import Postfix
from tests.e2e.programs import ROOT, free_port, needed_file, program, run
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

from pillarbox.publish.client_settings import ClientSettings, Door, Encryption
from pillarbox.publish.snippets import make_snippets

pytestmark = pytest.mark.xdist_group("e2e-settings-card")

ACCOUNT = "printer@sender.example"
PASSWORD = "p\"a's$s\\w0rd `id` #{1} %s"
"""Everything that a language could take for something else."""


@pytest.fixture(scope="module")
def printer(service: Pillarbox) -> Pillarbox:
    """The service with an account whose password is hard to quote."""
    service.admin("account", "add", ACCOUNT)
    words = ("credential", "add", ACCOUNT, "--label", "hall", "--password-file", "-")
    service.admin(*words, stdin=f"{PASSWORD}\n")
    return service


def _python(text: str, _: Path) -> None:
    run([sys.executable, "-c", text])


def _node(text: str, _: Path) -> None:
    modules = ROOT / "tests" / "clients" / "node_modules"
    needed_file(modules / "nodemailer", "make test")
    run([program("node", "nodejs"), "-e", text], environment={"NODE_PATH": str(modules)})


def _php(text: str, folder: Path) -> None:
    library = needed_file(Path("/usr/share/php/libphp-phpmailer/autoload.php"), "make test")
    file = folder / "snippet.php"
    file.write_text(text.replace("vendor/autoload.php", str(library)))
    run([program("php", "php-cli"), file])


def _shell(text: str, _: Path) -> None:
    run(["sh", "-c", text])


def _msmtp(text: str, folder: Path) -> None:
    file = folder / "msmtprc"
    file.write_text(text)
    file.chmod(0o600)
    letter = f"From: {ACCOUNT}\nSubject: Test\n\nHello\n"
    run([program("msmtp", "msmtp"), "-C", file, "someone@example.net"], stdin=letter.encode())


def _postfix(text: str, _: Path) -> None:
    """Paste it on a machine whose /etc/postfix is another folder."""
    postfix = Postfix("card.example")
    port = free_port()
    postfix.main.append("smtpd_recipient_restrictions = permit_mynetworks, reject")
    postfix.master.append(f"127.0.0.1:{port} inet n - n - - smtpd")
    folder = postfix.folder / "c"
    try:
        postfix.start([port])
        script = text.replace("/etc/postfix", str(folder))
        run(["sh", "-e", "-c", script], environment={"MAIL_CONFIG": str(folder)})
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            smtp.sendmail(ACCOUNT, ["someone@example.net"], f"From: {ACCOUNT}\n\nHello\n")
        wait_until(lambda: "status=" in postfix.log, 20, "an attempt of Postfix")
        assert "status=sent" in postfix.log, postfix.log
    finally:
        postfix.stop()


RUN: dict[str, Callable[[str, Path], None]] = {
    "python": _python,
    "node": _node,
    "php": _php,
    "curl": _shell,
    "swaks": _shell,
    "msmtp": _msmtp,
    "postfix": _postfix,
}


@pytest.mark.parametrize("encryption", Encryption)
@pytest.mark.parametrize("name", RUN)
def test_snippet_sends_when_it_is_pasted(
    printer: Pillarbox, name: str, encryption: Encryption, tmp_path: Path
) -> None:
    """With the password quoted as that language wants it, over either port, with the certificate
    verified."""
    port = printer.tls_port if encryption is Encryption.TLS else printer.starttls_port
    # Postfix compares names with certificates and nothing else.
    server = "localhost" if name == "postfix" else "127.0.0.1"
    settings = ClientSettings(
        server, (Door(port, encryption),), ACCOUNT, PASSWORD, str(printer.ca_file)
    )
    text = next(snippet.text for snippet in make_snippets(settings) if snippet.name == name)
    before = len(printer.events("message.accepted"))

    RUN[name](text, tmp_path)

    wait_until(lambda: len(printer.events("message.accepted")) == before + 1, 10, "the message")


def test_second_account_route_and_mail_in_five_commands(
    printer: Pillarbox, next_hop: NextHop
) -> None:
    """As the README promises: account, password, route, a mail, and what became of it."""
    next_hop.open()
    second = "second@sender.example"

    printer.admin("account", "add", second)
    password = printer.admin_json("credential", "add", second, "--label", "test")["password"]
    relay = f"127.0.0.1:{next_hop.port}"
    printer.admin("route", "add", "--smarthost", relay, "--tls", "none")
    run(
        [
            *(program("swaks", "swaks"), "--server", f"127.0.0.1:{printer.starttls_port}"),
            *("--tls", "--tls-verify", "--tls-ca-path", printer.ca_file),
            *("--auth-user", second, "--auth-password", password),
            *("--from", second, "--to", "bob@far.example"),
        ]
    )

    def is_delivered() -> bool:
        [message] = printer.admin_json("trace", "bob@far.example")
        return bool(message["recipients"][0]["state"] == "delivered")

    wait_until(is_delivered, 20, "delivery")


def test_failed_login_is_explained_by_the_id_in_the_reply(printer: Pillarbox) -> None:
    """What the client was shown is all that an administrator needs."""
    done = run(
        [
            *(program("swaks", "swaks"), "--server", f"127.0.0.1:{printer.starttls_port}"),
            *("--tls", "--auth-user", "printr@sender.example", "--auth-password", "wrong"),
            *("--from", ACCOUNT, "--to", "bob@far.example"),
        ],
        code=None,
    )
    refusal = next(line for line in done.stdout.decode().splitlines() if line.startswith("<~* 535"))
    session_id = refusal.rpartition("[")[2].rstrip("]\r")

    wait_until(lambda: len(printer.admin_json("session", "list")) > 0, 10, "the record")
    shown = printer.admin("session", session_id)

    assert f"is it {ACCOUNT}?" in shown
