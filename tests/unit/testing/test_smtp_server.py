"""The SMTP server for tests (pillarbox.testing.smtp_server), with other people's clients."""

import asyncio
import base64
import smtplib
import socket
import ssl
from email.message import EmailMessage

import pytest
from scramp import ScramClient
from tests.support.aiosmtplib_session import session

from pillarbox.testing import NotReceived, SmtpServer

SENDER, RECIPIENT = "app@example.com", "boss@example.org"
CONTENT = f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: Report\r\n\r\nAll is well.\r\n".encode()


def connect(server: SmtpServer) -> smtplib.SMTP:
    """Over STARTTLS."""
    client = smtplib.SMTP(server.host, server.port, timeout=30)
    client.starttls(context=server.ssl_context())
    return client


def send(client: smtplib.SMTP, *recipients: str) -> dict[str, tuple[int, bytes]]:
    """One transaction; the recipients that were refused."""
    return client.sendmail(SENDER, recipients or (RECIPIENT,), CONTENT)


def test_message_shows_envelope_content_and_login(smtp_server: SmtpServer) -> None:
    """All that a test may want to know of it."""
    with connect(smtp_server) as client:
        client.login(smtp_server.username, smtp_server.password)
        send(client)

    message = smtp_server.wait_for(subject="Report")

    assert (message.sender, message.recipients) == (SENDER, (RECIPIENT,))
    assert message.raw == CONTENT
    assert message.text.strip() == "All is well."
    assert (message.login, message.tls) == (smtp_server.username, "TLSv1.3")
    assert message.mechanism == "PLAIN"


def test_parts_of_a_message_can_be_looked_at(smtp_server: SmtpServer) -> None:
    """Text, HTML and attachments, whatever their encoding."""
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = SENDER, RECIPIENT, "Grüße"
    letter.set_content("schön")
    letter.add_alternative("<p>schön</p>", subtype="html")
    letter.add_attachment(b"\x00\x01", maintype="application", subtype="x-y", filename="a.bin")
    with smtplib.SMTP(smtp_server.host, smtp_server.port, timeout=30) as client:
        client.send_message(letter)

    message = smtp_server.wait_for(recipient=RECIPIENT)

    assert message.subject == "Grüße"
    assert (message.text.strip(), message.html.strip()) == ("schön", "<p>schön</p>")
    assert message.attachments == {"a.bin": b"\x00\x01"}
    assert message.tls == message.login == ""


def test_tls_from_the_first_octet_has_its_own_port(smtp_server: SmtpServer) -> None:
    """And a certificate for the address that is connected to."""
    with smtplib.SMTP_SSL(
        smtp_server.host, smtp_server.tls_port, timeout=30, context=smtp_server.ssl_context()
    ) as client:
        send(client)

    assert smtp_server.wait_for_count(1)[0].tls == "TLSv1.3"


def test_client_that_trusts_the_system_only_is_not_fooled(smtp_server: SmtpServer) -> None:
    """The certificate is of an authority that nobody knows: a client that does not check shows."""
    with (
        smtplib.SMTP(smtp_server.host, smtp_server.port, timeout=30) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        client.starttls(context=ssl.create_default_context())


def test_wrong_password_is_refused(smtp_server: SmtpServer) -> None:
    """With the reply of RFC 4954."""
    with connect(smtp_server) as client, pytest.raises(smtplib.SMTPAuthenticationError) as raised:
        client.login(smtp_server.username, "wrong")

    assert raised.value.smtp_code == 535


@pytest.mark.parametrize(("secret", "code"), [("right", 235), ("wrong", 535)])
def test_scram_proves_the_password(smtp_server: SmtpServer, secret: str, code: int) -> None:
    """SCRAM-SHA-256 with somebody else's arithmetic."""
    password = smtp_server.password if secret == "right" else "wrong"
    proof = ScramClient(["SCRAM-SHA-256"], smtp_server.username, password)

    def say(text: str) -> tuple[int, str]:
        reply, answer = client.docmd(text)
        return reply, base64.b64decode(answer).decode() if reply == 334 else ""

    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    with connect(smtp_server) as client:
        client.ehlo()
        reply, answer = say(f"AUTH SCRAM-SHA-256 {encoded(proof.get_client_first())}")
        proof.set_server_first(answer)
        reply, answer = say(encoded(proof.get_client_final()))
        if reply == 334:
            proof.set_server_final(answer)
            reply, _ = say("")

    assert reply == code


@pytest.mark.parametrize(("token", "code"), [("sample-token", 235), ("other", 535)])
def test_token_logs_in(smtp_server: SmtpServer, token: str, code: int) -> None:
    """XOAUTH2; a wrong token gets a challenge first, which the client answers."""
    response = f"user={smtp_server.username}\x01auth=Bearer {token}\x01\x01"
    with connect(smtp_server) as client:
        client.ehlo()
        reply, _ = client.docmd(f"AUTH XOAUTH2 {base64.b64encode(response.encode()).decode()}")
        if reply == 334:
            reply, _ = client.docmd("")

    assert reply == code


@pytest.mark.smtp_server(require_login=True, accounts={"ann@example.com": "one two"})
def test_mark_sets_options(smtp_server: SmtpServer) -> None:
    """Without a login nothing is taken, and the accounts are the test's own."""
    with connect(smtp_server) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match="Log in first"):
            send(client)
        client.login("ann@example.com", "one two")
        send(client)

    assert smtp_server.wait_for().login == "ann@example.com"


