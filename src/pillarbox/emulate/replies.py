"""What smtp.office365.com says, by name: the texts, and how well each is known. Pure data.

`row` is the number of the reply in the table of known replies of Microsoft 365 (`explain` has the
same numbers), 0 for what is no failure. The grade tells where the text comes from. Where the
source names the enhanced code only, the three digits before it are a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from pillarbox.mail.reply import Reply


class Grade(StrEnum):
    """How well something is known."""

    DOCUMENTED = "D"
    """Microsoft's own documentation."""
    FIELD = "F"
    """Seen in logs and issues that somebody published."""
    GUESSED = "M"
    """From memory, or made up where nothing was found."""


class Trailer(StrEnum):
    """What stands behind the text."""

    NONE = ""
    SESSION = "session"
    """`[host date id]`"""
    HOST = "host"
    """`[host]`"""
    HOST_NAME = "host name"
    """`[Hostname=host]`"""


@dataclass(frozen=True, slots=True)
class KnownReply:
    """One reply. `text` may have places to fill: {login}, {sender}, {recipient}."""

    row: int
    grade: Grade
    code: int
    enhanced: str
    text: str
    trailer: Trailer = Trailer.NONE


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a reply is given, for its trailer."""

    host: str
    session_id: str
    now: datetime


D, F, M = Grade.DOCUMENTED, Grade.FIELD, Grade.GUESSED
_SESSION, _HOST, _HOST_NAME = Trailer.SESSION, Trailer.HOST, Trailer.HOST_NAME


def _known(
    row: int, grade: Grade, codes: str, text: str, trailer: Trailer = Trailer.NONE
) -> KnownReply:
    code, _, enhanced = codes.partition(" ")
    return KnownReply(row, grade, int(code), enhanced, text, trailer)


_UNSUCCESSFUL = "Authentication unsuccessful"
_DISABLED = (
    f"{_UNSUCCESSFUL}, SmtpClientAuthentication is disabled for the {{where}}. Visit"
    " https://aka.ms/smtp_auth_disabled for more information."
)
_ADMINISTRATOR = "Contact your administrator."

REPLIES: Mapping[str, KnownReply] = MappingProxyType(
    {
        # What is no failure.
        "ready-for-tls": _known(0, F, "220 2.0.0", "SMTP server ready"),
        "logged-in": _known(0, D, "235 2.7.0", "Authentication successful"),
        "sender-ok": _known(0, F, "250 2.1.0", "Sender OK"),
        "recipient-ok": _known(0, F, "250 2.1.5", "Recipient OK"),
        "chunk-taken": _known(0, M, "250 2.6.0", "CHUNK received OK"),
        "taken": _known(0, F, "250 2.0.0", "OK <{message_id}>", _HOST_NAME),
        "help": _known(0, M, "214 2.0.0", "Commands: HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT"),
        "not-verified": _known(0, M, "252 2.1.5", "Cannot VRFY user"),
        "bye": _known(0, D, "221 2.0.0", "Service closing transmission channel"),
        # Connection and TLS.
        "tls-too-old": _known(5, D, "421 4.7.66", "TLS 1.0 and 1.1 are not supported"),
        "socket-error": _known(6, D, "421 4.4.2", "Connection dropped due to SocketError"),
        "starttls-required": _known(8, F, "451 5.7.3", "STARTTLS is required to send mail"),
        # Login.
        "mechanism": _known(10, F, "504 5.7.4", "Unrecognized authentication type"),
        "login": _known(11, D, "535 5.7.3", _UNSUCCESSFUL, _HOST),
        "tenant-off": _known(12, F, "535 5.7.139", _DISABLED.format(where="Tenant"), _SESSION),
        "mailbox-off": _known(13, F, "535 5.7.139", _DISABLED.format(where="Mailbox"), _SESSION),
        "basic-off": _known(
            14, F, "535 5.7.139", f"{_UNSUCCESSFUL}, basic authentication is disabled.", _SESSION
        ),
        "security-defaults": _known(
            15,
            F,
            "535 5.7.139",
            f"{_UNSUCCESSFUL}, user is locked by your organization's security defaults policy."
            f" {_ADMINISTRATOR}",
            _SESSION,
        ),
        "conditional-access": _known(
            16,
            F,
            "535 5.7.139",
            f"{_UNSUCCESSFUL}, the request did not meet the criteria to be authenticated"
            f" successfully. {_ADMINISTRATOR}",
            _SESSION,
        ),
        "credentials": _known(
            17,
            F,
            "535 5.7.139",
            f"{_UNSUCCESSFUL}, the user credentials were incorrect.",
            _SESSION,
        ),
        "sts-unreachable": _known(
            18, D, "535 5.7.139", f"{_UNSUCCESSFUL}, federated STS service was unreachable.", _HOST
        ),
        "sts-insecure": _known(
            19,
            D,
            "535 5.7.139",
            f"{_UNSUCCESSFUL}, the federated STS URL does not support HTTPS.",
            _HOST,
        ),
        "basic-retired": _known(
            20, D, "550 5.7.30", "Basic authentication is not supported for Client Submission."
        ),
        "token-ends-soon": _known(
            21, F, "501 5.5.127", "Invalid XOAUTH2 auth data - Token will expire soon"
        ),
        "not-logged-in": _known(22, D, "530 5.7.57", "Client not authenticated to send mail."),
        "login-busy": _known(23, F, "454 4.7.0", "Temporary authentication failure", _HOST),
        "mailbox-logon": _known(
            24,
            F,
            "430 4.2.0",
            "STOREDRV; mailbox logon failure; Failed to process message due to a transient"
            " exception with message Cannot open mailbox. MapiExceptionLogonFailed: Unable to open"
            " message store.",
            _HOST_NAME,
        ),
        # The sender's identity.
        "send-as-mail": _known(
            25, D, "550 5.7.60", "SMTP; Client does not have permissions to send as this sender"
        ),
        "send-as": _known(
            26,
            F,
            "554 5.2.252",
            "SendAsDenied; {login} not allowed to send as {sender};"
            " STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed"
            " to process message due to a permanent exception with message Cannot submit message.",
            _HOST_NAME,
        ),
        "send-as-older": _known(
            26, F, "554 5.2.0", "STOREDRV.Submission.Exception:SendAsDeniedException"
        ),
        "no-from": _known(
            27, D, "550 5.7.512", "Access denied, message must be RFC 5322 section 3.6.2 compliant"
        ),
        "many-authors": _known(
            28, M, "550 5.1.20", "Multiple From addresses are not allowed without Sender address"
        ),
        "bad-sender": _known(29, D, "550 5.1.8", "Access denied, bad outbound sender"),
        "banned-sender": _known(30, D, "550 5.7.501", "Access denied, spam abuse detected"),
        "banned-sender-2": _known(30, D, "550 5.7.502", "Access denied, banned sender"),
        "banned-sender-3": _known(30, D, "550 5.7.503", "Access denied, banned sender"),
        # Limits.
        "many-connections": _known(
            31,
            F,
            "432 4.3.2",
            "Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for"
            " more information.",
            _HOST_NAME,
        ),
        "many-threads": _known(
            31, D, "432 4.3.2", "STOREDRV.ClientSubmit; sender thread limit exceeded"
        ),
        "submission-quota": _known(
            33, D, "554 5.2.0", "STOREDRV.Submission.Exception:SubmissionQuotaExceededException"
        ),
        "submission-quota-2": _known(33, D, "554 5.2.2", "Submission quota exceeded"),
        "daily-recipients": _known(
            34, D, "550 5.1.90", "You've reached your daily limit for message recipients"
        ),
        "tenant-recipients": _known(
            35,
            D,
            "550 5.7.233",
            "Your message can't be sent because your tenant exceeded its daily limit for sending"
            " email to external recipients",
        ),
        "trial-recipients": _known(
            35, M, "550 5.7.232", "Your trial tenant exceeded its daily limit"
        ),
        "onmicrosoft-recipients": _known(
            36, F, "550 5.7.236", "The limit of external recipients of onmicrosoft.com is exceeded"
        ),
        "mailbox-full": _known(
            37, D, "554 5.2.2", "mailbox full; STOREDRV.Submission.Exception:QuotaExceededException"
        ),
        "many-recipients": _known(38, D, "452 4.5.3", "Too many recipients"),
        "too-large": _known(39, M, "552 5.3.4", "Message size exceeds fixed maximum message size"),
        "receive-limit": _known(40, D, "450 5.2.121", "Recipient's per hour limit exceeded"),
        "receive-limit-2": _known(40, D, "450 5.2.122", "Recipient's per hour limit exceeded"),
        # For the time being.
        "try-later": _known(
            41, F, "451 4.7.0", "Temporary server error. Please try again later. PRX5"
        ),
        "forest-busy": _known(
            42,
            F,
            "421 4.3.2",
            "The maximum number of concurrent connections per resource forest has exceeded a limit,"
            " closing transmission channel. PRX8",
        ),
        "not-active": _known(42, F, "421 4.3.2", "Service not active"),
        "server-busy": _known(
            43, D, "451 4.7.500", "Server busy. Please try again later from [192.0.2.1]. (S77719)"
        ),
        "suspicious": _known(44, D, "451 4.7.850", "Access denied, please try again later"),
        "recipient-busy": _known(
            45, D, "432 4.3.2", "STOREDRV.Deliver; recipient thread limit exceeded"
        ),
        # What the servers behind the MX say; a submission server never does.
        "relay-denied": _known(46, D, "550 5.7.64", "TenantAttribution; Relay Access Denied"),
        "direct-send": _known(
            47,
            F,
            "550 5.7.68",
            "TenantInboundAttribution; Direct Send not allowed for this organization from"
            " unauthorized sources",
        ),
        "wrong-region": _known(
            48, D, "451 4.4.62", "Mail sent to the wrong Office 365 region. ATTR35"
        ),
        "no-relay": _known(49, D, "550 5.4.1", "Relay Access Denied"),
        "unknown-there": _known(49, D, "550 5.4.1", "Recipient address rejected: Access denied"),
        "banned-address": _known(50, D, "550 5.7.606", "Access denied, banned sending IP"),
        "spamhaus": _known(
            51, D, "550 5.7.1", "Service unavailable, Client host blocked using Spamhaus"
        ),
        "banned-name": _known(51, D, "550 5.7.511", "Access denied, banned sender"),
        "bad-helo": _known(52, D, "550 5.7.506", "Access Denied, Bad HELO"),
        "no-reverse-name": _known(
            53, D, "550 5.7.25", "Access denied, the sending IPv6 address must have a reverse DNS"
        ),
        "ipv6-unsigned": _known(
            53, D, "450 4.7.26", "Access denied, a message sent over IPv6 must pass SPF or DKIM"
        ),
        # Tenant and content.
        "tenant-threshold": _known(
            54, D, "550 5.7.705", "Access denied, tenant has exceeded threshold"
        ),
        "low-reputation": _known(
            55, D, "550 5.7.708", "Access denied, traffic not accepted from this IP"
        ),
        "unregistered-domain": _known(
            56, D, "550 5.7.750", "Client blocked from sending from unregistered domain"
        ),
        "block-list": _known(
            57, D, "550 5.7.703", "Your message can't be delivered: Tenant Allow/Block List"
        ),
        "bare-lf": _known(58, D, "550 5.6.11", "Invalid characters"),
        "dmarc": _known(
            59,
            D,
            "550 5.7.509",
            "Access denied, sending domain does not pass DMARC verification and has a DMARC policy"
            " of reject",
        ),
        "unaligned": _known(
            60,
            D,
            "550 5.7.515",
            "Access denied, sending domain does not meet the required authentication level",
        ),
        "spf": _known(61, D, "550 5.7.23", "The message was rejected because of SPF violation"),
        "unknown-recipient": _known(62, D, "550 5.1.10", "Recipient not found"),
        "unknown-mailbox": _known(62, D, "550 5.1.1", "Bad destination mailbox address"),
        "group-internal": _known(63, D, "550 5.7.12", "Sender was not authenticated"),
        "group-members": _known(63, D, "550 5.7.124", "Sender not in allowed-senders list"),
        "expired": _known(64, D, "450 4.4.7", "Message expired"),
        # Of the protocol, in no row.
        "unrecognized": _known(0, F, "500 5.3.3", "Unrecognized command"),
        "arguments": _known(0, F, "501 5.5.4", "Invalid arguments"),
        "sequence": _known(0, M, "503 5.5.2", "Bad sequence of commands"),
        "stopping": _known(0, F, "421 4.3.2", "Service not available"),
    }
)

CODE_GUESSED = frozenset({27, 30, 34, 38, 40, 44, 49, 51, 52, 53, 58, 59, 61, 62, 63, 64})
"""Rows for which the source names the enhanced code only."""


def make_reply(name: str, place: Place, **facts: str) -> Reply:
    """The reply of this name, its places filled, with its trailer."""
    known = REPLIES[name]
    text = known.text.format_map(facts) if "{" in known.text else known.text
    match known.trailer:
        case Trailer.HOST:
            text = f"{text} [{place.host}]"
        case Trailer.HOST_NAME:
            text = f"{text} [Hostname={place.host}]"
        case Trailer.SESSION:
            moment = f"{place.now:%Y-%m-%dT%H:%M:%S}.{place.now.microsecond // 1000:03}Z"
            text = f"{text} [{place.host} {moment} {place.session_id}]"
        case Trailer.NONE:
            pass
    return Reply(known.code, known.enhanced, (text,))
