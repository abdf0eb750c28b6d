"""Content-Transfer-Encoding, undone while the octets pass by (RFC 2045 section 6). Pure."""

from binascii import a2b_base64, a2b_qp
from typing import Protocol

MAX_LINE_OCTETS = 64 * 1024
"""Of quoted-printable: lines have 76, and whoever writes longer ones does not write this long."""

_BLANKS = b" \t\r\n"


class Decoder(Protocol):
    """Gives what it was fed, decoded. Both methods raise ValueError for what is not so encoded."""

    def feed(self, octets: bytes) -> bytes:
        """More of the content."""
        ...

    def end(self) -> bytes:
        """That was all."""
        ...


def decoder_of(encoding: str) -> Decoder | None:
    """What undoes this encoding; None for one that nobody knows."""
    match encoding.lower():
        case "" | "7bit" | "8bit" | "binary":
            return _Plain()
        case "base64":
            return _Base64()
        case "quoted-printable":
            return _QuotedPrintable()
        case _:
            return None


class _Plain:
    def feed(self, octets: bytes) -> bytes:
        return octets

    def end(self) -> bytes:
        return b""


class _Base64:
    """Strict: what programs could read in different ways is refused, but for padding that is not
    there."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_over = False

    def feed(self, octets: bytes) -> bytes:
        text = self._rest + octets.translate(None, _BLANKS)
        usable = len(text) // 4 * 4
        self._rest = text[usable:]
        return self._decode(text[:usable])

    def end(self) -> bytes:
        rest, self._rest = self._rest, b""
        return self._decode(rest + b"=" * (-len(rest) % 4))

    def _decode(self, text: bytes) -> bytes:
        if not text:
            return b""
        if self._is_over:
            raise ValueError("base64 goes on behind its end")
        self._is_over = text.endswith(b"=")
        return a2b_base64(text, strict_mode=True)


class _QuotedPrintable:
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> bytes:
        text = self._rest + octets
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        if len(self._rest) > MAX_LINE_OCTETS:
            raise ValueError("a line has no end")
        return a2b_qp(text[:end])

    def end(self) -> bytes:
        rest, self._rest = self._rest, b""
        return a2b_qp(rest)
