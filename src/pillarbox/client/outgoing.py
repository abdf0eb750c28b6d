"""What goes out for a message of a program: envelope and content.

RFC 5322 3.6.2 and 3.6.6 (who sends, whom the resent fields name), RFC 6532 (header fields beyond
ASCII). A program's own message is trusted here; the server judges it.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from typing import IO, TYPE_CHECKING, TypeAlias, cast

from pillarbox.client.content import Content, of_file, of_octets
from pillarbox.client.errors import ArgumentError
from pillarbox.client.options import Dsn
from pillarbox.client.server import check_is_text
from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Recipient, Ret, TlsWish
from pillarbox.values import quick

if TYPE_CHECKING:
    from email.message import Message as EmailMessage

    from pillarbox.client.builder import Message

Sendable: TypeAlias = "Message | EmailMessage[str, str] | bytes | IO[bytes]"
"""A message of ours or of the email package, the octets of one, or a binary file of them."""

_SEVEN_BIT, _EIGHT_BIT = Body.SEVEN_BIT, Body.EIGHT_BIT

_RECIPIENT_FIELDS = ("To", "Cc", "Bcc")
_OCTETS = (bytes, bytearray, memoryview)
_CACHED = 1024
"""A program often writes for the same few, and for one at a time."""

_WRITTEN_IN_LINES = frozenset({"text", "multipart", "message"})

_HIDDEN_FIELDS = ("Bcc", "Resent-Bcc")

MAX_ENVID = 100
"""RFC 3461 section 4.4."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message for send_all(), with what send() would be given beside it."""

    message: Sendable
    sender: str | None = None
    recipients: Iterable[str] | None = None
    dsn: Dsn | None = None
    require_tls: bool = False


@quick(frozen=True, slots=True)
class Outgoing:
    """A message ready for its transactions. `seven_bit` makes the same content without octets
    beyond ASCII in it, where that can be done. `has_dsn`: delivery reports are asked for."""

    envelope: Envelope
    recipients: tuple[Recipient, ...]
    content: Content
    seven_bit: Callable[[], Content] | None = None
    has_dsn: bool = False


def prepare(
    message: Sendable,
    *,
    sender: str | None = None,
    recipients: Iterable[str] | None = None,
    dsn: Dsn | None = None,
    require_tls: bool = False,
) -> Outgoing:
    """Make envelope and content; what is not given is taken from the header fields. Raises
    ArgumentError."""
    if not isinstance(require_tls, bool):
        raise ArgumentError(f"require_tls={require_tls!r}", fix="write True or False")
    made = _prepare(message, sender, recipients, dsn)
    if not require_tls:
        return made
    return replace(made, envelope=replace(made.envelope, tls_wish=TlsWish.REQUIRED))


def _prepare(
    message: Sendable,
    sender: str | None,
    recipients: Iterable[str] | None,
    dsn: Dsn | None,
) -> Outgoing:
    if sender is not None:
        check_is_text("sender=", sender)
    if dsn is not None and not isinstance(dsn, Dsn):
        raise ArgumentError("dsn= is no Dsn", fix='write Dsn(notify=["failure"])')
    given = None if recipients is None else _given(recipients)
    if isinstance(message, _OCTETS):
        octets = bytes(message)
        content = of_octets(octets)
        senders, addresses = _named_in_octets(octets, sender, given)
        return _outgoing(content, senders, addresses, dsn)
    if isinstance(message, type):
        raise _no_message(message.__name__)
    if hasattr(message, "read"):
        if sender is None or given is None:
            raise ArgumentError("a message file needs sender= and recipients=")
        content = _of_file(cast("IO[bytes]", message))
        try:
            return _outgoing(content, [sender], given, dsn)
        except ArgumentError:
            content.discard()
            raise
    made = message.build() if hasattr(message, "build") else message
    if not hasattr(made, "raw_items"):
        raise _no_message(type(made).__name__)
    return _of_email(cast("EmailMessage[str, str]", made), sender, given, dsn)


def _no_message(name: str) -> ArgumentError:
    fix = 'give a Message, an EmailMessage, bytes (text.encode()) or a file, open(…, "rb")'
    return ArgumentError(f"{name} is no message", fix=fix)


def _of_file(file: IO[bytes]) -> Content:
    content = of_file(file)
    if content.size:
        return content
    content.discard()
    raise ArgumentError(
        "the message file is empty, or stands at its end", fix="go to its beginning: file.seek(0)"
    )


def _given(recipients: Iterable[str]) -> list[str]:
    """The addresses, of whatever can be gone through. Raises ArgumentError."""
    if isinstance(recipients, str):
        return [recipients]
    if isinstance(recipients, _OCTETS) or not isinstance(recipients, Iterable):
        raise ArgumentError("recipients= names nobody", fix='write ["name@example.org"]')
    found = list(recipients)
    for one in found:
        check_is_text("a recipient", one)
    return found


