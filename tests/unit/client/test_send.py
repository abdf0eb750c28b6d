"""client: a program's own mail, sent over real sockets and real TLS, blocking and not."""

import asyncio
import traceback

import pytest
from tests.support.sending import Certified, Face, letter
from tests.support.smtp_peer import Peer, serve

from pillarbox.client import (
    ArgumentError,
    CertificateError,
    ConnectError,
    Dsn,
    MessageRefused,
    RequireTlsMissing,
    SendState,
    TlsMissing,
)


async def take_all(peer: Peer) -> None:
    """A server that takes one message."""
    await peer.greet("PIPELINING", "8BITMIME", "SMTPUTF8")
    await peer.take_message(reply="250 2.0.0 queued as 42")
    await leave(peer)


async def leave(peer: Peer) -> None:
    """The end of a session."""
    await peer.expect("QUIT")
    peer.send("221 bye")


async def test_a_message_is_sent_to_all_it_names(face: Face) -> None:
    """Envelope from the header fields, dots stuffed, and the reply with the queue id back."""
    async with serve(take_all) as server:
        result = await face.send_one(server.port, letter(Cc="dave@example.net"))

    commands = [line for line in server.commands if line.startswith(("MAIL", "RCPT"))]
    assert commands == [
        "MAIL FROM:<app@t1.test>",
        "RCPT TO:<bob@example.net>",
        "RCPT TO:<carol@example.net>",
        "RCPT TO:<dave@example.net>",
    ]
    assert result.is_complete
    assert {(one.code, one.enhanced_code, one.text) for one in result} == {
        (250, "2.0.0", "queued as 42")
    }
    assert b"\r\n\r\n..first line\r\nlast line\r\n.\r\n" in server.peers[0].contents[0]


async def test_bcc_is_delivered_and_not_shown(face: Face) -> None:
    """Who is in Bcc gets the message, and nobody sees it there."""
    async with serve(take_all) as server:
        await face.send_one(server.port, letter(Bcc="eve@example.net"))

    assert "RCPT TO:<eve@example.net>" in server.commands
    assert b"eve@" not in server.peers[0].contents[0]


async def test_octets_get_crlf_line_ends(face: Face) -> None:
    """A message that a program wrote with LF alone is sent as SMTP wants it."""
    async with serve(take_all) as server:
        await face.send_one(
            server.port,
            b"Subject: x\n\nbody\n",
            sender="app@t1.test",
            recipients=["bob@example.net"],
        )

    assert server.peers[0].contents == [b"Subject: x\r\n\r\nbody\r\n.\r\n"]


async def test_octets_say_who_sends_to_whom(face: Face) -> None:
    """What is not given stands in their header; Bcc is taken out of it."""
    octets = (
        b"From: app@t1.test\nTo: bob@example.net\nBcc: eve@example.net,\n dan@x.test\nX: 1\n\nHi\n"
    )
    async with serve(take_all) as server:
        await face.send_one(server.port, octets)

    assert [line for line in server.commands if line.startswith("RCPT")] == [
        "RCPT TO:<bob@example.net>",
        "RCPT TO:<eve@example.net>",
        "RCPT TO:<dan@x.test>",
    ]
    assert server.peers[0].contents == [
        b"From: app@t1.test\r\nTo: bob@example.net\r\nX: 1\r\n\r\nHi\r\n.\r\n"
    ]


async def test_a_refused_recipient_does_not_stop_the_others(face: Face) -> None:
    """The result tells each of them what became of it."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        for verb in ("MAIL", "RCPT", "RCPT", "DATA"):
            await peer.expect(verb)
        peer.send("250 ok", "550 5.1.1 no such user", "250 ok", "354 go")
        await peer.content()
        peer.send("250 2.0.0 taken")
        await leave(peer)

    async with serve(script) as server:
        result = await face.send_one(server.port, letter())

    bob = result["bob@example.net"]
    assert (bob.state, bob.code, bob.enhanced_code) == (SendState.REFUSED, 550, "5.1.1")
    assert not bob.is_transient
    assert bob.retry_after is None
    assert bob.cause
    assert result["carol@example.net"].is_accepted
    assert not result.is_complete


async def test_a_refused_message_raises_what_the_server_said(face: Face) -> None:
    """Nobody got it: the program reads the reply and whether trying again would help."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message(reply="452 4.3.1 try again in 7 minutes")
        await leave(peer)

    async with serve(script) as server:
        with pytest.raises(MessageRefused, match=r"452 4\.3\.1 try again") as raised:
            await face.send_one(server.port, letter())

    assert raised.value.is_transient
    assert raised.value.retry_after == 420
    assert raised.value.result is not None
    assert len(raised.value.result.refused) == 2


