"""One message on its way through one or more mail transactions, and what comes of it."""

from collections.abc import Callable, Sequence

from pillarbox.delivery.courier import AttemptResult, ContentSource, HopReason
from pillarbox.delivery.return_paths import ReturnPaths
from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.delivery.smtp_content import read_traits, send_content
from pillarbox.errors import LocalProtocolError
from pillarbox.explain.failures import Failure, FailureKind, explain
from pillarbox.explain.replies import (
    Explanation,
    ReplyContext,
    explain_failure,
    explain_reply,
)
from pillarbox.mail.envelope import Envelope, Recipient, RecipientOutcome, RecipientState
from pillarbox.mail.reply import Reply, ReplyClass
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.smtp.client import SHUTTING_DOWN, ClientProtocol
from pillarbox.smtp.client_fit import fit, needs_look
from pillarbox.smtp.client_phase import Phase

_STATES = {
    ReplyClass.POSITIVE: RecipientState.DELIVERED,
    ReplyClass.PERMANENT: RecipientState.FAILED,
}
"""All else is tried again."""

_TOO_MANY = frozenset({"", "4.5.3", "5.5.3"})
"""RFC 3463 X.5.3: too many recipients. Other codes beside 452 and 552 mean full mailboxes."""


class SmtpAttempt:
    """Collects the outcomes of one attempt."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        message: SpooledMessage,
        content: ContentSource,
        returns: ReturnPaths | None = None,
    ) -> None:
        """`host` is the name that answers are attributed to. With `returns` the reverse-path is one
        by which bounces come back to us."""
        self._host = host
        self._port = port
        self._hop = f"{host}:{port}"
        self._message = message
        self._content = content
        self._returns = returns
        self._outcomes: list[RecipientOutcome] = []
        self._hop_failure: Reply | None = None
        self._reason: HopReason | None = None
        self._throttled = False
        self._transactions = 0
        self.host_trouble = ""
        """Why the host decided nothing, where another one is to be asked."""

    @property
    def result(self) -> AttemptResult:
        """What it came to."""
        return AttemptResult(
            self._outcomes,
            self._hop_failure,
            self._throttled,
            self._reason,
            max(self._transactions, 1),
        )

    def speak_to(self, host: str) -> None:
        """What follows is said by another host of the same hop."""
        self._host = host
        self._hop = f"{host}:{self._port}"
        self.host_trouble = ""

    def give_up(self, recipients: Sequence[Recipient], failure: Failure) -> None:
        """No session: these recipients wait."""
        reply = explain(failure, hop=self._hop).reply
        self._fail_hop(reply, failure)
        self._settle_all(recipients, reply)

    def _fail_hop(self, reply: Reply, failure: Failure) -> None:
        # Where a transaction before this one decided something, the hop as such is not down.
        if self._outcomes:
            self._throttled = True
            return
        why = explain_failure(failure, host=self._host, port=self._port)
        said = "" if failure.said is None else str(failure.said)
        stands = failure.kind is FailureKind.MAIL_REFUSED
        self._hop_failure = reply
        self._reason = HopReason(why, said, session_stands=stands)

    async def transact(
        self,
        connection: SmtpConnection,
        recipients: list[Recipient],
        *,
        is_reused: bool,
        blames_host: Callable[[Reply], bool] | None = None,
    ) -> list[Recipient] | None:
        """One transaction with as many of the recipients as the next hop takes.

        Gives those that are to be tried in one more transaction; None where nothing was decided: a
        reused session was over before, or there is `host_trouble`. `blames_host` is given where
        another host could take the message, and knows whether a refusal means this host alone.
        """
        core = connection.core
        envelope = await self._fit(core, recipients)
        if envelope is None:
            return []
        if not envelope.smtputf8:
            recipients = self._without_international(recipients)
        limit = core.capabilities.recipients_max or len(recipients)
        batch, rest = recipients[:limit], recipients[limit:]
        if not batch:
            return []
        message = self._message
        if self._returns is not None and (domain := await self._returns.domain_for(message)):
            envelope = self._returns.envelope(envelope, domain, message.queue_id, batch)
        if core.phase is Phase.CLOSED:
            # It ended while something about the message was read.
            return None if is_reused else self._end_without(core, recipients)
        if not await self._hold(connection, envelope, batch) and is_reused:
            return None
        self._transactions += 1
        if blames_host and (trouble := self._trouble_of_host(core, blames_host)):
            self.host_trouble = trouble
            return None
        again = self._judge(core, batch) + rest
        if core.failure is None:
            return again
        self._settle_all(again, explain(core.failure, hop=self._hop).reply)
        return []

    async def _hold(
        self, connection: SmtpConnection, envelope: Envelope, batch: Sequence[Recipient]
    ) -> bool:
        """Hold the transaction, up to where its replies are certain; False where the session was
        over before."""
        message, core = self._message, connection.core
        at_hand = () if message.content is None else (message.prefix, message.content)
        core.begin(envelope, batch, size=message.size_octets, whole=at_hand)
        await connection.step()
        if core.phase is Phase.CONTENT:
            await send_content(connection, message, self._content)
        elif core.failure is not None and core.was_stale:
            return False
        if core.is_doubtful:
            core.prove()
            await connection.step()
        return True

    def _end_without(self, core: ClientProtocol, recipients: list[Recipient]) -> list[Recipient]:
        """Nothing was said in a new session; gives nobody to be tried again."""
        self.give_up(recipients, core.failure or Failure(FailureKind.CONNECTION_LOST))
        return []

    async def _fit(self, core: ClientProtocol, recipients: Sequence[Recipient]) -> Envelope | None:
        """The envelope as the next hop takes it; None where it can not take the message."""
        message = self._message
        traits = None
        if needs_look(core.capabilities, message.envelope):
            traits = await read_traits(message, self._content)
        fitted = fit(
            core.capabilities,
            message.envelope,
            size_octets=message.size_octets,
            traits=traits,
            is_verified=core.is_verified,
        )
        if isinstance(fitted, Envelope):
            return fitted
        self._settle_all(recipients, explain(fitted, hop=self._hop).reply)
        return None

    def _without_international(self, recipients: list[Recipient]) -> list[Recipient]:
        """Those that can be named without SMTPUTF8; the others have failed."""
        sendable: list[Recipient] = []
        for recipient in recipients:
            if recipient.forward_path.local_part.isascii():
                sendable.append(recipient)
            # Of a session that was over nothing counts, but these have failed already.
            elif recipient.number not in {outcome.number for outcome in self._outcomes}:
                failure = Failure(FailureKind.UTF8_NOT_TAKEN)
                self._settle(recipient, explain(failure, hop=self._hop).reply)
        return sendable

    def _trouble_of_host(self, core: ClientProtocol, blames_host: Callable[[Reply], bool]) -> str:
        """What the host has against all mail, where it decided about no recipient; "" if it has
        nothing."""
        if core.content_begun or self._outcomes:
            return ""
        first, *others = core.verdicts()
        if any(each not in (None, first) for each in others):
            return ""
        if first is None:
            return "" if core.failure is None else str(explain(core.failure, hop=self._hop).reply)
        # Of what is said to RCPT and DATA only the end of the session is not about the message.
        is_early = not core.took_sender or first.code == SHUTTING_DOWN
        return str(first) if is_early and blames_host(first) else ""

    def _judge(self, core: ClientProtocol, batch: Sequence[Recipient]) -> list[Recipient]:
        """Settle the batch by the replies to the transaction; gives those to be tried again."""
        taken = core.taken
        if taken is not None:
            state, host, dsn = RecipientState.DELIVERED, self._host, core.capabilities.dsn
            for each in batch:
                outcome = RecipientOutcome(each.number, state, taken, host, core.tls, dsn)
                self._outcomes.append(outcome)
            return []
        verdicts = core.verdicts()
        refusal = self._refusal_of_hop(verdicts)
        if refusal is not None:
            self.give_up(batch, Failure(FailureKind.MAIL_REFUSED, said=refusal))
            return []
        reply = None
        if core.failure is not None:
            reply = explain(core.failure, hop=self._hop).reply
            if core.content_begun or any(verdicts):
                self._throttled = True
            else:
                self._fail_hop(reply, core.failure)
        if core.asks_for_less:
            self._throttled = True
        delivered = any(verdict is not None and verdict.code < 300 for verdict in verdicts)
        again: list[Recipient] = []
        for recipient, verdict in zip(batch, verdicts, strict=True):
            if verdict is None:
                if reply is None:
                    raise LocalProtocolError("a transaction ended without a reply for a recipient")
                self._settle(recipient, reply)
            # RFC 5321 section 4.5.3.1.10: a client "SHOULD ... treat a 552 code in this case as a
            # temporary, rather than permanent, failure", and send to the others at once.
            elif delivered and verdict.code in (452, 552) and verdict.enhanced in _TOO_MANY:
                again.append(recipient)
            else:
                self._settle(recipient, verdict, core=core)
        return again

    def _refusal_of_hop(self, verdicts: Sequence[Reply | None]) -> Reply | None:
        """A reply that all mail of the route would get, where every recipient got such a one."""
        first = verdicts[0]
        if first is None or first.code < 400 or self._outcomes:
            return None
        for verdict in dict.fromkeys(verdicts):
            if verdict is None or verdict.code < 400:
                return None
            why = self._explain(verdict)
            if why is None or not why.suspends:
                return None
        return first

    def _explain(self, verdict: Reply) -> Explanation | None:
        return explain_reply(verdict, ReplyContext(host=self._host))

    def _settle_all(self, recipients: Sequence[Recipient], reply: Reply) -> None:
        for recipient in recipients:
            self._settle(recipient, reply)

    def _settle(
        self, recipient: Recipient, reply: Reply, *, core: ClientProtocol | None = None
    ) -> None:
        """Note the outcome. `core` is given where the reply is the next hop's own."""
        state = _STATES.get(reply.category, RecipientState.DEFERRED)
        if core is not None and state is RecipientState.FAILED:
            why = self._explain(reply)
            if why is not None and why.passes:
                # A limit that moves on, told with a code that would bounce.
                state = RecipientState.DEFERRED
        if core is None:
            outcome = RecipientOutcome(recipient.number, state, reply)
        else:
            taken_over = state is RecipientState.DELIVERED and core.capabilities.dsn
            outcome = RecipientOutcome(
                recipient.number, state, reply, self._host, core.tls, taken_over
            )
        self._outcomes.append(outcome)
