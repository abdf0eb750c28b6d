"""One HTTPS request to a sign-in server, blocking, with bounds; for providers of tokens, which run
in a thread of their own under an event loop.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from pillarbox.net.tls import client_context

REQUEST_SECONDS = 20.0
"""For each wait."""

MAX_ANSWER_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. It may hold a token, so its text is never shown. The names of its
    fields are those that msal expects."""

    status_code: int
    text: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def raise_for_status(self) -> None:
        """As msal wants it."""
        if self.status_code >= 400:
            raise OSError(f"HTTP {self.status_code}")


class Requests:
    """Makes requests. `ca_file` names further trusted roots."""

    def __init__(self, ca_file: str = "") -> None:
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> Answer:
        """One GET. Raises OSError."""
        return self._make(f"{url}?{urlencode(params)}" if params else url, None, headers)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> Answer:
        """One POST of a form. Raises OSError."""
        target = f"{url}?{urlencode(params)}" if params else url
        return self._make(target, urlencode(data or {}).encode(), headers)

    def close(self) -> None:
        """Nothing is kept open."""

    def _make(self, url: str, body: bytes | None, headers: Mapping[str, str] | None) -> Answer:
        if not url.startswith("https://"):
            raise OSError("a sign-in server is asked by https:// only")
        if self._context is None:
            self._context = client_context(verify=True, ca_file=self._ca_file)
        made = Request(url, body, {"Accept": "application/json", **(headers or {})})  # noqa: S310
        try:
            with urlopen(made, timeout=REQUEST_SECONDS, context=self._context) as answer:  # noqa: S310
                return _read(answer.status, answer)
        except HTTPError as exc:
            with exc:
                return _read(exc.code, exc)


def _read(status: int, answer: "HTTPError") -> Answer:
    text = answer.read(MAX_ANSWER_OCTETS).decode("utf-8", "replace")
    return Answer(status, text, dict(answer.headers.items()))
