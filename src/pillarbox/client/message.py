"""What goes out for a message of a program: envelope and octets.

RFC 5322 3.6.2 and 3.6.6 (who sends, whom the resent fields name), RFC 6532 (header fields beyond
ASCII). A program's own message is trusted here; the server judges it.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from email.generator import BytesGenerator
from email.message import Message
from email.policy import EmailPolicy
from email.utils import getaddresses
from io import BytesIO
from typing import TypeAlias

from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Recipient

Sendable: TypeAlias = "Message[str, str] | bytes"
"""A message of the email package, or the octets of one."""

_RECIPIENT_FIELDS = ("To", "Cc", "Bcc")
_HIDDEN_FIELDS = ("Bcc", "Resent-Bcc")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready for one transaction; `content` has CRLF line ends and no Bcc."""

    envelope: Envelope
    recipients: tuple[Recipient, ...]
    content: bytes


def prepare(message: Sendable, *, sender: str | None, recipients: Sequence[str] | None) -> Outgoing:
    """Make envelope and octets; what is not given is taken from the header fields.

    Raises ValueError when there is no sender or no recipient, AddressError for a bad address.
    """
    if isinstance(message, bytes):
        if sender is None or recipients is None:
            raise ValueError("octets need sender= and recipients=: their header is not read")
        senders, addresses = [sender], list(recipients)
    else:
        senders = [sender] if sender is not None else _senders(message)
        addresses = list(recipients) if recipients is not None else _addresses(message)
    if not senders or not addresses:
        missing = "sender" if not senders else "recipient"
        raise ValueError(f"the message names no {missing}")
    reverse_path = parse_mailbox(senders[0]) if senders[0] else None
    paths = tuple(parse_mailbox(address) for address in dict.fromkeys(addresses))
    return _outgoing(message, reverse_path, paths)


def _outgoing(
    message: Sendable, reverse_path: Mailbox | None, paths: tuple[Mailbox, ...]
) -> Outgoing:
    named = paths if reverse_path is None else (reverse_path, *paths)
    international = not all(path.is_ascii for path in named)
    content = (
        _with_crlf(message)
        if isinstance(message, bytes)
        else _flatten(message, international=international)
    )
    header = content.partition(b"\r\n\r\n")[0]
    envelope = Envelope(
        reverse_path,
        body=Body.SEVEN_BIT if content.isascii() else Body.EIGHT_BIT,
        smtputf8=international or not header.isascii(),
    )
    recipients = tuple(Recipient(number, path) for number, path in enumerate(paths))
    return Outgoing(envelope, recipients, content)


def _senders(message: "Message[str, str]") -> list[str]:
    resent = "Resent-" if "Resent-From" in message else ""
    # RFC 5322 3.6.2: with several authors, Sender names the one who sends.
    name = f"{resent}Sender" if f"{resent}Sender" in message else f"{resent}From"
    return _read(message, (name,))


def _addresses(message: "Message[str, str]") -> list[str]:
    resent = "Resent-" if "Resent-From" in message else ""
    return _read(message, tuple(f"{resent}{name}" for name in _RECIPIENT_FIELDS))


def _read(message: "Message[str, str]", names: Sequence[str]) -> list[str]:
    values = [str(value) for name in names for value in message.get_all(name, [])]
    return [address for _, address in getaddresses(values) if address]


def _flatten(message: "Message[str, str]", *, international: bool) -> bytes:
    visible = copy.copy(message)
    for name in _HIDDEN_FIELDS:
        del visible[name]
    out = BytesIO()
    policy = message.policy
    if international and isinstance(policy, EmailPolicy):
        policy = policy.clone(utf8=True)
    BytesGenerator(out, policy=policy).flatten(visible, linesep="\r\n")
    return out.getvalue()


def _with_crlf(octets: bytes) -> bytes:
    """Line ends as SMTP has them (RFC 5321 2.3.8), whatever the program wrote."""
    plain = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return plain.replace(b"\n", b"\r\n")
