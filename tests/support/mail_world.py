"""A small internet on the loopback: DNS, web and mail servers that say what a test wants.

Hosts get addresses that look public (the resolver must see such); `connect` leads a connection to
such an address to the loopback port at which the host really is. Certificates are real, of an own
authority; so are DNS messages, over UDP.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TypeAlias, cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import trustme
from tests.support.smtp_peer import Peer, Script, serve

from pillarbox.client.discovery import Network
from pillarbox.net.dns import DnsResolver

AUTOCONFIG = """<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="x"><displayName>X</displayName>
<outgoingServer type="smtp"><hostname>{host}</hostname><port>{port}</port>
<socketType>{socket}</socketType><username>%EMAILADDRESS%</username>
<authentication>password-cleartext</authentication></outgoingServer>
</emailProvider></clientConfig>"""

LONGEST_CHAIN = 100
"""So many aliases are followed."""


def write_ca(file: Path) -> str:
    """Write the certificate of the authority of all worlds; the name of the file."""
    _authority()[0].cert_pem.write_to_path(str(file))
    return str(file)


Page: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
Records: TypeAlias = dict[tuple[str, str], list[str]]


def page(content: str | bytes, *, status: str = "200 OK", headers: str = "") -> Page:
    """A page that is served at once."""
    body = content.encode() if isinstance(content, str) else content

    async def write(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return write


def redirect(location: str) -> Page:
    """A page that leads elsewhere."""
    return page("", status="302 Found", headers=f"Location: {location}\r\n")


def autoconfig(host: str, port: int = 587, socket: str = "STARTTLS") -> Page:
    """A document of autoconfig that names one server."""
    return page(AUTOCONFIG.format(host=host, port=port, socket=socket))


async def silence(_: asyncio.StreamWriter) -> None:
    """A page that never comes."""
    await asyncio.Event().wait()


@cache
def _authority() -> tuple[trustme.CA, ssl.SSLContext]:
    """One authority for all worlds, and a client's context that trusts it."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return authority, context


