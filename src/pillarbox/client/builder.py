"""Building a message: text, HTML, pictures, attachments, invitations. RFC 5322, 2046, 2387, 6047.

Whatever a program gives is checked before anything is made of it: no header field, file name or
address can bring a line end into the message.
"""

import mimetypes
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, getaddresses, localtime, make_msgid
from pathlib import Path
from typing import IO, Self, TypeAlias

from pillarbox.client.errors import ArgumentError
from pillarbox.client.server import check_controls, check_encodable, check_is_text, check_text
from pillarbox.errors import AddressError
from pillarbox.mail.address import parse_mailbox

Source: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes]"
"""A path, the octets, or a binary file."""

Addresses: TypeAlias = str | tuple[str, str] | Iterable[str | tuple[str, str]]
"""`"a@example.org"`, `"Name <a@example.org>"`, `("Name", "a@example.org")`, or several of them."""

_RESERVED = frozenset(
    {
        *("from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id"),
        *("mime-version", "content-type", "content-transfer-encoding", "content-disposition"),
    }
)
_POLICY = SMTP.clone(cte_type="8bit")


_UNKNOWN_TYPE = "application/octet-stream"
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*")
_FIELD_NAME = re.compile(r"[!-9;-~]+")
_LINE_CHARACTERS, _MAX_LINE_CHARACTERS = 78, 998
"""RFC 5322 section 2.1.1: what a line should have at most, and what it may have."""

_SHOWN_CHARACTERS = 100
_SOURCE_FIX = "give the path of a file, its octets (text.encode()) with name=, or open(…, 'rb')"

_QUOTED_PAIR = re.compile(r"\\(.)")
_ADDRESS_FIX = "Write name@example.org, or Name <name@example.org>"
_SEVERAL_FIX = "Give each by itself, not in one text; a name with a comma needs double quotes"


@dataclass(frozen=True, slots=True)
class _Part:
    octets: bytes
    maintype: str
    subtype: str
    name: str = ""
    cid: str = ""


@dataclass(frozen=True, slots=True)
class _Form:
    text: str
    subtype: str
    parameters: dict[str, str] = field(default_factory=dict)


