"""From replies and failures to results and errors."""

import re
from collections.abc import Sequence

from pillarbox.client.errors import (
    CertificateError,
    ClientError,
    ConnectError,
    ConnectionLost,
    LoginError,
    MessageRefused,
    MessageUnsuitable,
    ProtocolError,
    ReplyTimeout,
    RequireTlsMissing,
    SessionRefused,
    TlsError,
    TlsMissing,
    TokenError,
    Unconfirmed,
    WrongTlsMode,
)
from pillarbox.client.results import RecipientResult, SendState
from pillarbox.client.server import Server
from pillarbox.explain.client_failures import explain_to_client
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.reply import Reply, ReplyClass

_POSITIVE, _ACCEPTED = ReplyClass.POSITIVE, SendState.ACCEPTED

SOON_SECONDS = 60.0
"""When to try again where the server does not say: most grey lists take a minute or more."""

LATER_SECONDS = 900.0
"""The same where a limit of the server has to move on."""

MAX_WAIT_SECONDS = 86_400.0

_CLASSES: dict[FailureKind, type[ClientError]] = {
    FailureKind.NAME_NOT_FOUND: ConnectError,
    FailureKind.NAME_LOOKUP_FAILED: ConnectError,
    FailureKind.CONNECTION_REFUSED: ConnectError,
    FailureKind.CONNECTION_TIMED_OUT: ConnectError,
    FailureKind.UNREACHABLE: ConnectError,
    FailureKind.GREETING_REFUSED: SessionRefused,
    FailureKind.HELLO_REFUSED: SessionRefused,
    FailureKind.MAIL_REFUSED: SessionRefused,
    FailureKind.TLS_MISSING: TlsMissing,
    FailureKind.TLS_REFUSED: TlsMissing,
    FailureKind.TLS_INJECTED: TlsError,
    FailureKind.NOT_TLS: WrongTlsMode,
    FailureKind.TLS_FIRST: WrongTlsMode,
    FailureKind.TLS_TOO_OLD: TlsError,
    FailureKind.CERTIFICATE_NOT_TRUSTED: CertificateError,
    FailureKind.CERTIFICATE_EXPIRED: CertificateError,
    FailureKind.CERTIFICATE_NOT_YET_VALID: CertificateError,
    FailureKind.CERTIFICATE_NAME_MISMATCH: CertificateError,
    FailureKind.HANDSHAKE_FAILED: TlsError,
    FailureKind.CA_FILE_UNUSABLE: TlsError,
    FailureKind.LOGIN_NOT_OFFERED: LoginError,
    FailureKind.LOGIN_REFUSED: LoginError,
    FailureKind.TOKEN_REFUSED: LoginError,
    FailureKind.LOGIN_UNAVAILABLE: LoginError,
    FailureKind.LOGIN_NEEDED: LoginError,
    FailureKind.PROTOCOL_BROKEN: ProtocolError,
    FailureKind.SHUT_DOWN: ConnectionLost,
    FailureKind.CONNECTION_LOST: ConnectionLost,
    FailureKind.REPLY_TIMED_OUT: ReplyTimeout,
    FailureKind.CONFIRMATION_LOST: Unconfirmed,
    FailureKind.EIGHT_BIT_NOT_TAKEN: MessageUnsuitable,
    FailureKind.BINARY_NOT_TAKEN: MessageUnsuitable,
    FailureKind.UTF8_NOT_TAKEN: MessageUnsuitable,
    FailureKind.TOO_LARGE: MessageUnsuitable,
    FailureKind.REQUIRETLS_NOT_OFFERED: RequireTlsMissing,
    FailureKind.REQUIRETLS_WITHOUT_TLS: RequireTlsMissing,
}

_PASSING = frozenset(
    {
        *(FailureKind.NAME_LOOKUP_FAILED, FailureKind.CONNECTION_REFUSED),
        *(FailureKind.CONNECTION_TIMED_OUT, FailureKind.UNREACHABLE),
        *(FailureKind.LOGIN_UNAVAILABLE, FailureKind.HANDSHAKE_FAILED),
        *(FailureKind.SHUT_DOWN, FailureKind.CONNECTION_LOST, FailureKind.REPLY_TIMED_OUT),
        FailureKind.PROTOCOL_BROKEN,
        *(FailureKind.SIGN_IN_UNREACHABLE, FailureKind.SIGN_IN_UNAVAILABLE),
    }
)
"""It may pass by itself; behind all else somebody has to change something."""

