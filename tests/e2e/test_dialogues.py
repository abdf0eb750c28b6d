"""Hostile and mistaken dialogues with the real process."""

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

CLOSED_SECONDS = 10.0

SERVER, ADDRESS, PROBE = "pillarbox.example", "[127.0.0.1]", "probe.example"

OPEN_RELAY_PROBES = (
    ("<>", f"<relaytest@{PROBE}>"),
    (f"<antispam@{PROBE}>", f"<relaytest@{PROBE}>"),
    (f"<antispam@{SERVER}>", f"<relaytest@{PROBE}>"),
    (f"<antispam@{ADDRESS}>", f"<relaytest@{PROBE}>"),
    (f"<antispam@{ADDRESS}>", f"<relaytest%{PROBE}@{ADDRESS}>"),
    (f"<antispam@{ADDRESS}>", f"<relaytest%{PROBE}@{SERVER}>"),
    (f"<antispam@{ADDRESS}>", f'<"relaytest@{PROBE}">'),
    (f"<antispam@{ADDRESS}>", f'<"relaytest%{PROBE}">'),
    (f"<antispam@{ADDRESS}>", f"<relaytest@{PROBE}@{ADDRESS}>"),
    (f"<antispam@{ADDRESS}>", f'<"relaytest@{PROBE}"@{ADDRESS}>'),
    (f"<antispam@{ADDRESS}>", f"<relaytest@{PROBE}@{SERVER}>"),
    (f"<antispam@{ADDRESS}>", f"<@{ADDRESS}:relaytest@{PROBE}>"),
    (f"<antispam@{ADDRESS}>", f"<@{SERVER}:relaytest@{PROBE}>"),
    (f"<antispam@{ADDRESS}>", f"<{PROBE}!relaytest>"),
    (f"<antispam@{ADDRESS}>", f"<{PROBE}!relaytest@{ADDRESS}>"),
    (f"<antispam@{ADDRESS}>", f"<{PROBE}!relaytest@{SERVER}>"),
)
"""Sender and recipient of each probe that nmap's script smtp-open-relay makes."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A service that bears more errors in one session than the probes make."""
    limits = "\n[limits]\nerrors_per_session = 200\n"
    with running(tmp_path_factory.mktemp("pillarbox"), limits) as pillarbox:
        yield pillarbox


@pytest.fixture
def tls(service: Pillarbox) -> ssl.SSLContext:
    """Trusts the service's own CA."""
    return ssl.create_default_context(cafile=service.ca_file)


@pytest.fixture
def client(service: Pillarbox) -> Iterator[smtplib.SMTP]:
    """A client behind the greeting of the STARTTLS port."""
    with smtplib.SMTP("localhost", service.starttls_port, timeout=60) as connected:
        connected.ehlo()
        yield connected


def _counted(service: Pillarbox, refusal: str) -> float:
    """How often the metrics counted a refusal."""
    name = f'pillarbox_reception_refusals_total{{refusal="{refusal}"}} '
    lines = service.get("/metrics")[1].splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def _logged(service: Pillarbox, refusal: str) -> bool:
    """Whether the log says of a session that it was refused so."""
    return any(refusal in line["refusals"] for line in service.events("session.closed"))


def _read_to_end(connection: socket.socket) -> bytes:
    """All that comes until the other side closes, which must be soon."""
    connection.settimeout(CLOSED_SECONDS)
    said = b""
    try:
        while octets := connection.recv(65536):
            said += octets
    except ConnectionResetError:
        return said
    return said


def _raw(service: Pillarbox) -> socket.socket:
    """A plain connection to the STARTTLS port, behind EHLO."""
    connection = socket.create_connection(("127.0.0.1", service.starttls_port), 20)
    assert connection.recv(4096).startswith(b"220 ")
    connection.sendall(b"EHLO client.example\r\n")
    said = b""
    while b"\r\n250 " not in said:
        said += connection.recv(4096)
    return connection


@pytest.mark.parametrize("state", ["plain", "encrypted", "failed login", "reset"])
def test_it_is_no_open_relay(
    service: Pillarbox, client: smtplib.SMTP, tls: ssl.SSLContext, state: str
) -> None:
    """None of nmap's 16 combinations is taken from a client that has not logged in."""
    accepted = len(service.events("message.accepted"))
    if state != "plain":
        client.starttls(context=tls)
    if state == "failed login":
        client.ehlo()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(service.username, "not the password")

    for sender, recipient in OPEN_RELAY_PROBES:
        if state == "reset":
            client.rset()
        else:
            client.ehlo()
        code, text = client.docmd("MAIL", f"FROM:{sender}")
        assert (code, text[:6]) == (530, b"5.7.0 "), (sender, text)
        assert client.docmd("RCPT", f"TO:{recipient}")[0] in {501, 503, 530}
        assert client.docmd("DATA")[0] == 503

    assert len(service.events("message.accepted")) == accepted