class Message:
    """A message in the making. All arguments are checked when they are given: ArgumentError.

    message = Message(sender="app@example.org", to="Ann <ann@example.net>", subject="Report",
                      text="All is well.")
    message.attach("report.pdf")
    client.send(message)
    """

    def __init__(
        self,
        *,
        sender: str | tuple[str, str],
        to: Addresses | None = (),
        cc: Addresses | None = (),
        bcc: Addresses | None = (),
        reply_to: Addresses | None = (),
        subject: str = "",
        text: str | None = None,
        html: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._fields = {
            "From": [_address("sender", sender)],
            "To": _addresses("to", to),
            "Cc": _addresses("cc", cc),
            "Bcc": _addresses("bcc", bcc),
            "Reply-To": _addresses("reply_to", reply_to),
        }
        check_text("subject", subject)
        self._subject = subject
        self._text = None if text is None else _body("text", text)
        self._html = None if html is None else _body("html", html)
        if not isinstance(headers or {}, Mapping):
            raise ArgumentError("headers= names no fields", fix='write {"X-Order": "4711"}')
        self._headers = [_header(name, value) for name, value in (headers or {}).items()]
        self._alternatives: list[_Form] = []
        self._inline: list[_Part] = []
        self._attachments: list[_Part] = []

    def attach(self, source: Source, *, name: str = "", content_type: str = "") -> Self:
        """Attach a file. `name` and `content_type` default to what the path says."""
        self._attachments.append(_part(source, name, content_type))
        return self

    def inline(self, source: Source, *, name: str = "", content_type: str = "") -> str:
        """Put in a picture that the HTML shows: gives what stands in `src="…"` ("cid:…")."""
        domain = self._fields["From"][0].domain
        cid = make_msgid(domain=domain)[1:-1]
        self._inline.append(_part(source, name, content_type, cid=cid))
        return f"cid:{cid}"

    def alternative(self, text: str, subtype: str) -> Self:
        """Another form of the text, such as "markdown" (text/markdown): who can, shows the last."""
        _content_type(f"text/{subtype}")
        self._alternatives.append(_Form(_body("text", text), subtype))
        return self

    def calendar(self, calendar: str, *, method: str = "REQUEST") -> Self:
        """An invitation in iCalendar (RFC 5545), as mail programs know it (RFC 6047)."""
        if not isinstance(method, str) or not method.isascii() or not method.isalpha():
            raise ArgumentError(f"method={method!r}", fix='write "REQUEST", "CANCEL", "REPLY" …')
        text = "\n".join(_body("calendar", calendar).splitlines()) + "\n"
        self._alternatives.append(_Form(text, "calendar", {"method": method.upper()}))
        return self

    def set_html(self, html: str) -> Self:
        """Set the HTML, where it needs what `inline` gave."""
        self._html = _body("html", html)
        return self

    @property
    def source_octets(self) -> int:
        """How large about what it was given is."""
        texts = [self._text or "", self._html or "", *[form.text for form in self._alternatives]]
        parts = [part.octets for part in (*self._inline, *self._attachments)]
        return sum(map(len, texts)) + sum(map(len, parts))

    def build(self) -> EmailMessage:
        """The message of the email package, with Date and Message-ID."""
        message = EmailMessage(policy=_POLICY)
        for name, addresses in self._fields.items():
            if addresses:
                message[name] = addresses
        message["Subject"] = self._subject
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain=self._fields["From"][0].domain)
        for name, value in self._headers:
            message[name] = _as_given(name, value)
        self._fill(message)
        return message

    def _fill(self, message: EmailMessage) -> None:
        holder: MIMEPart = message
        if self._text is None and self._html is not None:
            message.set_content(self._html, subtype="html")
        else:
            message.set_content(self._text or "")
            if self._html is not None:
                message.add_alternative(self._html, subtype="html")
                holder = list(message.iter_parts())[-1]
        for part in self._inline:
            holder.add_related(
                part.octets,
                part.maintype,
                part.subtype,
                cid=f"<{part.cid}>",
                filename=part.name or None,
                disposition="inline",
            )
        for other in self._alternatives:
            message.add_alternative(other.text, other.subtype, "utf-8", params=other.parameters)
        for part in self._attachments:
            message.add_attachment(
                part.octets, part.maintype, part.subtype, filename=part.name or None
            )


def _part(source: Source, name: str, content_type: str, *, cid: str = "") -> _Part:
    check_text("the file name", name)
    octets, path_name = _read(source)
    name = name or path_name
    check_text("the file name", name)
    guessed = content_type or mimetypes.guess_type(name)[0] or _UNKNOWN_TYPE
    maintype, subtype = _content_type(guessed)
    if maintype in ("message", "multipart"):
        # Those may not be encoded (RFC 2046 5.2), so they would not arrive as they are.
        maintype, subtype = "application", "octet-stream"
    return _Part(octets, maintype, subtype, name, cid)


