"""Real clients on the wrong port: what they show, and that the second try of TLS is served."""

import re
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.e2e.letters import Upstream
from tests.e2e.programs import program, run
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

LIMITS = "\n[limits]\ntls_silence_seconds = 1\nwrong_port_wait_seconds = 5\n"
"""A wait that nobody overlooks; clients that begin with TLS do not notice it."""

RECIPIENT = "bob@next.example"

Send: TypeAlias = Callable[[Upstream, str, Path], str]
"""Sends a message with TLS from the first octet from a local address; what the client said if it
failed, else ""."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A service with few seconds of patience, whose accounts' mail is captured."""
    with running(tmp_path_factory.mktemp("pillarbox"), LIMITS) as pillarbox:
        yield pillarbox


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    return (done.stdout + done.stderr).decode(errors="replace") if done.returncode else ""


def _smtplib(upstream: Upstream, local: str, _: Path) -> str:
    context = ssl.create_default_context(cafile=upstream.ca_file)
    letter = EmailMessage()
    letter["From"], letter["To"] = upstream.username, RECIPIENT
    try:
        with smtplib.SMTP_SSL(
            "localhost", upstream.port, context=context, timeout=60, source_address=(local, 0)
        ) as client:
            client.login(upstream.username, upstream.password)
            client.send_message(letter)
    except (ssl.SSLError, ConnectionError) as error:
        return str(error)
    return ""


def _curl(upstream: Upstream, local: str, folder: Path) -> str:
    letter = folder / "letter.eml"
    letter.write_text(f"From: {upstream.username}\r\nTo: {RECIPIENT}\r\n\r\n")
    argv = [program("curl", "curl"), "-sS", "--interface", local]
    argv += ["--cacert", str(upstream.ca_file), "--upload-file", str(letter)]
    argv += ["--url", f"smtps://localhost:{upstream.port}"]
    argv += ["--user", f"{upstream.username}:{upstream.password}"]
    argv += ["--mail-from", upstream.username, "--mail-rcpt", RECIPIENT]
    return _said(run(argv, code=None))


def _swaks(upstream: Upstream, local: str, _: Path) -> str:
    argv = [program("swaks", "swaks"), "--server", "127.0.0.1", "--port", str(upstream.port)]
    argv += ["--tls-on-connect", "--local-interface", local, "--auth", "PLAIN"]
    argv += ["--auth-user", upstream.username, "--auth-password", upstream.password]
    argv += ["--from", upstream.username, "--to", RECIPIENT]
    return _said(run(argv, code=None))


def _msmtp(upstream: Upstream, local: str, folder: Path) -> str:
    rc = folder / "msmtprc"
    rc.write_text(
        f"account default\nhost localhost\nport {upstream.port}\nsource_ip {local}\nauth on\n"
        f"tls on\ntls_starttls off\ntls_trust_file {upstream.ca_file}\nfrom {upstream.username}\n"
        f"user {upstream.username}\npassword {upstream.password}\n"
    )
    rc.chmod(0o600)
    letter = f"From: {upstream.username}\nTo: {RECIPIENT}\n\n".encode()
    argv = [program("msmtp", "msmtp"), "-C", str(rc), "--", RECIPIENT]
    return _said(run(argv, stdin=letter, code=None))


def _records(service: Pillarbox, address: str, refusal: str) -> list[str]:
    """The ids of sessions that the log says were refused so."""
    return [
        line["session_id"]
        for line in service.events("session.closed")
        if line["address"] == address and refusal in line["refusals"].split()
    ]


@pytest.mark.parametrize(
    ("send", "local"),
    [(_smtplib, "127.0.1.1"), (_curl, "127.0.1.2"), (_swaks, "127.0.1.3"), (_msmtp, "127.0.1.4")],
    ids=["smtplib", "curl", "swaks", "msmtp"],
)
def test_tls_on_the_starttls_port_fails_once_and_then_works(
    service: Pillarbox, tmp_path: Path, send: Send, local: str
) -> None:
    """The first connection is explained, the second delivers."""
    upstream = service.door(implicit_tls=False)
    before = len(service.events("message.accepted"))

    said = send(upstream, local, tmp_path)
    assert re.search("(?i)wrong version number|unexpected TLS packet", said), said
    wait_until(lambda: _records(service, local, "WRONG_PORT"), 10, "the first session")
    assert send(upstream, local, tmp_path) == ""

    wait_until(lambda: len(service.events("message.accepted")) > before, 10, "the message")
    wait_until(lambda: _records(service, local, "WRONG_PORT_HEALED"), 10, "the second")


