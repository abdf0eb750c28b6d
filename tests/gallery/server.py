"""A mail server that is wrong in a way that can be written in one line: what it says, and when."""

import asyncio
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from tests.gallery.certificates import Cert, Made, context, context_by_name
from tests.gallery.fake_tls import FakeTls

PATIENCE_SECONDS = 60
GOOD = Cert()
PASSWORD = "right-password"
USER = "user@corp.com"

DEFAULTS = {
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "RSET": "250 2.0.0 ok",
    "NOOP": "250 2.0.0 ok",
    "DATA": "354 go",
    ".": "250 2.0.0 taken",
    "QUIT": "221 2.0.0 bye",
    "STARTTLS": "220 2.0.0 go",
}


@dataclass(frozen=True)
class Server:
    """What a server does. Replies have a "|" between their lines; "" is silence, "!" a cut.

    `offers` and `offers_tls` are the keywords of EHLO before and under TLS; `says` are replies by
    the beginning of the command, also under TLS. Without a login it takes no mail; `relays` says
    otherwise. `slow` are seconds before the reply to a command in the clear ("" is the greeting)
    in the first two sessions: those in which times are measured.
    """

    banner: str = "220 mail.corp.com ESMTP"
    offers: str = "STARTTLS|SIZE 50000000|8BITMIME"
    offers_tls: str = "AUTH PLAIN LOGIN|SIZE 50000000|8BITMIME|PIPELINING"
    says: Mapping[str, str] = field(default_factory=dict)
    implicit: bool = False
    relays: bool = False
    keeps_buffer: bool = False
    keeps_size: bool = True
    slow: Mapping[str, float] = field(default_factory=dict)
    cert: Cert = GOOD
    versions: tuple[str, str] = ("1.2", "1.3")
    ciphers: str = ""
    weak_group: bool = False
    unnamed: Cert | None = None
    """The certificate for clients that do not say a name."""
    fake: FakeTls | None = None
    raw: bytes = b""
    """Said at once in place of all else."""
    sessions: list[int] = field(default_factory=list, compare=False)
    heard: list[str] = field(default_factory=list, compare=False)
    """All command lines of all sessions."""

    @property
    def tls(self) -> ssl.SSLContext:
        """With what it shakes hands."""
        made = Made(self.cert, self.versions, self.ciphers, self.weak_group)
        if self.unnamed is None:
            return context(made)
        return context_by_name(made, replace(made, cert=self.unnamed))


