"""What the server side of SMTP asks and tells its shell (smtp.server).

An event that asks for a decision is answered by `ServerProtocol.accept()` or `refuse()`; the
docstring of each says whether it does.
"""

from dataclasses import field
from typing import TypeAlias

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.values import quick


@quick(frozen=True, slots=True)
class Credentials:
    """What a client presented (RFC 4954). `authzid` is "" where it names nobody else.

    `mechanism` is "PLAIN" or "LOGIN".
    """

    mechanism: str
    username: str
    password: str = field(repr=False)
    authzid: str = ""


@quick(frozen=True, slots=True)
class BearerToken:
    """An OAuth2 token that a client presented for the account `username` (RFC 7628).

    `mechanism` is "OAUTHBEARER" or "XOAUTH2".
    """

    mechanism: str
    username: str
    token: str = field(repr=False)


@quick(frozen=True, slots=True)
class StartTls:
    """STARTTLS was asked for. accept() queues the 220: write it, shake hands, `tls_started()`."""


@quick(frozen=True, slots=True)
class Login:
    """Credentials to check: `set_account()` then accept(), or refuse()."""

    credentials: Credentials


@quick(frozen=True, slots=True)
class TokenLogin:
    """A token to check: `set_account()` then accept(), or refuse()."""

    presented: BearerToken


@quick(frozen=True, slots=True)
class ScramFirst:
    """Who wants to prove a password, in the client's first message of SCRAM: `challenge()` with
    the server's first message, or refuse()."""

    username: str
    message: str = field(repr=False)


@quick(frozen=True, slots=True)
class ScramFinal:
    """The proof, in the client's final message: `challenge()` with the server's, or refuse()."""

    message: str = field(repr=False)


@quick(frozen=True, slots=True)
class ScramEnd:
    """The client has read the server's final message: `set_account()` then accept()."""


@quick(frozen=True, slots=True)
class MailFrom:
    """MAIL: may this envelope be opened? `size` is the SIZE parameter in octets, None if absent."""

    envelope: Envelope
    size: int | None


@quick(frozen=True, slots=True)
class RcptTo:
    """RCPT: is this recipient taken?"""

    recipient: Recipient


@quick(frozen=True, slots=True)
class ContentStart:
    """DATA, or the first BDAT of a transaction: may the content come?"""


@quick(frozen=True, slots=True)
class Content:
    """A block of content as it is to be kept (dot-stuffing undone). No answer."""

    octets: bytes


@quick(frozen=True, slots=True)
class ContentEnd:
    """All content is here, `size` octets: accept() says that it is kept, refuse() that it is not.

    The transaction is over in either case.
    """

    size: int


@quick(frozen=True, slots=True)
class ContentAbort:
    """The content so far is void and no more of it comes: discard it. No answer.

    `refusal` says why; None where the client gave up (RSET between chunks, QUIT, a new EHLO).
    """

    refusal: Refusal | None


ServerEvent: TypeAlias = (
    StartTls
    | Login
    | TokenLogin
    | ScramFirst
    | ScramFinal
    | ScramEnd
    | MailFrom
    | RcptTo
    | ContentStart
    | Content
    | ContentEnd
    | ContentAbort
)