@pytest.mark.smtp_server(starttls=False)
def test_server_can_have_no_starttls(smtp_server: SmtpServer) -> None:
    """For programs that must not send in the clear."""
    with (
        smtplib.SMTP(smtp_server.host, smtp_server.port, timeout=30) as client,
        pytest.raises(smtplib.SMTPNotSupportedError),
    ):
        client.starttls(context=smtp_server.ssl_context())


def test_fault_hits_one_recipient_once(smtp_server: SmtpServer) -> None:
    """The others are taken, and so is the same one at the next try."""
    smtp_server.fail("rcpt", "450 4.2.1 Mailbox busy", only=RECIPIENT)
    with connect(smtp_server) as client:
        refused = send(client, RECIPIENT, "other@example.org")
        again = send(client, RECIPIENT, "other@example.org")

    assert refused == {RECIPIENT: (450, b"4.2.1 Mailbox busy")}
    assert again == {}
    assert [m.recipients for m in smtp_server.messages] == [
        ("other@example.org",),
        (RECIPIENT, "other@example.org"),
    ]


@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "data", "content", "taken"])
def test_reply_can_be_ordered_at_every_stage(smtp_server: SmtpServer, stage: str) -> None:
    """Whatever the stage, the client reads it."""
    smtp_server.fail(stage, "451 4.3.2 Not now", times=None)

    with (
        pytest.raises(smtplib.SMTPException, match="Not now"),
        smtplib.SMTP(smtp_server.host, smtp_server.port, timeout=30) as client,
    ):
        send(client)

    assert len(smtp_server.messages) == (stage == "taken")


def test_connection_can_be_cut_when_the_message_is_taken(smtp_server: SmtpServer) -> None:
    """The case in which no client can know: the message is there, its answer is not."""
    smtp_server.cut("taken")

    with connect(smtp_server) as client, pytest.raises(smtplib.SMTPServerDisconnected):
        send(client)

    assert smtp_server.wait_for(subject="Report").raw == CONTENT


def test_hang_lasts_until_the_client_gives_up(smtp_server: SmtpServer) -> None:
    """And the next connection is served."""
    smtp_server.hang("ehlo")

    with (
        smtplib.SMTP(smtp_server.host, smtp_server.port, timeout=0.2) as client,
        pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"),
    ):
        client.ehlo()
    with connect(smtp_server) as client:
        send(client)

    assert smtp_server.connections == 2


async def test_aiosmtplib_is_served_in_the_same_process(smtp_server: SmtpServer) -> None:
    """The server has its own loop, so the test's may do as it likes."""
    async with session(
        hostname=smtp_server.host,
        port=smtp_server.port,
        tls_context=smtp_server.ssl_context(),
        username=smtp_server.username,
        password=smtp_server.password,
    ) as client:
        sending = client.sendmail(SENDER, [RECIPIENT], CONTENT)
        _, message = await asyncio.gather(sending, smtp_server.wait_for_async(subject="Report"))

    assert message.raw == CONTENT


def test_waiting_in_vain_tells_what_has_come(smtp_server: SmtpServer) -> None:
    """The failure of the test says what is wrong."""
    with connect(smtp_server) as client:
        send(client)

    with pytest.raises(NotReceived, match=r"'Report' from app@example.com to boss@example.org"):
        smtp_server.wait_for(subject="Invoice", timeout=0.01)
    with pytest.raises(NotReceived, match="not 2 messages"):
        smtp_server.wait_for_count(2, timeout=0.01)


def test_ports_are_closed_at_the_end() -> None:
    """Without pytest's fixture, too; nothing stays behind."""
    with SmtpServer() as server:
        address = (server.host, server.port)
        ca_file = server.ca_file
        socket.create_connection(address, timeout=10).close()

    assert not ca_file.exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address, timeout=10)


def test_large_messages_go_in_chunks(smtp_server: SmtpServer) -> None:
    """BDAT, and octets that DATA could not carry as they are."""
    block = b".\r\n" * 100_000
    with connect(smtp_server) as client:
        client.ehlo()
        for line in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>"):
            assert client.docmd(line)[0] == 250
        client.send(f"BDAT {len(block)}\r\n".encode() + block)
        assert client.getreply()[0] == 250
        assert client.docmd("BDAT 0 LAST")[0] == 250

    assert smtp_server.messages[0].raw == block