def _of_email(
    message: "EmailMessage[str, str]",
    sender: str | None,
    given: Sequence[str] | None,
    dsn: Dsn | None,
) -> Outgoing:
    senders = [sender] if sender is not None else _senders(message)
    addresses = list(given) if given is not None else _addresses(message)
    paths = [one for one in (*senders, *addresses) if one]
    international = not all(one.isascii() for one in paths) or _needs_utf8(message)
    _check_encoded(message)

    def seven_bit() -> Content:
        return of_octets(_flatten(message, utf8=international, cte_type="7bit"))

    content = of_octets(_flatten(message, utf8=international, cte_type="8bit"))
    return _outgoing(content, senders, addresses, dsn, seven_bit)


def _outgoing(
    content: Content,
    senders: Sequence[str],
    addresses: Iterable[str],
    dsn: Dsn | None,
    seven_bit: Callable[[], Content] | None = None,
) -> Outgoing:
    wanted = list(dict.fromkeys(addresses))
    if not senders or not wanted:
        missing = "sender" if not senders else "recipient"
        raise ArgumentError(
            f"the message names no {missing}", fix=f"give {missing}{'s' * bool(senders)}="
        )
    international = not all(map(str.isascii, (senders[0], *wanted)))
    body = _SEVEN_BIT if content.is_ascii else _EIGHT_BIT
    smtputf8 = international or not content.header.isascii()
    if dsn is None:
        envelope = _envelope(senders[0], body, smtputf8)
        recipients = tuple([_recipient(number, address) for number, address in enumerate(wanted)])
        return Outgoing(envelope, recipients, content, seven_bit)
    reverse_path = _mailbox(senders[0]) if senders[0] else None
    envelope = Envelope(reverse_path, body, smtputf8, _ret(dsn), _envid(dsn.envelope_id))
    notify = _notify(dsn)
    paths = [_mailbox(address) for address in wanted]
    recipients = tuple(
        Recipient(number, path, notify, _orcpt(path)) for number, path in enumerate(paths)
    )
    has_dsn = any(each.orcpt for each in recipients)
    return Outgoing(envelope, recipients, content, seven_bit, has_dsn)


@lru_cache(_CACHED)
def _envelope(sender: str, body: Body, smtputf8: bool) -> Envelope:
    return Envelope(_mailbox(sender) if sender else None, body, smtputf8)


@lru_cache(_CACHED)
def _recipient(number: int, address: str) -> Recipient:
    return Recipient(number, _mailbox(address))


def _mailbox(address: str) -> Mailbox:
    try:
        return parse_mailbox(address)
    except AddressError as exc:
        raise ArgumentError(
            f"{address!r} is no address: {exc}", fix="write it as name@example.org"
        ) from exc


def _ret(dsn: Dsn) -> Ret | None:
    match dsn.ret:
        case None:
            return None
        case "full":
            return Ret.FULL
        case "headers":
            return Ret.HEADERS
        case other:
            raise ArgumentError(f"ret={other!r}", fix='write "full" or "headers"')


def _notify(dsn: Dsn) -> Notify:
    notify = Notify.DEFAULT
    words = (dsn.notify,) if isinstance(dsn.notify, str) else dsn.notify
    if not isinstance(words, Iterable):
        raise ArgumentError(f"notify={words!r}", fix='write ["failure"] and such')
    for word in words:
        try:
            notify |= Notify[word.upper()]
        except (KeyError, AttributeError) as exc:
            fix = 'write "success", "failure", "delay" or "never"'
            raise ArgumentError(f"notify={word!r}", fix=fix) from exc
    if Notify.NEVER in notify and notify is not Notify.NEVER:
        raise ArgumentError("notify names never beside others", fix="write never alone")
    return notify


def _orcpt(path: Mailbox) -> str:
    """RFC 3461 section 4.2. An address beyond ASCII is left out: the server knows it anyway."""
    return f"rfc822;{xtext(path.address)}" if path.is_ascii else ""


def _envid(text: str) -> str:
    check_is_text("envelope_id", text)
    if not text.isascii() or not text.isprintable() or len(text) > MAX_ENVID:
        raise ArgumentError(f"envelope_id is printable ASCII of at most {MAX_ENVID} characters")
    return xtext(text)


def xtext(text: str) -> str:
    """RFC 3461 section 4: what could end or change a parameter goes in hexadecimal."""
    return "".join(f"+{ord(c):02X}" if c in "+= " else c for c in text)


