"""Requests to Graph for one mailbox, over one kept connection, each with a token that is good."""

from collections.abc import Mapping
from urllib.parse import quote

from pillarbox.delivery.graph_answer import UNAUTHORIZED
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.errors import ConfigError, LocalProtocolError
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.https import Answer
from pillarbox.net.https_session import HttpsSession
from pillarbox.net.oauth import TokenSource
from pillarbox.oauth.clouds import Cloud
from pillarbox.route import Microsoft365

REQUEST_SECONDS = 300.0
"""For one request with its answer."""

_NO_HEADERS: Mapping[str, str] = {}


class GraphRequests:
    """One connection. `made` counts the requests of an attempt; who begins one sets it to 0."""

    def __init__(self, hop: Microsoft365, settings: SessionSettings) -> None:
        self.made = 0
        self._hop = hop
        self._settings = settings
        self._session: HttpsSession | None = None

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._session is not None and self._session.is_open

    async def close(self) -> None:
        """Close the connection; the next request opens another one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        content_type: str = "",
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Answer | Failure:
        """A request for something of the mailbox. A token that is refused is replaced once: it may
        have been revoked, or be from before a permission was given. Raises SpoolUnavailable."""
        session = self._connect()
        if isinstance(session, Failure):
            return session
        tokens, access = self._tokens, self._hop.graph_access
        token = await tokens.get(access)
        if isinstance(token, Failure):
            return token
        sent = dict(headers)
        if content_type:
            sent["Content-Type"] = content_type
        url = mailbox_url(self._hop) + path
        sent["Authorization"] = f"Bearer {token.value}"
        self.made += 1
        answer = await session.request(method, url, headers=sent, content=content)
        if isinstance(answer, Failure) or answer.status != UNAUTHORIZED:
            return answer
        another = await tokens.renew(access, token)
        if another is None or isinstance(another, Failure):
            return another or answer
        sent["Authorization"] = f"Bearer {another.value}"
        self.made += 1
        return await session.request(method, url, headers=sent, content=content)

    async def put(
        self, url: str, *, content: bytes, headers: Mapping[str, str]
    ) -> Answer | Failure:
        """A request to an address that is its own permission: with a token it would be refused."""
        session = self._connect()
        if isinstance(session, Failure):
            return session
        self.made += 1
        return await session.request("PUT", url, headers=headers, content=content)

    @property
    def _tokens(self) -> TokenSource:
        tokens = self._settings.tokens
        if tokens is None:
            raise LocalProtocolError("a next hop with OAuth2 needs a source of tokens")
        return tokens

    def _connect(self) -> HttpsSession | Failure:
        if self._session is None:
            try:
                context = self._settings.contexts.get(
                    verify=True, ca_file=self._hop.ca_file, for_web=True
                )
            except ConfigError as exc:
                return Failure(FailureKind.CA_FILE_UNUSABLE, exc.problems[0].text)
            seconds = self._settings.timeouts.connect
            self._session = HttpsSession(
                context, connect_seconds=seconds, total_seconds=REQUEST_SECONDS
            )
        return self._session


def mailbox_url(hop: Microsoft365) -> str:
    """Where the mailbox is. A private person has no tenant to be named in."""
    who = "me" if hop.cloud is Cloud.OUTLOOK else f"users/{quote(hop.mailbox, safe='@')}"
    return f"{hop.graph_root.rstrip('/')}/v1.0/{who}/"
