"""Delivery by Microsoft Graph: sendMail with the message as MIME.

Graph mails whom the header names (mail.header_recipients), answers 202 for what it took, and keeps
its connection for the next request. What it can not take goes by SMTP, where the route has that
way too.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from pillarbox.delivery.courier import AttemptResult, ContentSource
from pillarbox.delivery.graph_answer import UNAUTHORIZED, GraphResults
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.smtp_content import content_blocks
from pillarbox.errors import ConfigError, LocalProtocolError
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.header_recipients import Misfit, address_by_header
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.net.https import Answer
from pillarbox.net.https_session import HttpsSession
from pillarbox.net.oauth import AccessToken
from pillarbox.oauth.clouds import Cloud
from pillarbox.route import Microsoft365

MAX_OCTETS = 3_000_000
"""Of one message: 4,000,000 octets of base64, which is less than each reading of Graph's 4 MB."""

REQUEST_SECONDS = 300.0
"""For one request with its answer."""

_END_OF_HEAD = b"\r\n\r\n"


class GraphCourier:
    """Courier to one mailbox by Graph; `smtp` takes what Graph can not."""

    def __init__(
        self, hop: Microsoft365, settings: SessionSettings, smtp: SmtpCourier | None
    ) -> None:
        self._hop = hop
        self._settings = settings
        self._smtp = smtp
        self._session: HttpsSession | None = None

    @property
    def is_open(self) -> bool:
        """See Courier."""
        has_session = self._session is not None and self._session.is_open
        return has_session or (self._smtp is not None and self._smtp.is_open)

    async def attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
    ) -> AttemptResult:
        """See Courier. All recipients share the outcome."""
        results = GraphResults(self._hop.name, [each.recipient for each in recipients])
        made = await _compose(message, recipients, content)
        if isinstance(made, bytes):
            return await self._send(made, results)
        if self._smtp is None:
            return results.refused(made)
        result = await self._smtp.attempt(message, recipients, content)
        # It is no news of Graph, whatever came of it.
        return replace(result, hop_failure=None, reason=None, throttled=False, is_aside=True)

    async def close(self) -> None:
        """See Courier."""
        session, self._session = self._session, None
        if self._smtp is not None:
            await self._smtp.close()
        if session is not None:
            await session.close()

    async def _send(self, mime: bytes, results: GraphResults) -> AttemptResult:
        tokens = self._settings.tokens
        if tokens is None:
            raise LocalProtocolError("a next hop with OAuth2 needs a source of tokens")
        session = self._connect()
        if isinstance(session, Failure):
            return results.of_failure(session)
        token = await tokens.get(self._hop.graph_access)
        if isinstance(token, Failure):
            return results.of_failure(token)
        answer = await self._post(session, token, mime)
        if isinstance(answer, Answer) and answer.status == UNAUTHORIZED:
            another = await tokens.renew(self._hop.graph_access, token)
            if isinstance(another, Failure):
                return results.of_failure(another)
            if another is not None:
                # It may have been revoked, or be from before a permission was given.
                answer = await self._post(session, another, mime)
                return replace(results.of(answer), transactions=2)
        return results.of(answer)

    async def _post(
        self, session: HttpsSession, token: AccessToken, mime: bytes
    ) -> Answer | Failure:
        headers = {"Authorization": f"Bearer {token.value}", "Content-Type": "text/plain"}
        return await session.post(send_url(self._hop), headers=headers, content=mime)

    def _connect(self) -> HttpsSession | Failure:
        if self._session is None:
            try:
                context = self._settings.contexts.get(verify=True, ca_file=self._hop.ca_file)
            except ConfigError as exc:
                return Failure(FailureKind.CA_FILE_UNUSABLE, exc.problems[0].text)
            seconds = self._settings.timeouts.connect
            self._session = HttpsSession(
                context, connect_seconds=seconds, total_seconds=REQUEST_SECONDS
            )
        return self._session


def send_url(hop: Microsoft365) -> str:
    """Where messages of the mailbox are posted. A private person has no tenant to be named in."""
    who = "me" if hop.cloud is Cloud.OUTLOOK else f"users/{quote(hop.mailbox, safe='@')}"
    return f"{hop.graph_root.rstrip('/')}/v1.0/{who}/sendMail"


async def _compose(
    message: SpooledMessage, recipients: Sequence[SpooledRecipient], content: ContentSource
) -> bytes | Failure:
    """The message in base64 with a header that names these recipients; a failure where it can not
    go by Graph. Raises SpoolUnavailable."""
    too_large = Failure(FailureKind.SIZE_NOT_TAKEN, str(MAX_OCTETS))
    if message.size_octets > MAX_OCTETS:
        return too_large
    octets = b"".join([block async for block in content_blocks(message, content)])
    head, end, body = octets.partition(_END_OF_HEAD)
    if end or not head.endswith(b"\r\n"):
        head += b"\r\n"
    addressed = address_by_header(head, [each.recipient.forward_path for each in recipients])
    if isinstance(addressed, Misfit):
        return Failure(FailureKind.HEADER_NOT_TAKEN, addressed.why)
    mime = b"".join((addressed, b"\r\n", body))
    return too_large if len(mime) > MAX_OCTETS else base64.b64encode(mime)
