"""An issuer of tokens on a loopback port, with real TLS: discovery, keys, and faults on order."""

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from pillarbox.store.records import Issuer

AUDIENCE = "api://mail"
SUBJECT = "client-1"
DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"

_authority = cache(trustme.CA)


@cache
def rsa_key(name: str) -> RSAKey:
    """A key; making one takes long."""
    del name
    return RSAKey.generate_key(2048)


Answer = Callable[[BaseHTTPRequestHandler], None]


class TokenIssuer:
    """Issues what a test asks for. `answers` replaces what stands at a path; `asked` counts."""

    def __init__(self, folder: Path) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, Answer] = {}
        self.keys: dict[str, RSAKey | ECKey] = {"k1": rsa_key("k1")}
        self.released = threading.Event()
        authority = _authority()
        self.ca_file = folder / "issuer-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://localhost:{self._server.server_port}/acme"
        self.jwks_uri = f"https://localhost:{self._server.server_port}{KEYS}"
        self.documents: dict[str, Callable[[], Mapping[str, Any]]] = {
            f"/acme{DISCOVERY}": lambda: {"issuer": self.url, "jwks_uri": self.jwks_uri},
            KEYS: lambda: {"keys": [self._published(kid) for kid in self.keys]},
        }

    @property
    def settings(self) -> Issuer:
        """How a tenant would set it up."""
        return Issuer(self.url, frozenset({AUDIENCE}), ca_file=str(self.ca_file))

    def _published(self, kid: str) -> Mapping[str, Any]:
        return {**self.keys[kid].as_dict(private=False), "kid": kid, "use": "sig"}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What a good token says; a change to None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "iat": now,
            "nbf": now,
            "exp": now + 600,
        }
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(
        self, *, kid: str | None = "k1", header: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """A token signed with the key of this id (or the first)."""
        key = self.keys[kid or "k1"]
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        named = {} if kid is None else {"kid": kid}
        return jwt.encode(
            {"alg": algorithm, **named, **(header or {})},
            self.claims(**changes),
            key,
            algorithms=[algorithm],
        )

    def run(self) -> None:
        """Answer until `close`."""
        self._server.serve_forever(0.05)

    def close(self) -> None:
        """Let everybody go who waits, and end."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """An answer that comes only when the test ends."""
        del handler
        self.released.wait()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    timeout = 30

    def __init__(self, issuer: TokenIssuer, *args: Any) -> None:
        self._issuer = issuer
        super().__init__(*args)

    def do_GET(self) -> None:
        """The document, or what the test has put in its place."""
        self._issuer.asked[self.path] += 1
        answer = self._issuer.answers.get(self.path)
        if answer is not None:
            answer(self)
        elif self.path in self._issuer.documents:
            send(self, json.dumps(self._issuer.documents[self.path]()).encode())
        else:
            self.send_error(404)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


def send(handler: BaseHTTPRequestHandler, body: bytes, code: int = 200, **headers: str) -> None:
    """One whole answer."""
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def running_issuer(folder: Path) -> Iterator[TokenIssuer]:
    """An issuer that answers; its folder gets the certificate of its CA."""
    issuer = TokenIssuer(folder)
    thread = threading.Thread(target=issuer.run)
    thread.start()
    try:
        yield issuer
    finally:
        issuer.close()
        thread.join()
