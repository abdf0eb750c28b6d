"""Sends messages and brings back what comes of them."""

from dataclasses import dataclass

from tests.support.reception import RETURN_KEY, USER, Client, Site
from tests.unit.outcome.conftest import Connect

from pillarbox.mail.identifier import parse_id
from pillarbox.mail.return_path import ReturnTag, return_address
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.store.suppressions import Suppression, list_suppressions
from pillarbox.store.trace import MessageTrace, ReturnTrace, trace_message

DOMAIN = "bounces.t1.test"
CONTENT = b"From: u1@t1.test\r\nMessage-ID: <m1@t1.test>\r\nSubject: Bill 7\r\n\r\nbody\r\n"


@dataclass
class Sent:
    """A message that was taken, and how its bounces come back."""

    site: Site
    queue_id: int
    client: Client

    def address(self, number: int = 0, *, shared: bool = False, domain: str = DOMAIN) -> str:
        """The return address of a recipient."""
        tag = ReturnTag(self.queue_id, number, is_shared=shared)
        return return_address(RETURN_KEY, domain, tag).address

    async def back(
        self, content: bytes, to: str = "", *, sender: str = "", client: Client | None = None
    ) -> str:
        """Bring something back; the reply."""
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return await (client or self.client).message(content, to or self.address(), sender=sender)

    async def trace(self) -> MessageTrace:
        """What is known of the message."""
        found = await self.site.database.read(lambda c: trace_message(c, self.queue_id))
        assert found is not None
        return found

    async def returned(self, number: int = 0) -> list[ReturnTrace]:
        """What came back about a recipient."""
        return list((await self.trace()).recipients[number].returned)

    async def told(self) -> list[tuple[SpooledMessage, bytes]]:
        """What the sender got, with its content from the store."""
        site = self.site
        messages = [m for m in site.accepted if m.queue_id != self.queue_id]
        assert all(m.envelope.reverse_path is None for m in messages)
        return [(m, await site.content(m)) for m in messages]

    async def suppressed(self) -> list[Suppression]:
        """Whom the tenant does not send to."""
        now = self.site.services.clock.timestamp()
        return await self.site.database.read(lambda c: list_suppressions(c, now=now))


async def send(
    site: Site, logged_in: Client, connect: Connect, *recipients: str, notify: str = ""
) -> Sent:
    """A message of the logged in to these, by default one, and a session for what comes back."""
    await logged_in.command(f"MAIL FROM:<{USER}>")
    for address in recipients or ("bob@far.example",):
        await logged_in.command(f"RCPT TO:<{address}>{notify}")
    await logged_in.command("DATA")
    logged_in.send(CONTENT + b".\r\n")
    reply = await logged_in.reply()
    client = await connect("returns")
    await client.command("EHLO mx.far.example")
    return Sent(site, parse_id(reply.split()[-1]), client)
