"""What an answer of Graph means for the recipients of a message and for the next hop."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pillarbox.delivery.courier import AttemptResult, HopReason
from pillarbox.explain.failures import Failure, FailureKind, explain
from pillarbox.explain.remedies import Way
from pillarbox.explain.replies import ReplyContext, explain_failure, explain_reply
from pillarbox.mail.envelope import Recipient, RecipientOutcome, RecipientState
from pillarbox.mail.reply import Reply
from pillarbox.net.https import Answer

ACCEPTED = 202
UNAUTHORIZED = 401
FORBIDDEN = 403
_NOT_THERE = frozenset({404, 410})
_ERRORS = 400
_REFUSALS = frozenset({400, 413})
"""Where the request itself is wrong: the same message would be refused again. All other answers
that nobody knows are tried again."""

PAUSES = frozenset({429, 503, 504})
LONGEST_PAUSE_SECONDS = 86_400.0
"""Nobody means more by Retry-After."""

_SHOWN_CHARACTERS = 300


class GraphResults:
    """Makes the results of one attempt: all its recipients share one."""

    def __init__(self, name: str, recipients: Sequence[Recipient]) -> None:
        """`name` is host and port of the next hop."""
        self._name = name
        self._host, _, port = name.rpartition(":")
        self._port = int(port)
        self._recipients = recipients

    def of(self, answer: Answer | Failure) -> AttemptResult:
        """What came of a request."""
        if isinstance(answer, Failure):
            return self.of_failure(answer)
        return self.of_answer(answer)

    def of_answer(self, answer: Answer) -> AttemptResult:
        """What the server said."""
        said = said_by(answer)
        if answer.status == ACCEPTED:
            return self._result(RecipientState.DELIVERED, Reply(250, "2.0.0", (str(said),)))
        why = explain_reply(said, ReplyContext(Way.GRAPH, host=self._host))
        pause = retry_after(answer.headers) if answer.status in PAUSES else 0.0
        if why is not None and why.suspends:
            is_token = answer.status == UNAUTHORIZED
            kind = FailureKind.TOKEN_REFUSED if is_token else FailureKind.MAIL_REFUSED
            reason = HopReason(why, str(said), session_stands=not is_token)
            return self._down(Failure(kind, said=said), reason, retry_after=pause)
        is_refused = answer.status in _REFUSALS if why is None else not why.passes
        if is_refused:
            fix = "Nobody knows this answer; it is about the message" if why is None else why.fix
            return self.refused(Failure(FailureKind.REQUEST_NOT_TAKEN, fix, said), aside=False)
        failure = Failure(FailureKind.REQUEST_PUT_OFF, said=said)
        return self._result(
            RecipientState.DEFERRED, self._reply(failure), throttled=True, retry_after=pause
        )

    def of_failure(self, failure: Failure) -> AttemptResult:
        """No answer: what was not sent waits for the hop; of what may have arrived nobody knows,
        so it is tried again, too."""
        if failure.kind is FailureKind.CONFIRMATION_LOST:
            return self._put_off(failure)
        why = explain_failure(failure, host=self._host, port=self._port)
        return self._down(failure, HopReason(why))

    def refused(self, failure: Failure, *, aside: bool = True) -> AttemptResult:
        """The message can not go this way; `aside`: that is known without asking."""
        return self._result(RecipientState.FAILED, self._reply(failure), is_aside=aside)

    def of_step(self, answer: Answer | Failure, *, doing: str, is_first: bool) -> AttemptResult:
        """What came of a step before a draft is sent, that was not what it should be: nothing has
        been sent. `is_first`: nothing has been answered yet, so the hop may be unusable."""
        if isinstance(answer, Failure):
            if is_first and answer.kind is not FailureKind.CONFIRMATION_LOST:
                return self.of_failure(answer)
            return self._put_off(Failure(FailureKind.CONNECTION_LOST, doing))
        said = said_by(answer)
        if answer.status == FORBIDDEN:
            denied = self._reply(Failure(FailureKind.DRAFT_DENIED, said=said))
            # Smaller mail needs no draft.
            return self._result(RecipientState.DEFERRED, denied, is_aside=True)
        is_gone = answer.status in _NOT_THERE and not is_first
        if is_gone or answer.status < _ERRORS:
            return self._put_off(Failure(FailureKind.REQUEST_PUT_OFF, said=said))
        return self.of_answer(answer)

    def of_sending(self, answer: Answer | Failure) -> AttemptResult:
        """What came of sending a draft; what is not clear is looked up by the next attempt."""
        if isinstance(answer, Failure):
            doing = "it sent a draft; whether it did is looked up before the next attempt"
            return self._put_off(Failure(FailureKind.CONNECTION_LOST, doing))
        if answer.status in _NOT_THERE:
            return self._put_off(Failure(FailureKind.REQUEST_PUT_OFF, said=said_by(answer)))
        return self.of_answer(answer)

    def sent_before(self, numbers: Collection[int]) -> AttemptResult:
        """An earlier attempt had sent it to these, as was found out now; the others have to wait
        for the next one."""
        known = Reply(250, "2.0.0", ("An earlier attempt had sent it: it is in Sent Items",))
        other = Reply(451, "4.3.0", ("It was sent to the other recipients; it is tried again",))
        outcomes = [
            RecipientOutcome(recipient.number, state, reply, self._host)
            for recipient in self._recipients
            for is_known in [recipient.number in numbers]
            for state in [RecipientState.DELIVERED if is_known else RecipientState.DEFERRED]
            for reply in [known if is_known else other]
        ]
        return AttemptResult(outcomes)

    def _put_off(self, failure: Failure) -> AttemptResult:
        return self._result(RecipientState.DEFERRED, self._reply(failure), throttled=True)

    def _down(
        self, failure: Failure, reason: HopReason, *, retry_after: float = 0.0
    ) -> AttemptResult:
        reply = self._reply(failure)
        outcomes = self._outcomes(RecipientState.DEFERRED, reply)
        return AttemptResult(outcomes, reply, reason=reason, retry_after=retry_after)

    def _result(
        self,
        state: RecipientState,
        reply: Reply,
        *,
        throttled: bool = False,
        retry_after: float = 0.0,
        is_aside: bool = False,
    ) -> AttemptResult:
        outcomes = self._outcomes(state, reply)
        return AttemptResult(
            outcomes, throttled=throttled, retry_after=retry_after, is_aside=is_aside
        )

    def _outcomes(self, state: RecipientState, reply: Reply) -> list[RecipientOutcome]:
        return [
            RecipientOutcome(recipient.number, state, reply, self._host)
            for recipient in self._recipients
        ]

    def _reply(self, failure: Failure) -> Reply:
        return explain(failure, hop=self._name).reply


def said_by(answer: Answer) -> Reply:
    """The status of an answer, with error code and message where it has them, as a reply."""
    try:
        said = json.loads(answer.text)
    except (ValueError, RecursionError):
        said = None
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        error = {}
    texts = [text for name in ("code", "message") if (text := _shown(error.get(name)))]
    if not texts and answer.status == ACCEPTED:
        texts = ["Accepted"]
    request_id = _shown(answer.headers.get("request-id"))
    if request_id:
        texts[-1:] = [f"{texts[-1] if texts else ''} (request-id {request_id})".strip()]
    return Reply(answer.status, "", (": ".join(texts),))


def _shown(value: object) -> str:
    text = value[:_SHOWN_CHARACTERS] if isinstance(value, str) else ""
    return text if text.isascii() and text.isprintable() else ""


def retry_after(headers: Mapping[str, str]) -> float:
    """The seconds that Retry-After asks for, in either of its forms (RFC 9110 section 10.2.3); 0
    for none. A date is told from the server's own clock, where it says what that shows."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_PAUSE_SECONDS)
    until = _moment(text)
    if until is None:
        return 0.0
    there = _moment(headers.get("date", "")) or datetime.now(UTC)
    seconds = math.ceil((until - there).total_seconds())
    return min(max(float(seconds), 0.0), LONGEST_PAUSE_SECONDS)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