_WAIT = re.compile(
    r"\b(?:in|after|wait|for|within)\s+(?:about\s+|at least\s+)?(\d{1,6})\s*"
    r"(s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b",
    re.IGNORECASE,
)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def error_of(failure: Failure, server: Server) -> ClientError:
    """The error that a failure is raised as."""
    kind = failure.kind
    told = explain_to_client(failure, host=server.host, port=server.port)
    cause, fix, row = told.cause, told.fix, ""
    if known := _known_failure(failure, server):
        row, cause, fix = known
    default = TokenError if kind.name.startswith("SIGN_IN") else ClientError
    error = _CLASSES.get(kind, default)(
        told.reply.text,
        code=kind.name.lower().replace("_", "-"),
        cause=cause,
        fix=fix,
        is_transient=_passes(failure),
    )
    error.reply = failure.said or told.reply
    error.explanation_id = row
    if error.is_transient:
        error.retry_after = waiting_seconds(error.reply.text) or SOON_SECONDS
    return error


def _known_failure(failure: Failure, server: Server) -> tuple[str, str, str] | None:
    """What is known of this failure at this provider, or of this answer: id, cause, fix."""
    from pillarbox.explain.client_replies import advice_of
    from pillarbox.explain.replies import explain_failure

    found = explain_failure(failure, host=server.host, port=server.port)
    if not found.provider and failure.said is None:
        return None
    if found.id.startswith("hop-"):
        return None
    if found.id == "rfc-421" and failure.kind is FailureKind.LOGIN_UNAVAILABLE:
        # That it came at the login says more than its three digits.
        return None
    return found.id, *advice_of(found)


def _passes(failure: Failure) -> bool:
    if failure.said is not None and failure.kind in (
        FailureKind.GREETING_REFUSED,
        FailureKind.HELLO_REFUSED,
        FailureKind.TLS_REFUSED,
    ):
        return failure.said.category is not ReplyClass.PERMANENT
    return failure.kind in _PASSING


def result_of(address: str, reply: Reply) -> RecipientResult:
    """The result for a recipient about whom the server said this."""
    if reply.category is _POSITIVE:
        return RecipientResult(address, _ACCEPTED, reply.code, reply.enhanced, reply.text)
    from pillarbox.explain.client_replies import advice_of
    from pillarbox.explain.replies import explain_reply

    known = explain_reply(reply)
    cause, fix = ("", "") if known is None else advice_of(known)
    is_transient = reply.category is not ReplyClass.PERMANENT
    after = None
    if known is not None and known.passes:
        is_transient = True
        after = LATER_SECONDS if known.remedy.value == "wait-until" else None
    return RecipientResult(
        address,
        SendState.REFUSED,
        reply.code,
        reply.enhanced,
        reply.text,
        is_transient=is_transient,
        retry_after=(waiting_seconds(reply.text) or after or SOON_SECONDS)
        if is_transient
        else None,
        cause=cause,
        fix=fix,
    )


def result_without_reply(
    address: str, error: ClientError, *, is_unknown: bool = False
) -> RecipientResult:
    """The result for a recipient about whom the server said nothing."""
    reply = error.reply or Reply(451, "4.4.2", (error.args[0],))
    return RecipientResult(
        address,
        SendState.UNKNOWN if is_unknown else SendState.REFUSED,
        reply.code,
        reply.enhanced,
        str(error.args[0]),
        is_transient=error.is_transient and not is_unknown,
        retry_after=None if is_unknown else error.retry_after,
        cause=error.cause,
        fix=error.fix,
        said_by_server=False,
    )


def refusal_of(results: Sequence[RecipientResult], server: Server) -> MessageRefused:
    """The error where the server refused everybody. It tells of one who may be accepted later,
    where there is such a one: nobody has the message, so all of it can be sent again."""
    again = [one for one in results if one.is_transient]
    shown = again[0] if again else results[0]
    said = Reply(shown.code, shown.enhanced_code, (shown.text,))
    final = len(results) - len(again)
    rest = f"; {final} of {len(results)} recipients for good, see result" if again and final else ""
    error = MessageRefused(
        f"{server} refused the message: {said}{rest}",
        cause=shown.cause or "The server does not take this message from here.",
        fix=shown.fix or "What the server says tells what to change",
        is_transient=shown.is_transient,
    )
    error.reply = said
    # Who waits for all of them sends it once more, and not several times.
    error.retry_after = max((one.retry_after or 0.0 for one in again), default=None)
    return error


def waiting_seconds(text: str) -> float | None:
    """How long a reply asks to wait, None where it does not say."""
    found = _WAIT.search(text[:1000])
    if found is None:
        return None
    seconds = int(found[1]) * _UNITS[found[2][0].lower()]
    return min(seconds, MAX_WAIT_SECONDS) or None