def _read(source: Source) -> tuple[bytes, str]:
    """The octets, and the name of the file. Raises ArgumentError, and what reading raises."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), ""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            check_controls("the path", str(path))
            return path.read_bytes(), path.name
        except ArgumentError as exc:
            # Most often it is the text of the attachment itself.
            raise ArgumentError(str(exc.args[0]), fix=_SOURCE_FIX) from exc
        except OSError as exc:
            what = f"{str(path)[:_SHOWN_CHARACTERS]!r} can not be read: {exc.strerror}"
            raise ArgumentError(what, fix=_SOURCE_FIX) from exc
    if isinstance(source, type) or not hasattr(source, "read"):
        raise ArgumentError(f"{type(source).__name__} is no file", fix=_SOURCE_FIX)
    if getattr(source, "closed", False) or not getattr(source, "readable", lambda: True)():
        what = "a file has been closed, or is open for writing alone"
        raise ArgumentError(what, fix="attach it inside of with open(…, 'rb')")
    octets = source.read()
    if not isinstance(octets, bytes):
        raise ArgumentError("a file must be opened in binary mode", fix="open(…, 'rb')")
    name = getattr(source, "name", "")
    return octets, Path(name).name if isinstance(name, str) else ""


def _content_type(text: str) -> tuple[str, str]:
    if _CONTENT_TYPE.fullmatch(text) is None:
        raise ArgumentError(f"content_type={text!r}", fix='write "image/png" and such')
    maintype, _, subtype = text.lower().partition("/")
    return maintype, subtype


def _body(what: str, text: str) -> str:
    check_is_text(what, text)
    if "\0" in text:
        raise ArgumentError(f"{what} has a NUL character", fix="leave it out")
    check_encodable(what, text)
    return text


def _header(name: str, value: str) -> tuple[str, str]:
    check_text("the name of a field", name)
    if _FIELD_NAME.fullmatch(name) is None:
        raise ArgumentError(f"{name!r} is no name of a header field")
    if name.lower() in _RESERVED:
        raise ArgumentError(f"the field {name} has an argument or is made here")
    check_text(f"the field {name}", value)
    return name, value


class _Field(str):
    """A field that is written as it was given: lines end at its blanks alone.

    The email package takes long words of a field that it does not know for text and encodes them,
    and then the references of a thread and the address to unsubscribe by say nothing to anybody.
    """

    name = ""

    def fold(self, *, policy: EmailPolicy) -> str:
        """Its lines, as the email package asks for them (RFC 5322 section 2.2.3)."""
        first, *words = self.split(" ")
        lines = [f"{self.name}: {first}"]
        for word in words:
            if word and len(lines[-1]) + len(word) >= _LINE_CHARACTERS and lines[-1].strip():
                lines.append("")
            lines[-1] += f" {word}"
        return policy.linesep.join(lines) + policy.linesep


def _as_given(name: str, value: str) -> str:
    """The value of a field, as it is where it can be."""
    longest = max(map(len, value.split(" ")))
    if not value.isascii() or len(name) + len(": ") + longest > _MAX_LINE_CHARACTERS:
        return value
    field = _Field(value)
    field.name = name
    return field


def _addresses(what: str, given: Addresses | None) -> list[Address]:
    if given is None:
        return []
    if isinstance(given, str) or (isinstance(given, tuple) and _is_pair(given)):
        return [_address(what, given)] if given else []
    if not isinstance(given, Iterable):
        raise ArgumentError(f"{what}: {given!r} is no address", fix=_ADDRESS_FIX)
    return [_address(what, one) for one in given]


def _is_pair(given: tuple[object, ...]) -> bool:
    """`("Name", "a@example.org")` is one address, `("a@example.org", "b@example.org")` are two."""
    return len(given) == 2 and isinstance(given[0], str) and "@" not in given[0]


def _address(what: str, given: "str | tuple[str, str]") -> Address:
    if isinstance(given, str):
        check_text(what, given)
        found = getaddresses([given])
        if len(found) > 1:
            raise ArgumentError(f"{what}: {given!r} is no address but several", fix=_SEVERAL_FIX)
        name, address = found[0] if found else ("", "")
        if not address or (not name and address != given.strip().strip("<>")):
            raise ArgumentError(f"{what}: {given!r} is no address", fix=_ADDRESS_FIX)
    else:
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise ArgumentError(f"{what}: {given!r} is no address", fix=_ADDRESS_FIX)
        name, address = given
        check_text(what, name)
        check_text(what, address)
    try:
        mailbox = parse_mailbox(address)
    except AddressError as exc:
        raise ArgumentError(f"{what}: {address!r} is no address: {exc}", fix=_ADDRESS_FIX) from exc
    # With a domain in A-labels the message needs no SMTPUTF8 for its sake.
    domain = mailbox.domain if mailbox.domain.isascii() else mailbox.domain_key
    local_part = mailbox.local_part
    if local_part.startswith('"'):
        # It is quoted again where it is written, if it needs that.
        local_part = _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
        if not local_part:
            raise ArgumentError(f"{what}: {address!r} names nobody", fix=_ADDRESS_FIX)
    return Address(name, local_part, domain)
