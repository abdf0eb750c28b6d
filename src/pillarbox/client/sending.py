"""One message on its way through one or more transactions, and what comes of it. No I/O."""

from collections.abc import Sequence
from dataclasses import replace

from pillarbox.client.content import Content
from pillarbox.client.errors import ClientError, MessageUnsuitable, Unconfirmed
from pillarbox.client.outgoing import Outgoing
from pillarbox.client.results import RecipientResult, SendResult, SendState
from pillarbox.client.server import Server
from pillarbox.client.session import Session
from pillarbox.client.steps import Steps
from pillarbox.client.verdicts import error_of, refusal_of, result_of, result_without_reply
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.envelope import Body, Envelope, Recipient
from pillarbox.mail.reply import Reply
from pillarbox.smtp.client import ClientProtocol
from pillarbox.smtp.client_fit import ContentTraits, fit, needs_look, path_text
from pillarbox.values import quick

_ACCEPTED = SendState.ACCEPTED

_LESS = frozenset({452, 552})
_TOO_MANY = frozenset({"", "4.5.3", "5.5.3"})
"""RFC 3463 X.5.3: too many recipients. Other codes beside 452 and 552 mean full mailboxes."""

USUAL_RECIPIENTS = 1000
"""So many servers usually take in one transaction. Of those that are too many each is told so, and
a server may end a session with many errors."""


@quick(frozen=True, slots=True)
class Offer:
    """A transaction to be made."""

    envelope: Envelope
    recipients: Sequence[Recipient]
    content: Content


