"""Delivery by SMTP to a smart host: the shell of smtp.client.ClientProtocol.

A courier keeps its session for the next attempt. On the usual way an attempt waits once, for the
reply to the content; content that is in the store is sent piece by piece.
"""

import math
from collections.abc import Sequence

from pillarbox.delivery.courier import AttemptResult, ContentSource
from pillarbox.delivery.smtp_attempt import SmtpAttempt
from pillarbox.delivery.smtp_connect import SessionSettings, open_session
from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.explain.failures import Failure
from pillarbox.mail.envelope import Recipient
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.route import SmartHost


class SmtpCourier:
    """Courier to one smart host."""

    def __init__(self, hop: SmartHost, settings: SessionSettings) -> None:
        self._hop = hop
        self._settings = settings
        self._connection: SmtpConnection | None = None
        self._mails_max = math.inf
        """RFC 9422 section 4.1: so many transactions the next hop takes in a session."""

    @property
    def is_open(self) -> bool:
        """Whether the session stands, also while a message is under way in it, and takes one
        more."""
        connection = self._connection
        if connection is None or connection.core.transactions >= self._mails_max:
            return False
        return connection.stands

    async def attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
    ) -> AttemptResult:
        """See Courier. More recipients than the next hop takes at once go in several
        transactions."""
        attempt = SmtpAttempt(
            host=self._hop.host,
            port=self._hop.port,
            message=message,
            content=content,
            returns=self._settings.returns if self._hop.return_path else None,
        )
        pending = [each.recipient for each in recipients]
        try:
            while pending:
                connection, left = self._usable(), None
                if connection is not None:
                    left = await attempt.transact(connection, pending, is_reused=True)
                pending = await self._begin_anew(attempt, pending) if left is None else left
        except BaseException:
            # Without the dot the next hop has no message; the session can not be used any more.
            self._drop()
            raise
        return attempt.result

    async def _begin_anew(self, attempt: SmtpAttempt, pending: list[Recipient]) -> list[Recipient]:
        """One transaction in a new session; gives who is left."""
        opened = await self._open()
        if isinstance(opened, Failure):
            attempt.give_up(pending, opened)
            return []
        return await attempt.transact(opened, pending, is_reused=False) or []

    async def close(self) -> None:
        """See Courier."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _usable(self) -> SmtpConnection | None:
        """The session, where it stands and its next hop takes one more transaction in it."""
        connection = self._connection
        if connection is None or connection.core.transactions >= self._mails_max:
            return None
        return connection if connection.is_open else None

    async def _open(self) -> SmtpConnection | Failure:
        await self.close()
        opened = await open_session(self._hop, self._settings)
        if isinstance(opened, SmtpConnection):
            self._connection = opened
            self._mails_max = opened.core.capabilities.mails_max or math.inf
        return opened

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