class World:
    """All hosts of one test.

    `requests` are the lines that web servers were asked with, `posted` types and contents that they
    were given, `queries` the questions to the DNS, `connections` where was connected to. The DNS is
    silent about the names in `mute`, fails for those in `broken` ("NAME", or "NAME KIND") and for
    those in `bogus` unless one checks oneself, and is gone when it `is_dead`. It follows aliases,
    and says of names in `validated` that they are signed.
    """

    def __init__(self) -> None:
        self._authority, self._trust = _authority()
        self._stack = AsyncExitStack()
        self._addresses: dict[str, str] = {}
        self._ports: dict[tuple[str, int], int] = {}
        self._pages: dict[str, Page] = {}
        self._dns_port = 0
        self.records: Records = {}
        self._flipped: dict[str, str] = {}
        self.mute: set[str] = set()
        self.broken: set[str] = set()
        self.validated: set[str] = set()
        self.bogus: set[str] = set()
        self.forged: list[str] = []
        self.is_dead = False
        self.requests: list[str] = []
        self.posted: list[tuple[str, bytes]] = []
        self.queries: list[tuple[str, str]] = []
        self.connections: list[tuple[str, int]] = []

    # -- what a test says ----------------------------------------------------------------------

    def dns(self, name: str, kind: str, *texts: str) -> None:
        """Records of a name."""
        self.records.setdefault((name, kind), []).extend(texts)

    def address_of(self, host: str) -> str:
        """The public address of a host, made at first use."""
        if host not in self._addresses:
            self._addresses[host] = f"11.0.0.{len(self._addresses) + 1}"
            self.dns(host, "A", self._addresses[host])
        return self._addresses[host]

    def tls(
        self, *names: str, not_after: datetime | None = None, authority: trustme.CA | None = None
    ) -> ssl.SSLContext:
        """A server's context with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer = authority or self._authority
        issuer.issue_cert(*names, not_after=not_after).configure_cert(context)
        return context

    @property
    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts the authority of the world."""
        return self._trust

    async def web(self, host: str, pages: dict[str, Page], *, certificate: str = "") -> None:
        """A web server at port 443 with these paths."""
        await self._web(host, pages, 443, self.tls(certificate or host))

    async def plain_web(self, host: str, pages: dict[str, Page]) -> None:
        """A web server at port 80."""
        await self._web(host, pages, 80, None)

    async def mail(
        self,
        host: str,
        *ports: int,
        mechanisms: str = "PLAIN LOGIN",
        certificate: str = "",
        context: ssl.SSLContext | None = None,
        script: Script | None = None,
    ) -> None:
        """A server for sending: TLS from the first octet at port 465, STARTTLS at all others."""
        address, context = self.address_of(host), context or self.tls(certificate or host)
        for port in ports:
            implicit = port == 465
            chosen = _till_tls(script or _greeter(mechanisms, None if implicit else context))
            server = serve(chosen, tls=context if implicit else None)
            running = await self._stack.enter_async_context(server)
            self._ports[address, port] = running.port

    def lead(self, address: str, port: int, to: int) -> None:
        """Let connections to an address end at a port of the loopback."""
        self._ports[address, port] = to

    def port(self, host: str, port: int) -> int:
        """The loopback port at which a host really is."""
        return self._ports[self.address_of(host), port]

    def flip(self, host: str, address: str) -> None:
        """Answer the second question about a host with another address."""
        self._flipped[host] = address

    def count(self, host: str) -> int:
        """How often a web server was asked."""
        return sum(request.startswith(f"{host} ") for request in self.requests)

    def network(self) -> Network:
        """The world as discovery sees it."""
        return Network(DnsResolver.of_servers([self.dns_server]), self.connect, self._trust)

    @property
    def dns_server(self) -> tuple[str, int]:
        """Whom to ask: address and port."""
        return "127.0.0.1", self._dns_port

    # -- how it works --------------------------------------------------------------------------

    async def connect(
        self, address: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to where an address leads; nobody is at all others."""
        self.connections.append((address, port))
        found = self._ports.get((address, port))
        if found is None:
            raise ConnectionRefusedError
        return await asyncio.open_connection("127.0.0.1", found)

    async def start(self) -> None:
        """Begin to answer to DNS questions."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Questions(self), local_addr=("127.0.0.1", 0)
        )
        self._stack.callback(transport.close)
        self._dns_port = transport.get_extra_info("sockname")[1]

    async def stop(self) -> None:
        """Close all servers."""
        await self._stack.aclose()

    def answer(self, octets: bytes) -> bytes | None:
        """The answer to a DNS message, None where there is none."""
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind))
        if self.is_dead or name in self.mute:
            return None
        if name in self._flipped and self.queries.count((name, "A")) > 1:
            self.records[name, "A"] = [self._flipped[name]]
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        is_bogus = name in self.bogus and not query.flags & dns.flags.CD
        if is_bogus or name in self.broken or f"{name} {kind}" in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        if name in self.validated and query.flags & dns.flags.AD:
            response.flags |= dns.flags.AD
        owner = question.name
        while kind != "CNAME" and (alias := self.records.get((name, "CNAME"))):
            response.answer.append(dns.rrset.from_text(owner, 60, "IN", "CNAME", *alias))
            name = alias[0].removesuffix(".").lower()
            owner = dns.name.from_text(name)
            if len(response.answer) > LONGEST_CHAIN:
                break
            if name in self.broken:
                response.set_rcode(dns.rcode.SERVFAIL)
            if name not in self.validated:
                response.flags &= ~dns.flags.AD
        texts = self.records.get((name, kind), [])
        if texts:
            response.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, *texts))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    def forgeries(self, octets: bytes) -> list[bytes]:
        """Answers that somebody else would send before the true one: with a guessed id, and to
        another question."""
        if not self.forged:
            return []
        query = dns.message.from_wire(octets)
        other = dns.message.make_query("other.example", query.question[0].rdtype, id=query.id)
        made = []
        for question, number in ((query, query.id ^ 1), (other, query.id)):
            response = dns.message.make_response(question)
            response.id = number
            owner = question.question[0].name
            for record in self.forged:
                kind, _, text = record.partition(" ")
                response.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, text))
            made.append(response.to_wire())
        return made

    async def _web(
        self, host: str, pages: dict[str, Page], port: int, context: ssl.SSLContext | None
    ) -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._stack.callback(writer.transport.abort)
            try:
                line = (await reader.readline()).decode().strip()
                fields: dict[str, str] = {}
                while field := (await reader.readline()).decode().strip():
                    name, _, value = field.partition(": ")
                    fields[name.lower()] = value
                self.requests.append(f"{host} {line}")
                if line.startswith("POST "):
                    body = await reader.readexactly(int(fields["content-length"]))
                    self.posted.append((fields["content-type"], body))
                path = line.split(" ")[1].partition("?")[0]
                await pages.get(path, page("", status="404 Not Found"))(writer)
            except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        self._stack.callback(server.close)
        self._ports[self.address_of(host), port] = server.sockets[0].getsockname()[1]


class _Questions(asyncio.DatagramProtocol):
    def __init__(self, world: World) -> None:
        self._world = world

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for forged in self._world.forgeries(data):
            self._transport.sendto(forged, addr)
        if (answer := self._world.answer(data)) is not None:
            self._transport.sendto(answer, addr)


def _till_tls(script: Script) -> Script:
    """The script, over when a client begins with TLS in the middle: who tries both ways does."""

    async def guarded(peer: Peer) -> None:
        try:
            await script(peer)
        except (UnicodeDecodeError, AssertionError):
            if peer.commands and not peer.commands[-1].startswith("\x16"):
                raise

    return guarded


def _greeter(mechanisms: str, context: ssl.SSLContext | None) -> Script:
    """A server that greets, encrypts, and takes no other command than QUIT."""
    login = [f"AUTH {mechanisms}"] if mechanisms else []

    async def script(peer: Peer) -> None:
        if context is None:
            await peer.greet(*login)
        else:
            await peer.greet("STARTTLS")
            await peer.expect("STARTTLS")
            peer.send("220 go ahead")
            await peer.start_tls(context)
            await peer.hello(*login)
        await peer.expect("QUIT")
        peer.send("221 bye")

    return script


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """A world with a DNS server and nobody in it."""
    world = World()
    await world.start()
    try:
        yield world
    finally:
        await world.stop()