class _Session:
    """One connection. TLS runs over memory, so that it is known what came before it."""

    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader, self._writer = reader, writer
        server.sessions.append(len(server.sessions) + 1)
        self._number = server.sessions[-1]
        self._buffer = b""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._is_logged_in = False
        self._is_over = False

    async def run(self) -> None:
        """Serve until either side goes."""
        server = self._server
        if server.raw:
            self._writer.write(server.raw)
            await self._reader.read()
            return
        if server.implicit:
            await self._secure()
        await self._pause("")
        await self._say(server.banner)
        while line := await self._line():
            server.heard.append(line)
            await self._answer(line)

    async def _answer(self, line: str) -> None:
        server, verb = self._server, line.partition(" ")[0].upper()
        await self._pause(verb)
        said = next((r for start, r in server.says.items() if line.upper().startswith(start)), None)
        if said is not None:
            await self._say(said)
        elif verb in ("EHLO", "HELO"):
            offers = server.offers_tls if self._tls else server.offers
            await self._hello("mail.corp.com", *filter(None, offers.split("|")))
        elif verb == "AUTH":
            await self._log_in(line)
        elif verb in ("MAIL", "RCPT") and not (self._is_logged_in or server.relays):
            await self._say("530 5.7.0 Authentication required")
        elif verb == "MAIL" and server.keeps_size and self._is_too_large(line):
            await self._say("552 5.3.4 message too large")
        else:
            await self._say(DEFAULTS.get(verb, "500 5.5.2 unknown command"))
        if verb == "STARTTLS" and (said or "220").startswith("220"):
            await self._secure()
        if verb == "DATA" and (said or "354").startswith("354"):
            while (content := await self._line()) != ".":
                if not content and self._is_over:
                    return
            await self._say(server.says.get(".", DEFAULTS["."]))

    def _is_too_large(self, line: str) -> bool:
        _, mark, size = line.upper().partition(" SIZE=")
        limits = [o[5:] for o in self._server.offers_tls.split("|") if o.startswith("SIZE ")]
        return bool(mark and limits) and int(size.split(" ")[0]) > int(limits[0])

    async def _hello(self, *texts: str) -> None:
        await self._say("|".join([*(f"250-{t}" for t in texts[:-1]), f"250 {texts[-1]}"]))

    async def _log_in(self, line: str) -> None:
        """PLAIN and LOGIN with the one password; with a token always."""
        _, mechanism, *rest = line.split(" ")
        text = rest[0] if rest else await self._ask("VXNlcm5hbWU6" * (mechanism == "LOGIN"))
        if mechanism.upper() == "LOGIN":
            text = await self._ask("UGFzc3dvcmQ6")
        said = b64decode(text)
        if mechanism.upper() in ("XOAUTH2", "OAUTHBEARER") or said.endswith(PASSWORD.encode()):
            self._is_logged_in = True
            await self._say("235 2.7.0 welcome")
        else:
            await self._say("535 5.7.8 Authentication credentials invalid")

    async def _ask(self, challenge: str) -> str:
        await self._say(f"334 {challenge}")
        line = await self._line()
        self._server.heard.append(line)
        return line

    async def _pause(self, verb: str) -> None:
        seconds = self._server.slow.get(verb)
        if seconds and self._tls is None and self._number <= 2:
            await asyncio.sleep(seconds)

    async def _say(self, reply: str) -> None:
        if reply == "!":
            raise ConnectionError
        if reply:
            await self._write("".join(f"{line}\r\n" for line in reply.split("|")).encode())

    # -- octets --------------------------------------------------------------------------------

    async def _line(self) -> str:
        while b"\n" not in self._buffer:
            octets = await self._read()
            if not octets:
                self._is_over = True
                return ""
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    async def _read(self) -> bytes:
        if self._tls is None:
            return await self._reader.read(65_536)
        with suppress(ssl.SSLZeroReturnError, ssl.SSLEOFError):
            while True:
                try:
                    return self._tls.read(65_536)
                except ssl.SSLWantReadError:
                    if not await self._fill():
                        return b""
        return b""

    async def _write(self, octets: bytes) -> None:
        if self._tls is None:
            self._writer.write(octets)
        else:
            self._tls.write(octets)
            self._writer.write(self._outgoing.read())
        await self._writer.drain()

    async def _fill(self) -> bool:
        octets = await self._reader.read(65_536)
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
        return bool(octets)

    async def _secure(self) -> None:
        """Shake hands. What came before is forgotten, but by a server that is broken so."""
        if not self._server.keeps_buffer:
            self._buffer = b""
        if self._server.fake is not None:
            await self._fill()
            record = self._incoming.read()
            self._incoming.write(record)
            if answer := self._server.fake.answer(record):
                self._writer.write(answer)
                raise ConnectionError
        tls = self._server.tls.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._writer.write(self._outgoing.read())
                if not await self._fill():
                    raise ConnectionError from None
            except ssl.SSLError:
                self._writer.write(self._outgoing.read())
                raise
        self._writer.write(self._outgoing.read())
        self._tls = tls


@asynccontextmanager
async def serving(server: Server, address: str = "127.0.0.1") -> AsyncIterator[int]:
    """A running server; its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await _Session(server, reader, writer).run()
        except (OSError, ValueError, asyncio.CancelledError):
            # The other side may go at any time, and the gallery is closed when it is.
            pass
        finally:
            writer.close()
            tasks.discard(task)

    listener = await asyncio.start_server(handle, address, 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()
