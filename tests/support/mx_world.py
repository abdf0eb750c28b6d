"""MX hosts on the loopback: each at an address of its own, all at the same port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from ssl import SSLContext
from typing import Any

from tests.e2e.programs import free_port
from tests.support.mail_world import World, open_world
from tests.support.outgoing import attempt, message
from tests.support.smtp_peer import Peer, Script, Server, serve

from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.mx_courier import MxCourier, MxMeans, means_for
from pillarbox.delivery.mx_settings import MxSettings
from pillarbox.delivery.return_paths import ReturnPaths
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.hop_caps import MX_CAPS, HopCaps
from pillarbox.net.tls import ClientContexts
from pillarbox.route import MxHosts
from pillarbox.sources import Source

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OWN_NAME = "out.example"

CONTEXTS = ClientContexts()
"""Of all tests: each makes OpenSSL read the roots of the system."""


async def take_all(peer: Peer) -> None:
    """A host that takes every message."""
    await peer.greet("PIPELINING", "SIZE 1000000")
    await take_messages(peer)


async def take_messages(peer: Peer) -> None:
    """Messages until the end of the session."""
    while command := await peer.line():
        if command.startswith("DATA"):
            peer.send("354 go")
            await peer.content()
            peer.send("250 2.0.0 taken")
        elif command == "QUIT":
            peer.send("221 bye")
            return
        else:
            peer.send("250 ok")


def with_starttls(context: SSLContext, *extensions: str) -> Script:
    """A host that takes every message, under TLS or in the clear; under TLS it offers more."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS", "PIPELINING")
        if (command := await peer.line()) == "STARTTLS":
            peer.send("220 go ahead")
            await peer.start_tls(context)
            await peer.hello("PIPELINING", *extensions)
        elif command:
            peer.send("250 ok")
        await take_messages(peer)

    return script


class MxWorld:
    """DNS and MX hosts of one test, and couriers of one worker."""

    def __init__(self, dns: World, stack: AsyncExitStack) -> None:
        self.dns = dns
        self.port = free_port()
        self._stack = stack
        self._means: MxMeans | None = None
        self.ca_file = ""
        self.timeouts = Timeouts(quit=2)
        self.returns: ReturnPaths | None = None
        self.settings = MxSettings(
            own_names=frozenset({OWN_NAME}), dns_servers=(dns.dns_server,), networks=LOOPBACK
        )

    def mx(self, domain: str, *hosts: str) -> None:
        """MX records, the first host preferred."""
        for number, host in enumerate(hosts, 1):
            self.dns.dns(domain, "MX", f"{number * 10} {host}.")

    async def host(self, name: str, *scripts: Script, address: str) -> Server:
        """A mail host with an address record."""
        self.dns.dns(name, "AAAA" if ":" in address else "A", address)
        return await self._stack.enter_async_context(
            serve(*(scripts or (take_all,)), address=address, port=self.port)
        )

    def restart(self) -> None:
        """Forget all that is only in memory."""
        self._means = None

    @property
    def means(self) -> MxMeans:
        """What couriers of the worker share."""
        if self._means is None:
            clock = asyncio.get_running_loop().time
            self._means = means_for(self.settings, CONTEXTS, clock)
        return self._means

    def courier(self, domain: str, caps: HopCaps = MX_CAPS, *sources: Source) -> MxCourier:
        """A courier to the hosts of a domain."""
        session = SessionSettings(OWN_NAME, CONTEXTS, self.timeouts, returns=self.returns)
        hop = MxHosts(domain, self.port, self.ca_file, caps, sources)
        courier = MxCourier(hop, session, self.means)
        self._stack.push_async_callback(courier.close)
        return courier

    async def send(self, domain: str, recipients: int = 1, **envelope: Any) -> AttemptResult:
        """One attempt by a courier of its own, which is closed again."""
        courier = self.courier(domain)
        try:
            return await attempt(courier, message(recipients=recipients, **envelope))
        finally:
            await courier.close()

    def only_public(self) -> None:
        """Addresses of the loopback are not allowed."""
        self.settings = replace(self.settings, networks=())

    async def close(self) -> None:
        """End idle sessions."""
        if self._means is not None:
            await self._means.close()


@asynccontextmanager
async def open_mx_world() -> AsyncIterator[MxWorld]:
    """A world without hosts."""
    async with open_world() as dns, AsyncExitStack() as stack:
        world = MxWorld(dns, stack)
        stack.push_async_callback(world.close)
        yield world
