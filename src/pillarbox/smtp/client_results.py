"""How a transaction of a ClientProtocol goes and went: the answers that decided. Pure."""

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.reply import Reply
from pillarbox.smtp.client_phase import Phase
from pillarbox.smtp.client_replies import Secrets, to_replies, to_reply
from pillarbox.smtp.client_transaction import Transaction

SHUTTING_DOWN = 421
"""RFC 5321 3.8: may answer any command, and the connection ends with it."""


class TransactionResults:
    """The part of ClientProtocol that tells of its last transaction."""

    _transaction: Transaction
    _secrets: Secrets | None
    _by_chunks: bool
    phase: Phase
    failure: Failure | None

    @property
    def takes_chunks(self) -> bool:
        """Whether the content of this transaction goes by chunk() and not by content()."""
        return self._by_chunks

    @property
    def was_stale(self) -> bool:
        """Whether the session ended with no other answer to the transaction than 421: a server
        that closes idle sessions does so at the moment at which they are used again."""
        mail = self._transaction.mail_reply
        return self.phase is Phase.CLOSED and (
            self._transaction.is_unanswered if mail is None else mail.code == SHUTTING_DOWN
        )

    @property
    def asks_for_less(self) -> bool:
        """Whether the server wants less mail for now, by its answers to the transaction."""
        return self._transaction.asks_for_less

    @property
    def sender_reply(self) -> Reply | None:
        """The answer to the sender of the transaction."""
        return to_replies([self._transaction.mail_reply], self._secrets)[0]

    @property
    def taken(self) -> Reply | None:
        """The reply by which the message was taken for every recipient; None where it was not, or
        something went wrong."""
        transaction = self._transaction
        final = transaction.final_reply
        if final is None or self.failure is not None or not transaction.took_all:
            return None
        return to_reply(final, self._secrets)

    def verdicts(self) -> list[Reply | None]:
        """For each recipient of the transaction the reply that decided, None where none did."""
        found = self._transaction.verdicts()
        if self.failure is not None and self.failure.kind is FailureKind.LOGIN_NEEDED:
            return [None] * len(found)
        return to_replies(found, self._secrets)