def test_a_login_does_not_open_the_relay_for_other_senders(
    service: Pillarbox, client: smtplib.SMTP, tls: ssl.SSLContext
) -> None:
    """Somebody who has logged in can use none of the 16 senders either."""
    client.starttls(context=tls)
    client.login(service.username, service.password)

    for sender, recipient in OPEN_RELAY_PROBES:
        code, text = client.docmd("MAIL", f"FROM:{sender}")
        assert (code, text[:7]) == (550, b"5.7.60 "), (sender, text)
        assert client.docmd("RCPT", f"TO:{recipient}")[0] in {501, 503}


def test_tls_on_the_starttls_port_is_closed_and_named(
    service: Pillarbox, tls: ssl.SSLContext
) -> None:
    """A client that is set to SSL/TLS with port 587 is told so, in the log and the metrics too."""
    before = _counted(service, "WRONG_PORT")
    began = time.monotonic()

    with (
        socket.create_connection(("127.0.0.1", service.starttls_port), 20) as connection,
        pytest.raises(OSError, match=r"(?i)wrong version|eof|reset"),
    ):
        tls.wrap_socket(connection, server_hostname="localhost")

    assert time.monotonic() - began < CLOSED_SECONDS
    wait_until(lambda: _counted(service, "WRONG_PORT") > before, 5, "the metric")
    wait_until(lambda: _logged(service, "WRONG_PORT"), 5, "the line of the log")


def test_plain_text_on_the_tls_port_is_closed_and_named(service: Pillarbox) -> None:
    """A client that is set to no encryption or STARTTLS with port 465."""
    before = _counted(service, "PLAIN_ON_TLS_PORT")

    with socket.create_connection(("127.0.0.1", service.tls_port), 20) as connection:
        connection.sendall(b"EHLO client.example\r\n")
        _read_to_end(connection)

    wait_until(lambda: _counted(service, "PLAIN_ON_TLS_PORT") > before, 5, "the metric")
    wait_until(lambda: _logged(service, "PLAIN_ON_TLS_PORT"), 5, "the line of the log")


@pytest.mark.parametrize(
    "injected",
    [
        b"EHLO evil.example\r\n",
        b"RSET\r\nNOOP\r\n",
        b"AUTH PLAIN AGEAYg==\r\n",
        b"MAIL FROM:<evil@evil.example>\r\nRCPT TO:<bob@next.example>\r\nDATA\r\n",
        b"x" * 65536,
    ],
    ids=["EHLO", "RSET", "AUTH", "MAIL", "64 KiB"],
)
def test_what_stands_behind_starttls_ends_the_session(service: Pillarbox, injected: bytes) -> None:
    """CVE-2011-0411: neither answered nor kept for the time inside TLS."""
    before = _counted(service, "INJECTED_BEFORE_TLS")

    with _raw(service) as connection:
        connection.sendall(b"STARTTLS\r\n" + injected)
        said = _read_to_end(connection)

    assert said.startswith(b"554 5.5.0 ")
    assert said.count(b"\r\n") == 1
    assert _counted(service, "INJECTED_BEFORE_TLS") > before


def test_half_a_command_behind_starttls_is_not_finished_inside_tls(
    service: Pillarbox, tls: ssl.SSLContext
) -> None:
    """`NOO` in plain text and `P` inside TLS make no NOOP."""
    with _raw(service) as connection:
        connection.sendall(b"STARTTLS\r\nNOO")
        said = connection.recv(4096)

        assert said.startswith(b"554 5.5.0 ")
        with pytest.raises(OSError, match=r"(?i)wrong version|eof|reset|pipe"):
            tls.wrap_socket(connection, server_hostname="localhost")


def test_octets_between_the_220_and_the_handshake_end_the_session(
    service: Pillarbox, tls: ssl.SSLContext
) -> None:
    """What arrives where the ClientHello should come is no command."""
    with _raw(service) as connection:
        connection.sendall(b"STARTTLS\r\n")
        assert connection.recv(4096).startswith(b"220 ")
        connection.sendall(b"NOOP\r\n")

        with pytest.raises(OSError, match=r"(?i)wrong version|eof|reset|pipe|record"):
            tls.wrap_socket(connection, server_hostname="localhost")


def test_state_from_before_starttls_is_forgotten(
    service: Pillarbox, client: smtplib.SMTP, tls: ssl.SSLContext
) -> None:
    """RFC 3207 4.2: after the handshake the client has to say EHLO again."""
    client.docmd("MAIL", f"FROM:<{service.username}>")
    assert client.docmd("STARTTLS")[0] == 220
    assert client.sock is not None
    client.sock = tls.wrap_socket(client.sock, server_hostname="localhost")
    client.file = None

    assert client.docmd("RCPT", "TO:<bob@next.example>")[0] == 503
    assert client.docmd("MAIL", f"FROM:<{service.username}>")[0] in {503, 530}


def test_client_that_leaves_after_quit_is_no_broken_connection(
    service: Pillarbox, tls: ssl.SSLContext
) -> None:
    """smtplib closes without a goodbye inside TLS; the log does not blame it."""
    before = len(service.events("session.closed"))

    with smtplib.SMTP_SSL("localhost", service.tls_port, context=tls, timeout=60) as client:
        client.login(service.username, service.password)

    wait_until(lambda: len(service.events("session.closed")) > before, 10, "the end of the session")
    assert service.events("session.closed")[-1]["cause"] == ""