def _named_in_octets(
    octets: bytes, sender: str | None, given: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Sender and recipients; the header as it was given is read only where one is missing."""
    if sender is not None and given is not None:
        return [sender], list(given)
    from email.parser import BytesHeaderParser
    from email.policy import compat32

    header = octets.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    fields = BytesHeaderParser(policy=compat32).parsebytes(header)
    senders = [sender] if sender is not None else _senders(fields)
    return senders, list(given) if given is not None else _addresses(fields)


def _senders(message: "EmailMessage[str, str]") -> list[str]:
    resent = _resent(message)
    # RFC 5322 3.6.2: with several authors, Sender names the one who sends.
    name = f"{resent}Sender" if f"{resent}Sender" in message else f"{resent}From"
    return _read(message, (name,))


def _addresses(message: "EmailMessage[str, str]") -> list[str]:
    resent = _resent(message)
    return _read(message, tuple(f"{resent}{name}" for name in _RECIPIENT_FIELDS))


def _resent(message: "EmailMessage[str, str]") -> str:
    """How the fields begin that count. Raises ArgumentError where nobody can say which those are:
    new ones stand above the others (RFC 5322 3.6.6), or below, where a program added them."""
    names = [key.lower() for key, _ in message.raw_items()]
    if any(names.count(name) > 1 for name in ("resent-from", "resent-date")):
        raise ArgumentError(
            "the message has been resent more than once", fix="give sender= and recipients="
        )
    return "Resent-" if "resent-from" in names else ""


def _needs_utf8(message: "EmailMessage[str, str]") -> bool:
    """Whether its header can not be written in ASCII: an address is beyond it, or the package was
    given a whole field as text that it does not encode. Names and texts can be, whatever policy the
    program chose."""
    is_wished = getattr(message.policy, "utf8", False)
    for _, value in message.raw_items():
        if hasattr(value, "fold"):
            if not all(one.addr_spec.isascii() for one in getattr(value, "addresses", ())):
                return True
        elif is_wished and not str(value).isascii():
            return True
    return False


def _check_encoded(message: "EmailMessage[str, str]") -> None:
    """Line ends are made CRLF, so octets that are no text would arrive changed. Raises
    ArgumentError for a part that has them as they are."""
    for part in message.walk():
        if (
            str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "binary"
            and part.get_content_maintype() not in _WRITTEN_IN_LINES
        ):
            raise ArgumentError(
                f"a part ({part.get_content_type()}) is not encoded",
                fix='let it be: cte="base64", as add_attachment() does by itself',
            )


def _read(message: "EmailMessage[str, str]", names: Sequence[str]) -> list[str]:
    from email.utils import getaddresses

    # What get_all() gives has marks in place of raw UTF-8.
    raw = [(key.lower(), value) for key, value in message.raw_items()]
    fields = [(name, value) for name in names for key, value in raw if key == name.lower()]
    for name, value in fields:
        _check_parsed(message, name, value)
    return [
        address for _, address in getaddresses([_text_of(value) for _, value in fields]) if address
    ]


def _text_of(value: object) -> str:
    """A field of RFC 6532 came as octets; those that are no UTF-8 stay marked, so that an address
    with some is refused."""
    text = str(value)
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _check_parsed(message: "EmailMessage[str, str]", name: str, value: object) -> None:
    """The email package drops what it can not read, such as all behind a semicolon. Raises
    ArgumentError where it has lost or made up an address."""
    from email.errors import InvalidHeaderDefect
    from email.policy import EmailPolicy
    from email.utils import getaddresses

    policy = message.policy
    if not isinstance(policy, EmailPolicy):
        return
    if not any(isinstance(one, InvalidHeaderDefect) for one in getattr(value, "defects", ())):
        return
    folded = policy.clone(utf8=True).fold(name, value)  # type: ignore[arg-type] # a str of its own
    meant = getaddresses([folded.partition(":")[2].replace("\r\n", "").replace("\n", "")])
    if {address for _, address in meant} != {address for _, address in getaddresses([str(value)])}:
        raise ArgumentError(
            f"the field {name} can not be read",
            fix="put commas between addresses, or give sender= and recipients=",
        )


def _flatten(message: "EmailMessage[str, str]", *, utf8: bool, cte_type: str) -> bytes:
    from email.errors import MessageError
    from email.generator import BytesGenerator
    from email.policy import EmailPolicy

    visible = copy.copy(message)
    for name in _HIDDEN_FIELDS:
        del visible[name]
    out = BytesIO()
    policy = message.policy.clone(cte_type=cte_type)
    if isinstance(policy, EmailPolicy):
        policy = policy.clone(utf8=utf8)
    try:
        BytesGenerator(out, policy=policy).flatten(visible, linesep="\r\n")
    except (UnicodeError, MessageError) as exc:
        # Such as half a surrogate pair in its text, or a line end in a field.
        raise ArgumentError(
            f"the message can not be written: {type(exc).__name__}",
            fix="look for a line end in a field, or a character that no charset has",
        ) from exc
    return out.getvalue()
