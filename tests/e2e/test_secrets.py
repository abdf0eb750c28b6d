"""No password is found where it does not belong: log, database, write-ahead log, metrics, reports.

Marked passwords go through every way in: right and wrong logins, with TLS and before it, broken
ones, and the password of a smart host that refuses it and repeats what it was told.
"""

import base64
import contextlib
import smtplib
import socket
import ssl
from collections import deque
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.e2e.marks import forms_of, found_in, places_of
from tests.e2e.next_hop import NextHop
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

ACCOUNT = "marked@sender.example"
RIGHT, WRONG, EARLY, BROKEN, UPSTREAM = (
    f"{name}-mArK+eD/pass&{number}"
    for number, name in enumerate(("right", "wrong", "early", "broken", "upstream"), 7301)
)


@pytest.fixture(scope="module")
def marked(service: Pillarbox) -> Pillarbox:
    """A service with an account whose password is RIGHT."""
    service.admin("account", "add", ACCOUNT)
    words = ("credential", "add", ACCOUNT, "--label", "marked", "--password-file", "-")
    service.admin(*words, stdin=f"{RIGHT}\n")
    return service


def _log_in(service: Pillarbox, password: str, user: str = ACCOUNT) -> smtplib.SMTP_SSL:
    context = ssl.create_default_context(cafile=service.ca_file)
    client = smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60)
    try:
        client.login(user, password)
    except smtplib.SMTPException:
        client.close()
        raise
    return client


def _log_in_without_tls(service: Pillarbox) -> None:
    """The password crosses the network in the clear before the client can be told not to."""
    response = base64.b64encode(f"\0{ACCOUNT}\0{EARLY}".encode())
    with socket.create_connection(("127.0.0.1", service.starttls_port), 20) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        # Not in one packet with EHLO: that would be refused for its timing.
        connection.sendall(b"EHLO client.example\r\n")
        while lines.readline()[3:4] == b"-":
            pass
        connection.sendall(b"AUTH PLAIN " + response + b"\r\n")
        assert lines.readline().startswith(b"538 ")
        connection.sendall(base64.b64encode(EARLY.encode()) + b"\r\n" + EARLY.encode() + b"\r\n")
        assert lines.readline().startswith(b"5")


def _log_in_brokenly(service: Pillarbox) -> None:
    """Passwords where no password belongs, and responses that are no base64."""
    context = ssl.create_default_context(cafile=service.ca_file)
    encoded = base64.b64encode(BROKEN.encode()).decode()
    lines = (
        f"AUTH PLAIN {BROKEN}",
        f"AUTH LOGIN {BROKEN}",
        f"AUTH {encoded}",
        f"AUTH PLAIN {encoded}",
        f"AUTH CRAM-MD5 {encoded}",
        f"{BROKEN} {encoded}",
        f"MAIL FROM:<{ACCOUNT}> AUTH={BROKEN}",
        f"HELP {BROKEN}",
        f"NOOP {encoded}",
    )
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60) as client:
        client.ehlo()
        for line in lines:
            client.docmd(line)


def _use_smart_host(service: Pillarbox, hop: NextHop, ca: Path) -> None:
    """A smart host that repeats the login in its refusal."""
    hop.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    hop.tls.load_cert_chain(ca / "certificate.pem", ca / "key.pem")
    response = base64.b64encode(f"\0relay\0{UPSTREAM}".encode())
    hop.offers_login = True
    hop.replies["AUTH"] = deque(
        [b"535 5.7.8 Not " + response + b" " + UPSTREAM.encode() + b"\r\n"] * 9
    )
    hop.open()
    where = ("--smarthost", f"localhost:{hop.port}", "--tls", "tls")
    words = ("route", "add", *where, "--ca-file", str(ca / "ca.pem"), "--user", "relay")
    service.admin(*words, "--password-file", "-", stdin=f"{UPSTREAM}\n")
    with _log_in(service, RIGHT) as client:
        text = f"From: {ACCOUNT}\r\nSubject: Marked\r\n\r\nHello\r\n"
        client.sendmail(ACCOUNT, "bob@next.example", text)
    [attempt] = wait_until(lambda: service.events("delivery.attempt"), 20, "an attempt")
    assert "535 5.7.8 Not" in attempt["reply"]


def test_no_password_is_written_anywhere(
    marked: Pillarbox, next_hop: NextHop, hop_ca: Path
) -> None:
    """Not in plain text, base64, hex or as part of a URL; and what ought to be there is."""
    _log_in(marked, RIGHT).quit()
    for user in (ACCOUNT, "nobody@sender.example"):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            _log_in(marked, WRONG, user)
    _log_in_without_tls(marked)
    _log_in_brokenly(marked)
    _use_smart_host(marked, next_hop, hop_ca)
    # The failed sessions are in the database and in the log.
    wait_until(lambda: len(marked.admin_json("session", "list")) >= 4, 20, "records of sessions")
    wait_until(lambda: len(marked.events("session.closed")) >= 6, 20, "lines about sessions")

    places = places_of(marked, ACCOUNT, "bob@next.example")

    assert any(name.endswith("-wal") for name in places)
    assert any(ACCOUNT.encode() in octets for name, octets in places.items() if ".sqlite3" in name)
    assert ACCOUNT.encode() in places["service.log"]
    users = (ACCOUNT, "nobody@sender.example", "relay")
    for secret in (RIGHT, WRONG, EARLY, BROKEN, UPSTREAM):
        assert not found_in(places, secret, users), secret


def test_files_with_secrets_are_for_their_owner_only(marked: Pillarbox) -> None:
    """Keys and database can not be read by other users of the host."""
    for name in ("master.key", "tls/ca.key", "tls/key.pem"):
        assert (marked.folder / name).stat().st_mode & 0o077 == 0, name
    databases = [p for p in marked.folder.iterdir() if ".sqlite3" in p.name]
    assert databases
    for path in databases:
        assert path.stat().st_mode & 0o077 == 0, path


def test_process_list_shows_no_secret(marked: Pillarbox) -> None:
    """Neither command lines nor the environment of the service hold the master key."""
    key = (marked.folder / "master.key").read_text().strip().encode()

    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if str(marked.folder).encode() in words:
                assert key not in words
                assert key not in (process / "environ").read_bytes()


@pytest.mark.parametrize(
    "written",
    [
        RIGHT.encode(),
        base64.b64encode(RIGHT.encode()),
        base64.b64encode(f"\0{ACCOUNT}\0{RIGHT}".encode()),
        base64.b64encode(f"\0\0{RIGHT}".encode()),
        base64.b64encode(f"{ACCOUNT}:{RIGHT}".encode()),
        f"smtp://user:{quote(RIGHT, safe='')}@host".encode(),
        RIGHT.encode().hex().encode(),
    ],
)
def test_the_search_finds_what_it_looks_for(written: bytes) -> None:
    """The proof above proves something: each form is found when it is there."""
    assert any(form in written for form in forms_of(RIGHT, (ACCOUNT,)))
