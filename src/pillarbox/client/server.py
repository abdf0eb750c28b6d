"""Which server a client sends by, from what a program writes."""

from dataclasses import dataclass

from pillarbox.client.errors import ArgumentError
from pillarbox.diagnosis.target import read_target
from pillarbox.errors import AddressError
from pillarbox.publish.client_settings import Encryption

SUBMISSION_PORT = 587

_CONTROLS = "\x7f\x85\u2028\u2029"


@dataclass(frozen=True, slots=True)
class Server:
    """A server: TLS from the first octet, or STARTTLS."""

    host: str
    port: int
    is_implicit: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_address(text: str) -> bool:
    """Whether it names a mailbox, whose server is to be found."""
    return "@" in text and ":" not in text


def read_server(text: str) -> Server:
    """Read smtp://, submission:// (STARTTLS, port 587), smtps://, submissions:// (TLS, port 465),
    or HOST:PORT; on port 465 smtp:// means TLS. Raises ArgumentError."""
    check_text("the server", text)
    fix = "write smtp://host:587 or smtps://host; the login goes into auth="
    if "@" in text:
        # It is not repeated: a password may stand in it.
        raise ArgumentError("the server is named together with a login", fix=fix)
    try:
        target = read_target(text)
    except AddressError as exc:
        raise ArgumentError(str(exc), fix=fix) from exc
    encryption = target.encryption or Encryption.STARTTLS
    return Server(target.host, target.port or SUBMISSION_PORT, encryption is Encryption.TLS)


def check_text(what: str, text: str) -> None:
    """Raises ArgumentError for what check_controls() refuses, and for half of a surrogate pair, as
    file names have it whose octets are no UTF-8: it can not be written."""
    check_controls(what, text)
    check_encodable(what, text)


def check_controls(what: str, text: str) -> None:
    """Raises ArgumentError for CR, LF, NUL and other characters that control something: they could
    end a command or a header field and begin another. Unicode's ends of lines count as such, too
    (so they do for the email package). So does what is no text."""
    check_is_text(what, text)
    if any(character < " " or character in _CONTROLS for character in text):
        raise ArgumentError(f"{what} has a control character", fix="leave out CR, LF and NUL")


def check_given(what: str, text: str) -> None:
    """Raises ArgumentError for what check_text() refuses, and for nothing, as a variable of the
    environment has it that is not set."""
    check_text(what, text)
    if not text:
        raise ArgumentError(f"{what} is empty", fix="give what the registration says")


def check_is_text(what: str, given: object) -> None:
    """Raises ArgumentError for what is no str, such as a variable that is not set."""
    if not isinstance(given, str):
        raise ArgumentError(f"{what} is no text but {type(given).__name__}", fix="give a str")


def check_encodable(what: str, text: str) -> None:
    """Raises ArgumentError for a text that has no octets in UTF-8."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ArgumentError(
            f"{what} has a character that is none (a surrogate)",
            fix='replace it: text.encode("utf-8", "replace").decode()',
        )
