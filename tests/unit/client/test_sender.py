"""client.sender: a program's own mail, sent over real sockets and real TLS."""

import ast
import asyncio
import ssl
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme
from tests.support.smtp_peer import Peer, serve

from pillarbox.client import SendError, Sent, Server, send_async
from pillarbox.errors import AddressError
from pillarbox.route import TlsMode


def letter(**fields: str) -> EmailMessage:
    """A message with these header fields beside the usual ones."""
    message = EmailMessage()
    message["From"] = "App <app@t1.test>"
    message["To"] = "Bob <bob@example.net>, carol@example.net"
    message["Subject"] = "Tally"
    for name, value in fields.items():
        message[name] = value
    message.set_content(".first line\nlast line\n")
    return message


async def take_all(peer: Peer) -> None:
    """A server that takes one message."""
    await peer.greet("PIPELINING", "8BITMIME", "SMTPUTF8")
    await peer.take_message(reply="250 2.0.0 queued as 42")
    await peer.expect("QUIT")
    peer.send("221 bye")


def certified(authority: trustme.CA) -> ssl.SSLContext:
    """A server's side of TLS, for the name localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def plain(port: int) -> Server:
    """A server without encryption or login, as only a test has it."""
    return Server("127.0.0.1", port, tls=TlsMode.NONE, timeout_seconds=20)


async def test_a_message_is_sent_to_all_it_names() -> None:
    """Envelope from the header fields, dots stuffed, and the reply with the queue id back."""
    async with serve(take_all) as server:
        sent = await send_async(letter(Cc="dave@example.net"), plain(server.port))

    commands = [line for line in server.commands if line.startswith(("MAIL", "RCPT"))]
    assert commands == [
        "MAIL FROM:<app@t1.test>",
        "RCPT TO:<bob@example.net>",
        "RCPT TO:<carol@example.net>",
        "RCPT TO:<dave@example.net>",
    ]
    assert str(sent.reply) == "250 2.0.0 queued as 42"
    assert sent.refused == {}
    assert b"\r\n\r\n..first line\r\nlast line\r\n.\r\n" in server.peers[0].contents[0]


async def test_bcc_is_delivered_and_not_shown() -> None:
    """Who is in Bcc gets the message, and nobody sees it there."""
    async with serve(take_all) as server:
        await send_async(letter(Bcc="eve@example.net"), plain(server.port))

    assert "RCPT TO:<eve@example.net>" in server.commands
    assert b"eve@" not in server.peers[0].contents[0]


async def test_octets_get_crlf_line_ends() -> None:
    """A message that a program wrote with LF alone is sent as SMTP wants it."""
    async with serve(take_all) as server:
        await send_async(
            b"Subject: x\n\nbody\n",
            plain(server.port),
            sender="app@t1.test",
            recipients=["bob@example.net"],
        )

    assert server.peers[0].contents == [b"Subject: x\r\n\r\nbody\r\n.\r\n"]


async def test_a_refused_recipient_does_not_stop_the_others() -> None:
    """The reply to the refused one comes back; the message went to the other."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "550 5.1.1 no such user", "250 ok", "354 go")
        await peer.content()
        peer.send("250 2.0.0 taken")
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        sent = await send_async(letter(), plain(server.port))

    assert isinstance(sent, Sent)
    assert {to: str(reply) for to, reply in sent.refused.items()} == {
        "bob@example.net": "550 5.1.1 no such user"
    }


async def test_a_refused_message_raises_what_the_server_said() -> None:
    """Nobody got it: the program reads the reply and whether trying again would help."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message(reply="552 5.3.4 too large")
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        with pytest.raises(SendError, match=r"552 5\.3\.4 too large") as raised:
            await send_async(letter(), plain(server.port))

    assert raised.value.is_permanent


async def test_a_login_goes_over_tls_only() -> None:
    """STARTTLS is demanded before AUTH; a server without it gets no password."""

    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN")
        while await peer.line():
            pass
        left.set()

    async with serve(script) as server:
        login = Server("127.0.0.1", server.port, "app@t1.test", "Pw-1_x", timeout_seconds=20)
        with pytest.raises(SendError, match="does not offer STARTTLS") as raised:
            await send_async(letter(), login)
        await asyncio.wait_for(left.wait(), 20)

    assert "STARTTLS" in raised.value.fix
    assert [line.split()[0] for line in server.commands] == ["EHLO", "QUIT"]


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_login_over_verified_tls(tmp_path: Path, *, implicit: bool) -> None:
    """Port 465 style and STARTTLS, with the certificate checked against a given authority."""
    authority = trustme.CA()
    context = certified(authority)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))

    async def script(peer: Peer) -> None:
        if not implicit:
            await peer.greet("STARTTLS")
            await peer.expect("STARTTLS")
            peer.send("220 go")
            await peer.start_tls(context)
            await peer.hello("AUTH PLAIN", "PIPELINING")
        else:
            await peer.greet("AUTH PLAIN", "PIPELINING")
        await peer.expect("AUTH PLAIN AGFwcEB0MS50ZXN0AFB3LTFfeA==")
        peer.send("235 in")
        await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script, tls=context if implicit else None) as server:
        login = Server(
            "localhost",
            server.port,
            "app@t1.test",
            "Pw-1_x",
            tls=TlsMode.TLS if implicit else TlsMode.STARTTLS,
            ca_file=str(ca_file),
            timeout_seconds=20,
        )
        sent = await send_async(letter(), login)

    assert sent.reply.code == 250


async def test_an_unknown_authority_is_refused_with_the_fix() -> None:
    """No mail goes to a server whose certificate nobody vouches for."""
    context = certified(trustme.CA())

    async def script(peer: Peer) -> None:
        await peer.line()

    async with serve(script, tls=context) as server:
        with pytest.raises(SendError) as raised:
            await send_async(
                letter(), Server("localhost", server.port, tls=TlsMode.TLS, timeout_seconds=20)
            )

    assert raised.value.reply.enhanced == "4.7.5"
    assert raised.value.fix
    assert not raised.value.is_permanent


async def test_nobody_listening_is_said() -> None:
    """The error names the port to check instead of a number of the system's."""
    async with serve() as server:
        port = server.port

    with pytest.raises(SendError, match="refused the connection") as raised:
        await send_async(letter(), plain(port))

    assert "port" in raised.value.fix


@pytest.mark.parametrize(
    ("sender", "recipients", "error"),
    [
        ("app@t1.test\r\nRCPT TO:<eve@example.net>", ["bob@example.net"], AddressError),
        ("app@t1.test", ["bob@example.net>\r\nDATA"], AddressError),
        ("app@t1.test", [], ValueError),
    ],
)
async def test_a_bad_envelope_fails_before_anything_is_sent(
    sender: str, recipients: list[str], error: type[Exception]
) -> None:
    """Attacks row 76: a line end in an address never becomes a command."""
    with pytest.raises(error):
        await send_async(b"x", plain(1), sender=sender, recipients=recipients)


def test_the_base_package_is_enough() -> None:
    """Sending and finding need nothing of the extra `server`."""
    code = """
import sys
there = set(sys.modules)
import pillarbox.client, pillarbox
pillarbox.discover
beyond = {name.partition(".")[0] for name in set(sys.modules) - there}
beyond -= set(sys.stdlib_module_names)
print(sorted(name for name in beyond if not name.startswith("_")))
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert set(ast.literal_eval(found)) <= {"pillarbox", "dns", "h11", "idna", "publicsuffixlist"}