def test_both_sessions_are_explained(service: Pillarbox, tmp_path: Path) -> None:
    """`pillarbox session show` says what to change, and that the second one was served."""
    local = "127.0.1.7"
    for _ in range(2):
        _smtplib(service.door(implicit_tls=False), local, tmp_path)
    healed = wait_until(lambda: _records(service, local, "WRONG_PORT_HEALED"), 10, "the second")
    failed = _records(service, local, "WRONG_PORT")[0]

    for session_id, encryption in ((failed, "none"), (healed[0], "(without STARTTLS)")):
        told = service.admin("session", "show", session_id)
        assert encryption in told
        assert "use port 465 for SSL/TLS, or choose STARTTLS" in told


def test_right_client_does_not_wait_beside_one_that_does(service: Pillarbox) -> None:
    """The greeting for another address comes while the one that was seen still waits."""
    port = service.starttls_port
    with socket.create_connection(("127.0.0.1", port), 20, ("127.0.1.5", 0)) as wrong:
        wrong.sendall(b"\x16\x03\x01\x02\x00")
        while wrong.recv(4096):
            pass

    with socket.create_connection(("127.0.0.1", port), 20, ("127.0.1.5", 0)) as waiting:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            assert client.ehlo()[0] == 250
            waiting.setblocking(False)
            with pytest.raises(BlockingIOError):
                waiting.recv(1)
        waiting.settimeout(20)
        waiting.sendall(b"EHLO client.example\r\n")
        assert waiting.recv(4096).startswith(b"220 ")


def test_client_without_tls_on_the_tls_port_reads_why(service: Pillarbox) -> None:
    """It waits for a greeting; what it gets names the setting, and the session is found by it."""
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        smtplib.SMTP("127.0.0.1", service.tls_port, timeout=60, source_address=("127.0.1.6", 0))

    assert refused.value.smtp_code == 554
    text = str(refused.value.smtp_error)
    assert "choose SSL/TLS in the client, or use port 587 with STARTTLS" in text
    session_id = text.rpartition("[")[2].partition("]")[0]
    wait_until(lambda: session_id in service.log, 10, "the log")
    assert "waits for a greeting in plain text" in service.admin("session", "show", session_id)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["http://127.0.0.1:{port}/evil"], "not a web server"),
        (["-d", "EHLO evil", "http://127.0.0.1:{port}/evil"], "not a web server"),
        (["-p", "-x", "http://127.0.0.1:{port}", "http://evil.example/"], "response 400"),
    ],
    ids=["GET", "POST", "CONNECT"],
)
def test_web_client_on_the_tls_port_shows_the_answer(
    service: Pillarbox, words: list[str], shown: str
) -> None:
    """curl as a stand-in for a browser."""
    filled = [word.format(port=service.tls_port) for word in words]
    done = run([program("curl", "curl"), "-sS", "--noproxy", "", *filled], code=None)

    said = (done.stdout + done.stderr).decode()
    assert shown in said
    assert "evil" not in done.stdout.decode()


@pytest.mark.parametrize(
    "words",
    [
        ["http://127.0.0.1:{port}/evil"],
        ["-d", "EHLO evil", "http://127.0.0.1:{port}/evil"],
        ["-p", "-x", "http://127.0.0.1:{port}", "http://evil.example/"],
    ],
    ids=["GET", "POST", "CONNECT"],
)
def test_web_client_on_the_starttls_port_is_refused(service: Pillarbox, words: list[str]) -> None:
    """It is greeted before it speaks, so it can show nothing better than the lines of SMTP."""
    before = len(_records(service, "127.0.0.1", "WRONG_PROTOCOL"))
    filled = [word.format(port=service.starttls_port) for word in words]

    done = run([program("curl", "curl"), "-sS", "--http0.9", "--noproxy", "", *filled], code=None)

    assert b"evil" not in done.stdout
    wait_until(
        lambda: len(_records(service, "127.0.0.1", "WRONG_PROTOCOL")) > before, 10, "the session"
    )


@pytest.mark.parametrize("starttls", [True, False], ids=["submission", "submissions"])
def test_openssl_with_old_tls_shows_that_it_is_the_version(
    service: Pillarbox, *, starttls: bool
) -> None:
    """`alert protocol version` in the client, the version in the record."""
    before = len(_records(service, "127.0.0.1", "TLS_TOO_OLD"))
    port = service.starttls_port if starttls else service.tls_port
    argv = [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{port}"]
    argv += ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]

    done = run([*argv, *(("-starttls", "smtp") if starttls else ())], code=1)

    assert b"alert protocol version" in done.stderr
    found = wait_until(
        lambda: _records(service, "127.0.0.1", "TLS_TOO_OLD")[before:], 10, "the session"
    )
    told = service.admin("session", "show", found[0])
    assert "TLS 1.1: it is too old" in told
    assert "one with TLS 1.2 or newer" in told
