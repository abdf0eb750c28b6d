"""Microsoft 365 for tests (pillarbox.testing.m365_server)."""

import json
import smtplib
import urllib.parse
import urllib.request

import pytest

from pillarbox.testing import M365Server

RECIPIENT = "someone@fabrikam.example"


def content(server: M365Server) -> bytes:
    """A message that the mailbox may send."""
    return (
        f"From: {server.mailbox}\r\nTo: {RECIPIENT}\r\nSubject: Toner\r\n\r\nEmpty.\r\n"
    ).encode()


def send(server: M365Server) -> None:
    """With the password of the mailbox."""
    with smtplib.SMTP(server.host, server.port, timeout=30) as client:
        client.starttls(context=server.ssl_context())
        client.login(server.mailbox, server.password)
        client.sendmail(server.mailbox, [RECIPIENT], content(server))


def test_message_by_smtp_can_be_waited_for(m365_server: M365Server) -> None:
    """With the looks of any other message."""
    send(m365_server)

    message = m365_server.wait_for(subject="Toner")

    assert (message.login, message.mechanism) == (m365_server.mailbox, "LOGIN")
    assert message.recipients == (RECIPIENT,)


@pytest.mark.m365_server(smtp_auth="off")
def test_mark_sets_switches(m365_server: M365Server) -> None:
    """What an admin has switched off is refused with Microsoft's words, until it is on."""
    with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.139"):
        send(m365_server)

    m365_server.set_switches(smtp_auth="on")
    send(m365_server)

    assert len(m365_server.wait_for_count(1)) == 1


def test_fault_can_be_ordered(m365_server: M365Server) -> None:
    """As at the other server."""
    m365_server.fail("mail", "432 4.3.2 Concurrent connections limit exceeded")

    with pytest.raises(smtplib.SMTPSenderRefused, match=r"4\.3\.2"):
        send(m365_server)


def test_authority_gives_a_token_to_the_sample_app(m365_server: M365Server) -> None:
    """With id and secret, over TLS that the authority of the server vouches for."""
    form = {
        "grant_type": "client_credentials",
        "client_id": m365_server.client_id,
        "client_secret": m365_server.client_secret,
        "scope": "https://outlook.office365.com/.default",
    }
    with urllib.request.urlopen(  # noqa: S310 -- the server's own URL
        m365_server.token_url,
        data=urllib.parse.urlencode(form).encode(),
        context=m365_server.ssl_context(),
        timeout=30,
    ) as answer:
        token = json.load(answer)

    assert token["token_type"] == "Bearer"
    assert token["access_token"].count(".") == 2
