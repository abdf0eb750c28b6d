"""Delivery by SMTP to a smart host: the shell of smtp.client.ClientProtocol.

A courier keeps its session for the next attempt. On the usual way an attempt waits once, for the
reply to the content; content that is in the store is sent piece by piece.
"""

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

    @property
    def is_open(self) -> bool:
        """Whether the session stands, also while a message is under way in it, and takes one
        more."""
        connection = self._connection
        return connection is not None and connection.stands and _takes_more(connection)

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
                connection = self._usable()
                left = None
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
        if connection is None or not connection.is_open:
            return None
        return connection if _takes_more(connection) else None

    async def _open(self) -> SmtpConnection | Failure:
        await self.close()
        opened = await open_session(self._hop, self._settings)
        if isinstance(opened, SmtpConnection):
            self._connection = opened
        return opened

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()


def _takes_more(connection: SmtpConnection) -> bool:
    """RFC 9422 section 4.1: MAILMAX."""
    core = connection.core
    limit = core.capabilities.mails_max
    return limit is None or core.transactions < limit