@pytest.mark.parametrize("final", ["bob@example.net", "bób@example.net"])
async def test_refusal_of_some_for_good_and_some_for_now_passes(face: Face, final: str) -> None:
    """Who tries again reaches those who were busy; the longest wait is told, and that some are
    refused for good, by the server or since it can not be told of them."""
    refused = [] if not final.isascii() else ["550 5.1.1 no such user"]

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        peer.send("250 ok")
        for reply in (*refused, "450 4.2.1 busy, wait 5 minutes", "450 4.2.1 in 7 minutes"):
            await peer.expect("RCPT")
            peer.send(reply)
        while (command := await peer.line()) != "QUIT":
            peer.send("503 no recipients" if command == "DATA" else "250 ok")
        peer.send("221 bye")

    async with serve(script) as server:
        with pytest.raises(MessageRefused, match=r"wait 5.*; 1 of 3 recipients for good") as raised:
            await face.send_one(
                server.port,
                b"Subject: x\r\n\r\nHi\r\n",
                sender="app@t1.test",
                recipients=[final, "carol@example.net", "dave@example.net"],
            )

    error = raised.value
    assert (error.is_transient, error.retry_after) == (True, 420)
    assert error.reply is not None
    assert error.reply.code == 450
    assert error.result is not None
    assert not error.result[final].is_transient


async def test_a_login_goes_over_tls_only(face: Face) -> None:
    """STARTTLS is demanded before AUTH; a server without it gets no password (attacks row 15)."""
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN")
        while await peer.line():
            pass
        left.set()

    async with serve(script) as server:
        with pytest.raises(TlsMissing, match="does not offer STARTTLS") as raised:
            await face.send_one(
                server.port, letter(), tls="required", auth=("app@t1.test", "Pw-1_x")
            )
        await asyncio.wait_for(left.wait(), 20)

    assert "smtps://" in raised.value.fix
    assert [line.split()[0] for line in server.commands] == ["EHLO", "QUIT"]


@pytest.mark.parametrize("scheme", ["smtps", "submission"])
async def test_a_login_over_verified_tls(face: Face, certified: Certified, scheme: str) -> None:
    """Port 465 style and STARTTLS, with the certificate checked against a given authority."""
    implicit = scheme == "smtps"

    async def script(peer: Peer) -> None:
        if not implicit:
            await peer.greet("STARTTLS")
            await peer.expect("STARTTLS")
            peer.send("220 go")
            await peer.start_tls(certified.context)
            await peer.hello("AUTH PLAIN", "PIPELINING")
        else:
            await peer.greet("AUTH PLAIN", "PIPELINING")
        await peer.expect("AUTH PLAIN AGFwcEB0MS50ZXN0AFB3LTFfeA==")
        peer.send("235 in")
        await peer.take_message()
        await leave(peer)

    async with serve(script, tls=certified.context if implicit else None) as server:
        result = await face.send_one(
            server.port,
            letter(),
            scheme=scheme,
            tls="required",
            auth=("app@t1.test", "Pw-1_x"),
            ca_file=certified.ca_file,
        )

    assert result.is_complete
    assert result.tls.startswith("TLSv1.")


async def test_an_unknown_authority_is_refused_with_the_fix(
    face: Face, certified: Certified
) -> None:
    """No mail goes to a server whose certificate nobody vouches for."""

    async def script(peer: Peer) -> None:
        await peer.line()

    async with serve(script, tls=certified.context) as server:
        with pytest.raises(CertificateError) as raised:
            await face.send_one(server.port, letter(), scheme="smtps")

    assert raised.value.code == "certificate-not-trusted"
    assert "ca_file" in raised.value.fix
    assert not raised.value.is_transient


async def test_nobody_listening_is_said(face: Face) -> None:
    """The error names the port to check instead of a number of the system's."""
    async with serve() as server:
        port = server.port

    with pytest.raises(ConnectError, match="refused the connection") as raised:
        await face.send_one(port, letter())

    assert "port" in raised.value.fix
    assert raised.value.is_transient


