"""How a transaction of a ClientProtocol goes and went: the answers that decided. Pure."""

from pillarbox.errors import RemoteProtocolError
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.reply import Reply
from pillarbox.smtp.client_phase import Phase
from pillarbox.smtp.client_replies import RawReply, Secrets, to_replies, to_reply
from pillarbox.smtp.client_transaction import RSET, Transaction

SHUTTING_DOWN = 421
"""RFC 5321 3.8: may answer any command, and the connection ends with it."""

_BYE = 221


class TransactionResults:
    """The part of ClientProtocol that tells of its last transaction."""

    _transaction: Transaction
    _secrets: Secrets | None
    _by_chunks: bool
    _needs_reset: bool
    _out: list[bytes]
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
    def took_sender(self) -> bool:
        """Whether the sender of the transaction was taken."""
        mail = self._transaction.mail_reply
        return mail is not None and mail.code < 400

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
        return self._reply(final)

    def _reply(self, raw: RawReply) -> Reply:
        return to_reply(raw, self._secrets)

    def verdicts(self) -> list[Reply | None]:
        """For each recipient of the transaction the reply that decided, None where none did."""
        found = self._transaction.certain_verdicts()
        if self.failure is not None and self.failure.kind is FailureKind.LOGIN_NEEDED:
            return [None] * len(found)
        return to_replies(found, self._secrets)

    @property
    def is_doubtful(self) -> bool:
        """Whether prove() can still show that the replies were out of step."""
        return self.phase is Phase.READY and self._transaction.is_doubtful

    def prove(self) -> None:
        """Ask for one more reply: where it is none to RSET, there was one too many before it, and
        the verdicts are void. RSET is due behind a refusal, so only the wait for it is new."""
        self.phase = Phase.RESET
        self._out.append(RSET.encode())

    def _take_proof(self, raw: RawReply) -> None:
        is_reset = self.phase is Phase.RESET
        if is_reset and raw.code < 300:
            self._needs_reset = False
            self.phase = Phase.READY
        elif is_reset and raw.code >= 400:
            # A server may refuse all that follows a refusal. 221 answers nothing but QUIT.
            self.phase = Phase.PROOF
            self._out.append(b"QUIT\r\n")
        elif raw.code == _BYE:
            self.phase = Phase.CLOSED
        else:
            self._transaction.lose_step(raw)
            raise RemoteProtocolError(f"the reply {raw.code} to {'RSET' if is_reset else 'QUIT'}")
