"""What a next hop can take: its answer to EHLO, and how a message has to be offered to it. Pure.

RFC 5321 4.1.1.1 (EHLO), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 3030 (CHUNKING, BINARYMIME),
RFC 6531 (SMTPUTF8), RFC 3461 (DSN), RFC 9422 (LIMITS), RFC 8689 (REQUIRETLS).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Recipient, TlsWish

_SEVEN_BIT, _EIGHT_BIT, _BINARY = Body.SEVEN_BIT, Body.EIGHT_BIT, Body.BINARY
_REQUIRED = TlsWish.REQUIRED


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server announced. All off: it only knows HELO.

    `size` says that MAIL takes SIZE; `size_limit` is its fixed limit in octets, None without one.
    `mechanisms` are upper case. `recipients_max` and `mails_max` count per transaction and per
    session, None without a limit.
    """

    pipelining: bool = False
    starttls: bool = False
    eight_bit: bool = False
    chunking: bool = False
    binary: bool = False
    smtputf8: bool = False
    dsn: bool = False
    requiretls: bool = False
    size: bool = False
    size_limit: int | None = None
    mechanisms: tuple[str, ...] = ()
    recipients_max: int | None = None
    mails_max: int | None = None


def read_capabilities(lines: Sequence[bytes]) -> Capabilities:
    """Read the lines of a 250 to EHLO; the first one greets. What is unknown is passed over."""
    keywords: dict[str, list[str]] = {}
    for line in lines[1:]:
        # "AUTH=LOGIN" is how servers of the 1990s wrote it; some still do, beside the right one.
        words = line.decode("ascii", "replace").upper().replace("AUTH=", "AUTH ", 1).split()
        if words:
            keywords.setdefault(words[0], []).extend(words[1:])
    limits = dict(word.partition("=")[::2] for word in keywords.get("LIMITS", ()))
    return Capabilities(
        pipelining="PIPELINING" in keywords,
        starttls="STARTTLS" in keywords,
        eight_bit="8BITMIME" in keywords,
        chunking="CHUNKING" in keywords,
        binary="BINARYMIME" in keywords and "CHUNKING" in keywords,
        smtputf8="SMTPUTF8" in keywords,
        dsn="DSN" in keywords,
        requiretls="REQUIRETLS" in keywords,
        size="SIZE" in keywords,
        # RFC 1870 section 4: "A parameter value of 0 (zero) indicates that no fixed maximum".
        size_limit=_positive(keywords.get("SIZE", [""])[:1]),
        mechanisms=tuple(dict.fromkeys(keywords.get("AUTH", ()))),
        recipients_max=_positive([limits.get("RCPTMAX", "")]),
        mails_max=_positive([limits.get("MAILMAX", "")]),
    )


def _positive(words: Sequence[str]) -> int | None:
    word = words[0] if words else ""
    if not (word.isascii() and word.isdigit() and len(word) <= 20):
        return None
    return int(word) or None


@dataclass(frozen=True, slots=True)
class ContentTraits:
    """What a look at the content gave: octets beyond ASCII anywhere; header fields beyond ASCII
    at the top or, possibly, inside (RFC 6532)."""

    eight_bit: bool
    international: bool


_REQUIRETLS_MISSING = {
    False: FailureKind.REQUIRETLS_WITHOUT_TLS,
    True: FailureKind.REQUIRETLS_NOT_OFFERED,
}
"""By whether the session is verified. RFC 8689 section 4.2.1: 5.7.10 and 5.7.30."""


def needs_look(capabilities: Capabilities, envelope: Envelope) -> bool:
    """Whether it depends on the content if and how the server can be offered the message.

    Clients ask for 8BITMIME or SMTPUTF8 because it was offered to them, not because they need it.
    """
    return (envelope.body is _EIGHT_BIT and not capabilities.eight_bit) or (
        envelope.smtputf8 and not capabilities.smtputf8
    )


