"""Delivery by Microsoft Graph: sendMail with the message as MIME.

Graph mails whom the header names (mail.header_recipients), answers 202 for what it took, and keeps
its connection for the next request. What it can not take goes by SMTP, where the route has that
way too; what is only too large goes as a draft (delivery.graph_draft), where the route has that.
"""

from collections.abc import Sequence
from dataclasses import replace

from pillarbox.delivery.courier import AttemptResult, ContentSource
from pillarbox.delivery.graph_answer import GraphResults
from pillarbox.delivery.graph_mime import BY_SMTP_ALONE, MAX_OCTETS, TOO_LARGE, split, to_mime
from pillarbox.delivery.graph_requests import GraphRequests
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.smtp_content import content_blocks
from pillarbox.errors import LocalProtocolError
from pillarbox.explain.failures import Failure
from pillarbox.mail.envelope import TlsWish
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.route import Microsoft365


class GraphCourier:
    """Courier to one mailbox by Graph; `smtp` takes what Graph can not."""

    def __init__(
        self, hop: Microsoft365, settings: SessionSettings, smtp: SmtpCourier | None
    ) -> None:
        self._hop = hop
        self._drafts = settings.drafts
        self._smtp = smtp
        self._requests = GraphRequests(hop, settings)

    @property
    def is_open(self) -> bool:
        """See Courier."""
        return self._requests.is_open or (self._smtp is not None and self._smtp.is_open)

    async def attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
    ) -> AttemptResult:
        """See Courier. All recipients share the outcome."""
        results = GraphResults(self._hop.name, [each.recipient for each in recipients])
        self._requests.made = 0
        made = await _compose(message, recipients, content)
        if isinstance(made, bytes):
            return await self._send(made, results)
        if made is TOO_LARGE and self._hop.way.has_drafts:
            result = await self._send_by_draft(message, recipients, content, results=results)
            return replace(result, requests=self._requests.made)
        if self._smtp is None:
            return results.refused(made)
        result = await self._smtp.attempt(message, recipients, content)
        # It is no news of Graph, whatever came of it.
        return replace(result, hop_failure=None, reason=None, throttled=False, is_aside=True)

    async def close(self) -> None:
        """See Courier."""
        if self._smtp is not None:
            await self._smtp.close()
        await self._requests.close()

    async def _send(self, mime: bytes, results: GraphResults) -> AttemptResult:
        answer = await self._requests.ask(
            "POST", "sendMail", content=mime, content_type="text/plain"
        )
        return replace(results.of(answer), transactions=max(self._requests.made, 1))

    async def _send_by_draft(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
        *,
        results: GraphResults,
    ) -> AttemptResult:
        # Most services never send so large a message by Graph.
        from pillarbox.delivery.graph_content import LargeContent
        from pillarbox.delivery.graph_draft import DraftAttempt

        if self._drafts is None:
            raise LocalProtocolError("drafts need a place where they are written down")
        attempt = DraftAttempt(
            self._hop.mailbox,
            self._requests,
            self._drafts,
            results=results,
            message=message,
            recipients=recipients,
            content=LargeContent(message, content),
        )
        return await attempt.run()


async def _compose(
    message: SpooledMessage, recipients: Sequence[SpooledRecipient], content: ContentSource
) -> bytes | Failure:
    """The message in base64 with a header that names these recipients; a failure where it can not
    go by Graph in one request. Raises SpoolUnavailable."""
    envelope = message.envelope
    if envelope.tls_wish is TlsWish.REQUIRED and envelope.reverse_path is not None:
        return BY_SMTP_ALONE
    if message.size_octets > MAX_OCTETS:
        return TOO_LARGE
    octets = b"".join([block async for block in content_blocks(message, content)])
    return to_mime(*split(octets), recipients)
