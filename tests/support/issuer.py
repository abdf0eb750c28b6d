"""A sign-in server that does what a test says: real HTTPS on this machine, in a thread.

It serves Microsoft's addresses (/TENANT/v2.0/.well-known/openid-configuration, /TENANT/oauth2/v2.0/
token, devicecode, authorize) and /token for any other issuer. Each token it gives is another one.
"""

import base64
import json
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

DISCOVERY, TOKEN, DEVICE_CODE = "discovery", "token", "devicecode"
"""Names of what is asked for."""


@dataclass
class Asked:
    """One request: what it was for, and its form."""

    what: str
    form: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)


def jwt(**claims: object) -> str:
    """A token that looks like Microsoft's; nobody signed it."""
    parts = ({"typ": "JWT", "alg": "none"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*encoded, b"c2lnbmF0dXJl"]).decode()


class Issuer:
    """Serves while it is used as a context manager.

    `answers[what]` is used up before the usual answers: a status and a JSON value, or text. With
    `claims` the tokens are made of them; else they are `access_prefix` and a number. `rotates`:
    each use of a refresh token gives another one and spoils the one before it.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, deque[tuple[int, object]]] = {}
        self.claims: dict[str, object] = {}
        self.access_prefix, self.refresh_prefix = "access-", "refresh-"
        self.lifetime_seconds = 3600
        self.rotates = False
        self.refresh_token = f"{self.refresh_prefix}0"
        self.reused: list[str] = []
        self._given = 0
        self._counting = threading.Lock()
        self._held_at = ""
        self._go_on = threading.Event()
        self.reached = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://localhost:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()

    def hold(self, what: str) -> None:
        """Keep answers to this back until `let_go`; `reached` says that one waits."""
        self.reached.clear()
        self._go_on.clear()
        self._held_at = what

    def let_go(self) -> None:
        """Answer from now on."""
        self._held_at = ""
        self._go_on.set()

    def count(self, what: str) -> int:
        """How often it was asked for."""
        return sum(one.what == what for one in self.asked)

    def forms(self, what: str = TOKEN) -> list[dict[str, str]]:
        """What was said each time."""
        return [one.form for one in self.asked if one.what == what]

    def answer(self, what: str, form: dict[str, str], tenant: str) -> tuple[int, object]:
        """The next answer."""
        if self._held_at == what:
            self.reached.set()
            self._go_on.wait(60)
        waiting = self.answers.get(what)
        if waiting:
            return waiting.popleft()
        match what:
            case "discovery":
                return 200, self._configuration(tenant)
            case "devicecode":
                return 200, self._device_code()
            case "token":
                return self._token(form)
        return 404, {"error": "invalid_request"}

    def _configuration(self, tenant: str) -> dict[str, str]:
        base = f"{self.url}/{tenant}/oauth2/v2.0"
        return {
            "issuer": f"{self.url}/{tenant}/v2.0",
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "device_authorization_endpoint": f"{base}/devicecode",
        }

    def _device_code(self) -> dict[str, object]:
        return {
            "device_code": "device-1",
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{self.url}/device",
            "expires_in": 900,
            "interval": 1,
            "message": f"Open {self.url}/device and enter the code ABCD-EFGH.",
        }

    def _token(self, form: dict[str, str]) -> tuple[int, object]:
        with self._counting:
            grant = form.get("grant_type")
            if grant == "refresh_token" and form["refresh_token"] != self.refresh_token:
                self.reused.append(form["refresh_token"])
                return 400, {"error": "invalid_grant", "error_description": "AADSTS70000: no"}
            self._given += 1
            answer: dict[str, object] = {
                "token_type": "Bearer",
                "expires_in": self.lifetime_seconds,
                "access_token": self._access_token(),
            }
            if grant != "client_credentials":
                if self.rotates or grant != "refresh_token":
                    self.refresh_token = f"{self.refresh_prefix}{self._given}"
                answer["refresh_token"] = self.refresh_token
            return 200, answer

    def _access_token(self) -> str:
        if self.claims:
            return jwt(**self.claims, uti=self._given)
        return f"{self.access_prefix}{self._given}"


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path.endswith("/authorize"):
                self._consent(parse_qs(url.query))
            elif url.path.endswith("/openid-configuration"):
                self._answer(DISCOVERY, {}, url.path)
            else:
                self._answer("nothing", {}, url.path)

        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            path = urlsplit(self.path).path
            self._answer(path.rpartition("/")[2], dict(parse_qsl(octets.decode())), path)

        def _consent(self, query: dict[str, list[str]]) -> None:
            """Somebody agrees at once; the page would post the code back by itself."""
            issuer.asked.append(Asked("authorize", {k: v[0] for k, v in query.items()}))
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"code-1")

        def _answer(self, what: str, form: dict[str, str], path: str) -> None:
            issuer.asked.append(Asked(what, form, dict(self.headers)))
            status, value = issuer.answer(what, form, path.split("/")[1])
            text = value if isinstance(value, str) else json.dumps(value)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing to the terminal."""

    return Handler
