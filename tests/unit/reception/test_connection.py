"""Sessions over real sockets: login, TLS, content, time-outs, the end of the service."""

from tests.support.reception import USER, Client, Site
from tests.unit.reception.conftest import Connect

MESSAGE = b"From: u1@t1.test\r\nSubject: x\r\n\r\nbody\r\n"


async def test_message_over_implicit_tls(site: Site, logged_in: Client) -> None:
    """Login and message on the TLS port: 250 with the queue id, and it is in the store."""
    reply = await logged_in.message(MESSAGE)

    assert reply.startswith("250 2.0.0 Queued as ")
    [message] = site.accepted
    assert await site.content(message) == MESSAGE
    assert message.prefix.startswith(b"Received: from c.t1.test ([127.0.0.1])\r\n")
    assert b"with ESMTPSA id" in message.prefix


async def test_message_over_starttls(site: Site, connect: Connect) -> None:
    """The same on the port with STARTTLS; after the handshake the client begins anew."""
    client = await connect("submission")
    assert "STARTTLS" in await client.command("EHLO c.t1.test")
    assert (await client.starttls(site.client_context())).startswith("220 ")
    assert (await client.command("NOOP")).startswith("250")
    assert "AUTH PLAIN LOGIN" in await client.command("EHLO c.t1.test")
    assert (await client.login(USER, site.password)).startswith("235 ")

    assert (await client.message(MESSAGE)).startswith("250 2.0.0 ")
    assert (await client.command("QUIT")).startswith("221 ")
    assert await client.is_closed()
