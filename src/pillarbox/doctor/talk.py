"""A further session with a server, command by command: what is said is ours, what is heard is kept
octet by octet."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pillarbox.diagnosis.facts import Answer
from pillarbox.diagnosis.finding import shown
from pillarbox.errors import RemoteProtocolError
from pillarbox.mail.reply import Reply
from pillarbox.net.reach import Connect
from pillarbox.net.stores import NO_STORES, Stores
from pillarbox.net.streams import PlainStream, Stream, TlsStream
from pillarbox.publish.client_settings import Encryption
from pillarbox.smtp.client_fit import Capabilities, read_capabilities
from pillarbox.smtp.client_replies import RawReply, ReplyParser, Secrets, to_reply

KEPT_OCTETS = 2000
"""So much of an answer is kept as evidence."""

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect to, and how. `host` is the name that the certificate must have."""

    host: str
    address: str
    port: int
    encryption: Encryption


@dataclass(frozen=True, slots=True)
class Means:
    """With what a session is made, and how long it may take. `stores` are to be compared."""

    trust: ssl.SSLContext
    connect: Connect
    session_seconds: float
    stores: Stores = NO_STORES


class Talk:
    """One session. All methods that ask raise OSError (TimeoutError among them) and
    RemoteProtocolError."""

    def __init__(self, plain: PlainStream) -> None:
        self.plain = plain
        self.stream: Stream = plain
        self.capabilities = Capabilities()
        self._parser = ReplyParser()
        self._heard = b""
        self.secrets: Secrets | None = None

    @property
    def evidence(self) -> str:
        """The last answer octet by octet, without secrets."""
        octets = self._heard[:KEPT_OCTETS]
        return shown(self.secrets.mask(octets) if self.secrets else octets)

    async def reply(self) -> RawReply:
        """The next reply."""
        while (raw := self._parser.next_reply()) is None:
            octets = await self.stream.read()
            if not octets:
                raise ConnectionResetError("the server closed the connection")
            self._heard += octets
            self._parser.feed(octets)
        return raw

    async def ask(self, line: bytes) -> RawReply:
        """Say a line, hear its reply."""
        self._heard = b""
        await self.stream.write(line + b"\r\n")
        return await self.reply()

    async def answer(self, line: bytes) -> Answer:
        """The same, as it is kept."""
        return Answer(self.kept(await self.ask(line)), self.evidence)

    def kept(self, raw: RawReply) -> Reply:
        """A reply without secrets."""
        return to_reply(raw, self.secrets)

    async def hello(self) -> None:
        """EHLO; `capabilities` are what it gave."""
        raw = await self.ask(b"EHLO " + literal(self.plain.local_address).encode())
        if raw.code != 250:
            raise RemoteProtocolError(f"EHLO was answered by {raw.code}")
        self.capabilities = read_capabilities(raw.lines)

    async def secure(self, context: ssl.SSLContext, host: str) -> TlsStream:
        """Shake hands; what was heard in the clear is forgotten."""
        secured = TlsStream(self.plain, context, host)
        await secured.shake_hands()
        self.stream = secured
        self._parser = ReplyParser()
        return secured

    async def quit(self) -> None:
        """Say good-bye; the answer is not waited for."""
        await self.stream.write(b"QUIT\r\n")


@asynccontextmanager
async def connected(place: Place, means: Means) -> AsyncIterator[Talk]:
    """A connection on which nothing was said yet, dropped at the end."""
    async with asyncio.timeout(CONNECT_SECONDS):
        plain = PlainStream(*await means.connect(place.address, place.port))
    try:
        async with asyncio.timeout(means.session_seconds):
            yield Talk(plain)
    finally:
        plain.close()


@asynccontextmanager
async def opened(place: Place, means: Means) -> AsyncIterator[Talk]:
    """A session under TLS, ready for a login."""
    async with connected(place, means) as talk:
        if place.encryption is Encryption.TLS:
            await talk.secure(means.trust, place.host)
        await greeted(talk)
        if place.encryption is Encryption.STARTTLS:
            raw = await talk.ask(b"STARTTLS")
            if raw.code != 220:
                raise RemoteProtocolError(f"STARTTLS was answered by {raw.code}")
            await talk.secure(means.trust, place.host)
            await talk.hello()
        yield talk


async def greeted(talk: Talk) -> None:
    """Hear the greeting and say EHLO."""
    raw = await talk.reply()
    if raw.code != 220:
        raise RemoteProtocolError(f"the greeting was {raw.code}")
    await talk.hello()


def literal(address: str) -> str:
    """An address as the name of a client (RFC 5321 section 4.1.3)."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
