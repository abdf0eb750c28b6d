"""The blocking and the asynchronous client behind one face: what holds for one holds for both."""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeAlias

import trustme

from pillarbox.client import AsyncClient, Client, SendResult, connect, connect_async

PATIENCE_SECONDS = 60

AnyClient: TypeAlias = Client | AsyncClient


def letter(**fields: str) -> EmailMessage:
    """A message with these header fields beside the usual ones."""
    usual = {
        "From": "App <app@t1.test>",
        "To": "Bob <bob@example.net>, carol@example.net",
        "Subject": "Tally",
    }
    message = EmailMessage()
    for name, value in (usual | fields).items():
        message[name] = value
    message.set_content(".first line\nlast line\n")
    return message


class Certified:
    """A server's side of TLS for localhost and 127.0.0.1, and the file that makes it trusted."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued = authority.issue_cert("localhost", "127.0.0.1")
        issued.configure_cert(self.context)
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        issued.cert_chain_pems[0].write_to_path(str(self.certificate))
        issued.private_key_pem.write_to_path(str(self.key))


class Face:
    """Makes clients of one kind, and calls them without blocking the loop of the test."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self._connect: Callable[..., AnyClient] = connect_async if is_async else connect

    def client(
        self, port: int, *, scheme: str = "smtp", host: str = "127.0.0.1", **options: Any
    ) -> AnyClient:
        """A client of a server on this machine, in the clear where nothing else is said."""
        options = {"tls": "opportunistic", "timeout": 20, **options}
        return self._connect(f"{scheme}://{host}:{port}", **options)

    async def send(self, client: AnyClient, message: Any, **options: Any) -> SendResult:
        """Send one message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            if isinstance(client, AsyncClient):
                return await client.send(message, **options)
            return await asyncio.to_thread(client.send, message, **options)

    async def send_all(
        self, client: AnyClient, messages: Iterable[Any], **options: Any
    ) -> list[SendResult]:
        """Send messages one after the other."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            if isinstance(client, AsyncClient):
                return [result async for result in client.send_all(messages, **options)]
            return await asyncio.to_thread(lambda: list(client.send_all(messages, **options)))

    async def check(self, client: AnyClient) -> str:
        """Connect and log in."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            if isinstance(client, AsyncClient):
                return await client.check()
            return await asyncio.to_thread(client.check)

    async def close(self, client: AnyClient) -> None:
        """Close the client."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            if isinstance(client, AsyncClient):
                await client.close()
            else:
                await asyncio.to_thread(client.close)

    async def send_one(self, port: int, message: Any, **options: Any) -> SendResult:
        """Send one message by a client of its own."""
        names = ("sender", "recipients", "dsn", "require_tls")
        sending = {name: options.pop(name) for name in names if name in options}
        client = self.client(port, **options)
        try:
            return await self.send(client, message, **sending)
        finally:
            await self.close(client)
