"""The client side of SMTP where whole messages leave before anything about them was answered. Pure.

RFC 2920 lets MAIL and RCPT leave in one group, RFC 3030 section 4.2 lets BDAT follow in it: with
both extensions a message costs one round trip, and the next one need not wait for it. A server that
refuses the sender or all recipients takes the content in and drops it; RSET stands before each
message that follows another, so that no refusal spoils the next one.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pillarbox.errors import LocalProtocolError, RemoteProtocolError
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.reply import Reply
from pillarbox.smtp.client import SHUTTING_DOWN, ClientProtocol, ClientSettings
from pillarbox.smtp.client_fit import mail_command, rcpt_command
from pillarbox.smtp.client_phase import Phase
from pillarbox.smtp.client_replies import RawReply, to_replies
from pillarbox.smtp.client_script import last_text
from pillarbox.smtp.client_transaction import Transaction, encode_commands
from pillarbox.smtp.data_writer import Pieces

MAX_RECIPIENTS = 50
"""Of a message that leaves whole: its commands stay one group."""


_ON_THEIR_WAY = (Phase.MAIL, Phase.CONFIRMATION)


class Parcel(NamedTuple):
    """A message whose envelope was made to fit, with its whole content."""

    envelope: Envelope
    recipients: Sequence[Recipient]
    content: bytes


class AheadProtocol(ClientProtocol):
    """A session that can send whole messages at once, beside what every session can."""

    def __init__(self, settings: ClientSettings, *, tls: str = "") -> None:
        """`finished` are the transactions of begin_whole() that have all of their replies."""
        super().__init__(settings, tls=tls)
        self._is_whole = False
        self._behind: deque[Transaction] = deque()
        self._goodbye: RawReply | None = None
        self._is_leaving = False
        self.finished: list[Transaction] = []

    @property
    def takes_whole(self) -> bool:
        """Whether the server offers what begin_whole() needs."""
        return self.capabilities.pipelining and self.capabilities.chunking

    @property
    def takes_script(self) -> bool:
        """Whether the next transaction may go by a script (smtp.client_script)."""
        return not self._needs_reset and self._watch is None

    def end_script(self, replies: int, answer: bytes) -> Reply:
        """A transaction went by its script, in so many replies; gives the last one of them."""
        self.transactions += 1
        self.replies += replies
        return self._reply(RawReply(250, [last_text(answer)]))

    def begin(
        self,
        envelope: Envelope,
        recipients: Sequence[Recipient],
        *,
        size: int,
        whole: Pieces = (),
        chunked: bool = False,
    ) -> None:
        """Begin a transaction whose replies are waited for."""
        self._is_whole = False
        super().begin(envelope, recipients, size=size, whole=whole, chunked=chunked)

    def begin_whole(self, parcels: Sequence[Parcel]) -> list[bytes]:
        """Offer messages without waiting; gives what to write: commands and content in turn."""
        if self.phase is not Phase.READY or not self.takes_whole:
            raise LocalProtocolError(f"messages were sent ahead in phase {self.phase.name}")
        self._is_whole = self._by_chunks = True
        self.content_begun = self.content_ended = True
        self.finished = []
        self._behind.clear()
        pieces: list[bytes] = []
        for parcel in parcels:
            commands = self._transaction_of(parcel).next_group()
            chunk = f"BDAT {len(parcel.content)} LAST\r\n"
            pieces += [encode_commands([*commands, chunk]), parcel.content]
        self.transactions += len(parcels)
        self._transaction = self._behind.popleft()
        self.phase = Phase.MAIL
        return pieces

    def _transaction_of(self, parcel: Parcel) -> Transaction:
        """The next transaction, which stands in the line from now on."""
        capabilities, envelope, utf8 = self.capabilities, parcel.envelope, parcel.envelope.smtputf8
        transaction = Transaction(
            mail_command(capabilities, envelope, size_octets=len(parcel.content)),
            [rcpt_command(capabilities, each, smtputf8=utf8) for each in parcel.recipients],
            data=False,
            pipelining=True,
            reset=self._needs_reset or bool(self._behind),
        )
        self._behind.append(transaction)
        return transaction

    # -- the replies --------------------------------------------------------------------------

    def _take_envelope(self, raw: RawReply) -> None:
        if not self._is_whole:
            super()._take_envelope(raw)
            return
        transaction = self._transaction
        transaction.take(raw)
        self._note_shutdown(raw)
        if not transaction.is_waiting:
            self.phase = Phase.CONFIRMATION

    def _take_confirmation(self, raw: RawReply) -> None:
        if not self._is_whole:
            super()._take_confirmation(raw)
            return
        if 300 <= raw.code < 400:
            raise RemoteProtocolError(f"the reply {raw.code} to the content")
        transaction = self._transaction
        transaction.final_reply = raw
        self._note_shutdown(raw)
        self.finished.append(transaction)
        if self._behind:
            self._transaction = self._behind.popleft()
            self.phase = Phase.MAIL
        else:
            self._end_whole(transaction, raw)

    def _note_shutdown(self, raw: RawReply) -> None:
        """421 ends the session when all is answered: a server that goes on after it may still take
        what is on its way."""
        self._is_leaving = raw.code == SHUTTING_DOWN
        if self._is_leaving and self._goodbye is None:
            self._goodbye = raw

    def _end_whole(self, transaction: Transaction, raw: RawReply) -> None:
        if not transaction.may_send_content:
            self._end_refused()
            # Where the session is refused with it, the answer is known.
            self.content_ended = not self.is_closed
        else:
            # After a refused chunk the transaction still stands there (RFC 3030 section 2).
            self._end_transaction(is_clean=raw.code < 300)
        if self._goodbye is not None and self.phase is Phase.READY:
            self._heed_shutdown(self._goodbye)

    def _cut(self, kind: FailureKind, why: str) -> None:
        if not self._is_whole or self.phase not in _ON_THEIR_WAY:
            super()._cut(kind, why)
        elif self._goodbye is not None and self._is_leaving and kind is FailureKind.CONNECTION_LOST:
            # It said that it goes, and went: what it had not come to is not taken.
            self.content_ended = False
            self._heed_shutdown(self._goodbye)
        else:
            self._fail(Failure(FailureKind.CONFIRMATION_LOST, why))

    # -- what became of it --------------------------------------------------------------------

    @property
    def was_stale(self) -> bool:
        """Whether the session ended with no other answer than 421 and has taken nothing."""
        if not self._is_whole:
            return super().was_stale
        first = self.finished[0] if self.finished else self._transaction
        mail = first.mail_reply
        if not self.is_closed:
            return False
        if mail is None:
            return not self.content_ended
        return mail.code == SHUTTING_DOWN and not self._may_have_taken()

    def _may_have_taken(self) -> bool:
        """Whether a recipient of any message was accepted, or may have been."""
        replies = [reply for outcome in self.outcomes() for reply in outcome]
        return any(self.content_ended if each is None else each.code < 300 for each in replies)

    def outcomes(self) -> list[list[Reply | None]]:
        """For each message of begin_whole(), and each of its recipients, the reply that decided.

        None: no reply came; the server may have the message where `content_ended` holds.
        """
        begun = list(self.finished)
        if self._transaction not in begun:
            begun.append(self._transaction)
        return [self._outcome(each) for each in (*begun, *self._behind)]

    def _outcome(self, transaction: Transaction) -> list[Reply | None]:
        found = transaction.verdicts()
        kind = self.failure and self.failure.kind
        if kind is FailureKind.LOGIN_NEEDED and not transaction.may_send_content:
            return [None] * len(found)
        if kind is FailureKind.PROTOCOL_BROKEN:
            # One reply too many shifts all behind it: whose 250 was it?
            found = [raw if raw is not None and raw.code >= 400 else None for raw in found]
        return to_replies(found, self._secrets)