def fit(
    capabilities: Capabilities,
    envelope: Envelope,
    *,
    size_octets: int,
    traits: ContentTraits | None = None,
    is_verified: bool = False,
) -> Envelope | Failure:
    """The envelope as the server can take it, or why it can not take the message at all.

    `traits` must be given when `needs_look` says so. `is_verified`: the session has TLS with a
    server that is who it should be.
    """
    if envelope.tls_wish is _REQUIRED and not (is_verified and capabilities.requiretls):
        if envelope.reverse_path is not None:
            return Failure(_REQUIRETLS_MISSING[is_verified])
        # RFC 8689 section 5: with a null reverse-path "the REQUIRETLS parameter SHOULD NOT cause a
        # bounce message to be discarded even if the next-hop relay does not advertise REQUIRETLS".
        envelope = replace(envelope, tls_wish=TlsWish.NONE)
    limit = capabilities.size_limit
    # RFC 1870 section 6.1: a client that knows the size should not offer what is over the limit.
    if limit is not None and size_octets > limit:
        return Failure(FailureKind.TOO_LARGE, str(limit))
    # RFC 3030 section 3: "a client SMTP MUST NOT send" BINARYMIME where it is not offered.
    if envelope.body is _BINARY and not capabilities.binary:
        return Failure(FailureKind.BINARY_NOT_TAKEN)
    path = envelope.reverse_path
    if path is not None and not capabilities.smtputf8 and not path.local_part.isascii():
        return Failure(FailureKind.UTF8_NOT_TAKEN)
    if traits is None or not needs_look(capabilities, envelope):
        return envelope
    if envelope.smtputf8 and not capabilities.smtputf8:
        # RFC 6531 section 3.2: the client "MUST NOT transmit a mail message containing
        # internationalized mail headers" where SMTPUTF8 is not offered. One that merely was
        # marked so is no such message.
        if traits.international:
            return Failure(FailureKind.UTF8_NOT_TAKEN)
        envelope = replace(envelope, smtputf8=False)
    if envelope.body is Body.EIGHT_BIT and not capabilities.eight_bit:
        # RFC 6152 section 3: convert, or "treat this as a permanent error".
        if traits.eight_bit:
            return Failure(FailureKind.EIGHT_BIT_NOT_TAKEN)
        envelope = replace(envelope, body=Body.SEVEN_BIT)
    return envelope


def looks_international(header: bytes, *, body_is_ascii: bool) -> bool:
    """Whether content with this header block may have header fields beyond ASCII at some level.

    The fields of inner parts are not read: an 8-bit body that may have parts counts.
    """
    if not header.isascii():
        return True
    lowered = header.lower()
    return not body_is_ascii and (b"multipart/" in lowered or b"message/" in lowered)


def path_text(mailbox: Mailbox, *, smtputf8: bool) -> str | None:
    """The mailbox as it goes on the wire; None where it can not without SMTPUTF8.

    RFC 6531 section 3.2: where SMTPUTF8 is not offered, the client "MUST NOT transmit an
    internationalized email address"; a domain as A-label is not one.
    """
    address = mailbox.address
    if smtputf8 or address.isascii():
        return address
    if mailbox.local_part.isascii():
        return f"{mailbox.local_part}@{mailbox.domain_key}"
    return None


def mail_command(capabilities: Capabilities, envelope: Envelope, *, size_octets: int) -> str:
    """MAIL with the parameters that the server knows; `envelope` must have been made to fit."""
    path = envelope.reverse_path
    command = f"MAIL FROM:<{'' if path is None else path_text(path, smtputf8=envelope.smtputf8)}>"
    if capabilities.size:
        command += f" SIZE={size_octets}"
    if envelope.body is not _SEVEN_BIT:
        command += f" BODY={envelope.body.value}"
    if envelope.smtputf8:
        command += " SMTPUTF8"
    if capabilities.dsn:
        if envelope.ret is not None:
            command += f" RET={envelope.ret.value}"
        if envelope.envid:
            command += f" ENVID={envelope.envid}"
    if envelope.tls_wish is _REQUIRED:
        command += " REQUIRETLS"
    return f"{command}\r\n"


def rcpt_command(capabilities: Capabilities, recipient: Recipient, *, smtputf8: bool) -> str:
    """RCPT with the parameters of RFC 3461 where the server knows them."""
    command = f"RCPT TO:<{path_text(recipient.forward_path, smtputf8=smtputf8)}>"
    if capabilities.dsn:
        if recipient.notify:
            command += f" NOTIFY={_notify_text(recipient.notify)}"
        # RFC 6533 section 3: the form beyond ASCII may only go where SMTPUTF8 is in force.
        if recipient.orcpt and (smtputf8 or recipient.orcpt.isascii()):
            command += f" ORCPT={recipient.orcpt}"
    return f"{command}\r\n"


def _notify_text(notify: Notify) -> str:
    # RFC 3461 section 4.1: "the NEVER keyword MUST appear by itself".
    if Notify.NEVER in notify:
        return "NEVER"
    return ",".join(flag.name or "" for flag in notify)