class Sending:
    """Collects the results. `pending` are the recipients about whom nothing is known yet."""

    def __init__(self, outgoing: Outgoing, server: Server) -> None:
        self._outgoing = outgoing
        self._server = server
        self._results: dict[int, RecipientResult] = {}
        self._error: ClientError | None = None
        self._tls = ""
        self._has_dsn = False
        self._most = USUAL_RECIPIENTS
        self.pending: list[Recipient] = list(outgoing.recipients)

    def run(self, session: Session, *, is_reused: bool, was_idle: bool) -> Steps[None]:
        """Go on in this session as far as it takes us; what is pending then needs another one. A
        kept session that turns out to be over has decided nothing; one that `was_idle` gets no
        content before it has answered, or nobody could tell whether it took that."""
        core = session.core
        while self.pending and core.is_ready and not is_spent(core):
            offer = self.offer(core)
            if offer is None:
                return
            found = yield from session.transact(
                offer.envelope, offer.recipients, offer.content, is_careful=was_idle
            )
            if is_reused and core.is_closed and core.was_stale:
                return
            is_reused = was_idle = False
            self.settle(core, offer, found)

    def offer(self, core: ClientProtocol) -> Offer | None:
        """The next transaction; None where there is none to be made."""
        envelope = self._fit(core)
        if envelope is None or not self.pending:
            return None
        limit = core.capabilities.recipients_max or self._most
        return Offer(envelope, self.pending[:limit], self._outgoing.content)

    def settle(self, core: ClientProtocol, offer: Offer, found: Sequence[Reply | None]) -> None:
        """Take what the server decided about a transaction."""
        self._tls, self._has_dsn = core.tls, core.capabilities.dsn
        rest = self.pending[len(offer.recipients) :]
        again = self._judge(core, offer.recipients, found)
        if again:
            self._most = sum(1 for reply in found if reply is not None and reply.code < 300)
        self.pending = [*again, *rest]
        if core.failure is not None and self.pending:
            self.give_up(error_of(core.failure, self._server))

    def give_up(self, error: ClientError) -> None:
        """Nobody who is still pending gets it."""
        if not isinstance(self._error, Unconfirmed):
            # That others have it perhaps counts more, or all of it would be sent again.
            self._error = error
        for recipient in self.pending:
            self._settle(recipient, result_without_reply(recipient.forward_path.address, error))
        self.pending = []

    def finish(self) -> SendResult:
        """The result. Raises ClientError where nobody was accepted."""
        result = self.result()
        if result.error is not None:
            raise result.error
        return result

    def result(self) -> SendResult:
        """The result, with its error where nobody was accepted."""
        found = self._results
        results = tuple([found[each.number] for each in self._outgoing.recipients])
        dsn = self._has_dsn and self._outgoing.has_dsn
        error = None
        if _ACCEPTED not in [one.state for one in results]:
            error = self._error
            if error is None or (isinstance(error, MessageUnsuitable) and _passes(results)):
                error = refusal_of(results, self._server)
        result = SendResult(results, str(self._server), self._tls, dsn, error)
        if error is not None:
            error.result = result
        return result

    def discard(self) -> None:
        """Its content is not needed any more."""
        self._outgoing.content.discard()

    def _fit(self, core: ClientProtocol) -> Envelope | None:
        """The envelope as the server takes it; None where it can not take the message."""
        outgoing = self._outgoing
        fitted = _fitted(outgoing, core)
        if (
            isinstance(fitted, Failure)
            and fitted.kind is FailureKind.EIGHT_BIT_NOT_TAKEN
            and outgoing.seven_bit is not None
        ):
            self._outgoing = outgoing = replace(
                outgoing,
                envelope=replace(outgoing.envelope, body=Body.SEVEN_BIT),
                content=outgoing.seven_bit(),
                seven_bit=None,
            )
            fitted = _fitted(outgoing, core)
        if isinstance(fitted, Failure):
            self.give_up(error_of(fitted, self._server))
            return None
        if outgoing.envelope.smtputf8 and not fitted.smtputf8:
            self._leave_out_international()
        return fitted

    def _leave_out_international(self) -> None:
        """Whom the server can not be told about without SMTPUTF8 has failed."""
        sendable = []
        for recipient in self.pending:
            path = recipient.forward_path
            if path_text(path, smtputf8=False) is not None:
                sendable.append(recipient)
                continue
            error = error_of(Failure(FailureKind.UTF8_NOT_TAKEN), self._server)
            self._error = self._error or error
            self._settle(recipient, result_without_reply(path.address, error))
        self.pending = sendable

    def _judge(
        self, core: ClientProtocol, batch: Sequence[Recipient], verdicts: Sequence[Reply | None]
    ) -> list[Recipient]:
        """Settle the batch by the replies to the transaction; gives those to be tried again."""
        lost: ClientError | None = None
        if core.failure is not None and None in verdicts:
            lost = error_of(_of_content(core, core.failure), self._server)
            self._error = lost
        again: list[Recipient] = []
        for recipient, verdict in zip(batch, verdicts, strict=True):
            address = recipient.forward_path.address
            if verdict is None:
                error = lost or ClientError("the transaction ended without an answer")
                self._settle(
                    recipient,
                    result_without_reply(address, error, is_unknown=core.content_ended),
                )
            elif verdict.code in _LESS and verdict.enhanced in _TOO_MANY and _has_taken(verdicts):
                # RFC 5321 section 4.5.3.1.10: the others are sent the message at once, in a
                # transaction of their own.
                again.append(recipient)
            else:
                self._results[recipient.number] = result_of(address, verdict)
        return again

    def _settle(self, recipient: Recipient, result: RecipientResult) -> None:
        self._results[recipient.number] = result


def _fitted(outgoing: Outgoing, core: ClientProtocol) -> Envelope | Failure:
    content, envelope = outgoing.content, outgoing.envelope
    traits = None
    if needs_look(core.capabilities, envelope):
        traits = ContentTraits(
            eight_bit=not content.is_ascii, international=not content.header.isascii()
        )
    return fit(
        core.capabilities,
        envelope,
        size_octets=content.size,
        traits=traits,
        # All TLS of a client is verified.
        is_verified=bool(core.tls),
    )


def is_spent(core: ClientProtocol) -> bool:
    """RFC 9422 section 4.1: MAILMAX."""
    limit = core.capabilities.mails_max
    return limit is not None and core.transactions >= limit


def _passes(results: Sequence[RecipientResult]) -> bool:
    """Whether somebody may be accepted later."""
    return any(one.is_transient for one in results)


def _has_taken(verdicts: Sequence[Reply | None]) -> bool:
    """Whether the server took the message for somebody."""
    return any(verdict is not None and verdict.code < 300 for verdict in verdicts)


def _of_content(core: ClientProtocol, failure: Failure) -> Failure:
    """Whatever ended the session behind the end of the content: the message may have arrived."""
    if core.content_ended and failure.kind is not FailureKind.CONFIRMATION_LOST:
        return Failure(FailureKind.CONFIRMATION_LOST, failure.kind.name.lower().replace("_", " "))
    return failure