async def test_delivery_reports_are_asked_for(face: Face) -> None:
    """RFC 3461: NOTIFY and ORCPT with each recipient, RET and ENVID with the sender."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "DSN")
        await peer.take_message()
        await leave(peer)

    dsn = Dsn(notify=["success", "failure"], ret="headers", envelope_id="a+b c=d")
    async with serve(script) as server:
        result = await face.send_one(server.port, letter(), dsn=dsn)

    assert "MAIL FROM:<app@t1.test> RET=HDRS ENVID=a+2Bb+20c+3Dd" in server.commands
    assert (
        "RCPT TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@example.net"
        in server.commands
    )
    assert result.dsn


@pytest.mark.parametrize(
    "arguments",
    [
        {"sender": "app@t1.test\r\nRCPT TO:<eve@example.net>", "recipients": ["b@example.net"]},
        {"sender": "app@t1.test", "recipients": ["bob@example.net>\r\nDATA"]},
        {"sender": "app@t1.test", "recipients": ["bob\0@example.net"]},
        {"sender": "app@t1.test", "recipients": []},
        {"sender": "a@t1.test", "recipients": "b@x.test", "dsn": Dsn(envelope_id="x\r\nDATA")},
        {"sender": "a@t1.test", "recipients": "b@x.test", "dsn": Dsn(notify=["never", "delay"])},
        {"sender": "a@t1.test", "recipients": "b@x.test", "dsn": Dsn(notify=["x\r\n"])},  # type: ignore[list-item]
        {"auth": ("app\r\nQUIT", "x")},
        {"auth": ("app", "x\0y")},
        {"helo_name": "me\r\nQUIT"},
        {"helo_name": "me SIZE=1"},
    ],
)
async def test_a_bad_argument_fails_before_anything_is_sent(
    face: Face, arguments: dict[str, object]
) -> None:
    """Attacks row 76: a line end in an argument never becomes a command."""
    async with serve(take_all) as server:
        with pytest.raises(ArgumentError):
            await face.send_one(server.port, b"x: y\r\n\r\n", **arguments)

        assert server.peers == []


@pytest.mark.parametrize(
    "address",
    ["smtp://mx.test\r\n", "ftp://mx.test", "smtp://u:p@mx.test", "smtp://", "smtp://a b"],
)
def test_what_names_no_server_is_refused(face: Face, address: str) -> None:
    """Before anything is connected to."""
    with pytest.raises(ArgumentError):
        face._connect(address)


@pytest.mark.parametrize(
    "address",
    [
        "smtp://app:Pw-of-the-test_7@mx.test:587",
        "smtps://app%40t1.test:Pw-of-the-test_7@mx.test",
        "app:Pw-of-the-test_7@mx.test:587",
        "app@t1.test:Pw-of-the-test_7@mx.test",
    ],
)
def test_a_password_beside_the_server_is_not_repeated(face: Face, address: str) -> None:
    """Errors end in logs; what to write instead is said."""
    with pytest.raises(ArgumentError) as raised:
        face._connect(address)

    assert "Pw-of-the-test_7" not in "".join(traceback.format_exception(raised.value))
    assert "auth=" in raised.value.fix


@pytest.mark.parametrize("extensions", [("REQUIRETLS",), ()])
async def test_tls_can_be_required_for_the_whole_way(
    face: Face, certified: Certified, extensions: tuple[str, ...]
) -> None:
    """RFC 8689 section 4.3: MAIL says so, or nothing is sent where the server does not offer it."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", *extensions)
        if extensions:
            await peer.take_message()
        await leave(peer)

    async with serve(script, tls=certified.context) as server:
        sending = face.send_one(
            server.port, letter(), scheme="smtps", ca_file=certified.ca_file, require_tls=True
        )
        if extensions:
            assert (await sending).is_complete
            assert "MAIL FROM:<app@t1.test> REQUIRETLS" in server.commands
            return
        with pytest.raises(RequireTlsMissing, match="REQUIRETLS") as raised:
            await sending

    assert (raised.value.code, raised.value.is_transient) == ("requiretls-not-offered", False)
    assert "require_tls" in raised.value.fix
    assert not any(line.startswith("MAIL") for line in server.commands)
