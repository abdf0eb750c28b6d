"""The web servers of MTA-STS policies, in a thread of the tests, at an address of the Internet."""

import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import trustme
from tests.world.network import listen_there

PATH = "/.well-known/mta-sts.txt"


def policy(mode: str, *hosts: str, max_age: int = 86_400) -> str:
    """A policy that lists these hosts."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts)]
    return "\r\n".join([*lines, f"max_age: {max_age}", ""])


@dataclass(frozen=True, slots=True)
class Page:
    """What a web server answers."""

    text: str
    status: int = 200
    kind: str = "text/plain"
    location: str = ""


_NOT_FOUND = Page("", 404)


class _Handler(BaseHTTPRequestHandler):
    pages: ClassVar[Mapping[str, Page]] = {}

    def do_GET(self) -> None:
        host = self.headers.get("Host", "")
        page = self.pages.get(host, _NOT_FOUND) if self.path == PATH else _NOT_FOUND
        content = page.text.encode()
        self.send_response(page.status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(content)))
        if page.location:
            self.send_header("Location", page.location)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
        """Nobody reads it."""


class PolicyWeb:
    """Serves the policies of domains by https://mta-sts.DOMAIN/.

    The certificate is for the name that is asked for; for domains in `misnamed` it is for another.
    """

    def __init__(self, host: str, authority: trustme.CA) -> None:
        self.misnamed: set[str] = set()
        self._authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._pages: dict[str, Page] = {}
        self._handler = type("Handler", (_Handler,), {"pages": self._pages})
        self._host = host
        self._server: ThreadingHTTPServer | None = None

    def serve(self, domain: str, page: Page) -> None:
        """Publish a policy."""
        self._pages[f"mta-sts.{domain}"] = page

    def start(self) -> None:
        """Answer from now on."""
        server = ThreadingHTTPServer((self._host, 443), self._handler, bind_and_activate=False)
        context = self._context("nobody.example")
        context.sni_callback = self._choose
        server.socket.close()
        server.socket = context.wrap_socket(
            listen_there(self._host, 443), server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._server = server

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(name).configure_cert(context)
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        wanted = name or "nobody.example"
        if wanted.removeprefix("mta-sts.") in self.misnamed:
            return
        connection.context = self._contexts.setdefault(wanted, self._context(wanted))
