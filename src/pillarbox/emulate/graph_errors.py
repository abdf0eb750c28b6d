"""Errors of Microsoft Graph with their JSON, and what denials of a mailbox are called there."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from pillarbox.emulate.http import Response, json_response


@dataclass(frozen=True, slots=True)
class KnownError:
    """Status, code and message."""

    status: int
    code: str
    message: str


_DENIED = (
    "The user account which was used to submit this request does not have the right to send mail"
    " on behalf of the specified sending account."
)
_LIMIT = "The message limit was exceeded."

ERRORS: Mapping[str, KnownError] = MappingProxyType(
    {
        "no-token": KnownError(401, "InvalidAuthenticationToken", "Access token is empty."),
        "token": KnownError(
            401, "InvalidAuthenticationToken", "Access token validation failure or expired."
        ),
        "audience": KnownError(
            401,
            "InvalidAuthenticationToken",
            "Access token validation failure. Invalid audience.",
        ),
        "not-me": KnownError(
            400, "BadRequest", "/me request is only valid with delegated authentication flow."
        ),
        "user": KnownError(404, "ErrorInvalidUser", "The requested user is invalid."),
        "mailbox": KnownError(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ),
        "access": KnownError(
            403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."
        ),
        "send-as": KnownError(403, "ErrorSendAsDenied", f"{_DENIED}, Cannot submit message."),
        "base64": KnownError(
            400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content."
        ),
        "mime": KnownError(400, "ErrorMimeContentInvalid", "The MIME content is invalid."),
        "recipients": KnownError(
            400, "ErrorInvalidRecipients", "At least one recipient is not valid."
        ),
        "authors": KnownError(400, "ErrorInvalidSender", "The message needs one From address."),
        "request-size": KnownError(
            413, "BadRequest", "The maximum request length supported is 4MB."
        ),
        "message-size": KnownError(
            413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size."
        ),
        "attachment-size": KnownError(
            400,
            "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
            "The attachment size should be larger than the minimum size.",
        ),
        "json": KnownError(400, "BadRequest", "Unable to read JSON request payload."),
        "type": KnownError(415, "UnsupportedMediaType", "The content type is not supported."),
        "item": KnownError(
            404, "ErrorItemNotFound", "The specified object was not found in the store."
        ),
        "path": KnownError(400, "BadRequest", "Resource not found for the segment."),
        "range": KnownError(416, "InvalidRange", "The range is not the one that is expected."),
        "quota": KnownError(507, "ErrorQuotaExceeded", "The mailbox has exceeded its quota."),
        "limit": KnownError(403, "ErrorExceededMessageLimit", _LIMIT),
        "blocked": KnownError(
            403, "ErrorMessageSubmissionBlocked", "Cannot send mail: the account is blocked."
        ),
        "parallel": KnownError(
            429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit."
        ),
        "requests": KnownError(
            429, "ApplicationThrottled", "Application is over its request limit for the mailbox."
        ),
        "upload": KnownError(
            429, "ApplicationThrottled", "Application is over its upload limit for the mailbox."
        ),
    }
)

DENIALS: Mapping[str, str] = MappingProxyType(
    {
        "send-as": "send-as",
        "no-from": "authors",
        "many-authors": "authors",
        "bad-sender": "blocked",
        "banned-sender": "blocked",
        "mailbox-full": "quota",
        "submission-quota": "limit",
        "tenant-recipients": "limit",
        "onmicrosoft-recipients": "limit",
    }
)
"""By the names that SMTP has for them (emulate.rules)."""

OF_STATUS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        408: ("RequestTimeout", "The request timed out."),
        429: ("ApplicationThrottled", "Application is over its limit."),
        500: ("ErrorInternalServerError", "An internal server error occurred."),
        502: ("BadGateway", "Bad gateway."),
        503: ("ServiceUnavailable", "The service is unavailable."),
        504: ("GatewayTimeout", "The gateway timed out."),
    }
)
"""For statuses that are ordered without a body."""


class GraphError(Exception):
    """A request is refused: the name of the error."""

    def __init__(self, name: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(name)
        self.name = name
        self.headers = dict(headers or {})


def error_response(error: GraphError, now: datetime) -> Response:
    """The JSON of an error."""
    known = ERRORS[error.name]
    headers = dict(error.headers)
    if known.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm=""'
    return _response(known.status, known.code, known.message, headers=headers, now=now)


def ordered_response(response: Response, now: datetime) -> Response:
    """What a fault gives: its own body, or the usual one of its status."""
    if response.body or response.status not in OF_STATUS:
        return response
    code, message = OF_STATUS[response.status]
    return _response(response.status, code, message, headers=response.headers, now=now)


def _response(
    status: int, code: str, message: str, *, headers: Mapping[str, str], now: datetime
) -> Response:
    request_id = str(uuid.uuid4())
    inner = {
        "date": f"{now:%Y-%m-%dT%H:%M:%S}",
        "request-id": request_id,
        "client-request-id": request_id,
    }
    body = {"error": {"code": code, "message": message, "innerError": inner}}
    return json_response(status, body, {"request-id": request_id, **headers})
