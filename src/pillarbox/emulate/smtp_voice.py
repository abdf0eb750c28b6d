"""Says what the protocol core says in the words of smtp.office365.com. Pure.

The core's replies come as octets; those that the emulator itself decided are Microsoft's already.
"""

from datetime import datetime

from pillarbox.emulate.replies import Place, make_reply
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import Reply

ANNOUNCED_OCTETS = 157_286_400
"""The SIZE of EHLO, 150 MiB, whatever a mailbox may send."""

_REFUSALS = {
    Refusal.AUTH_NEEDS_ENCRYPTION: "starttls-required",
    Refusal.AUTH_REQUIRED: "not-logged-in",
    Refusal.SIZE_EXCEEDED: "too-large",
    Refusal.TOO_MANY_RECIPIENTS: "many-recipients",
    Refusal.BARE_LINE_END: "bare-lf",
    Refusal.SHUTTING_DOWN: "stopping",
    Refusal.TIMEOUT: "socket-error",
}
_BY_CODE = {
    "421": "not-active",
    "500": "unrecognized",
    "501": "arguments",
    "502": "unrecognized",
    "503": "sequence",
    "504": "mechanism",
    "538": "mechanism",
    "550": "arguments",
    "552": "too-large",
    "553": "arguments",
    "554": "unrecognized",
    "555": "arguments",
}
"""For refusals of the core that nobody has seen at Microsoft."""

_POSITIVE = {
    "214 ": "help",
    "220 ": "ready-for-tls",
    "221 ": "bye",
    "250 2.0.0 Chunk taken": "chunk-taken",
    "252 ": "not-verified",
}
"""By how the core's reply begins."""


def _head(refusal: Refusal) -> str:
    """How a refusal of the core begins, up to the first place that is filled."""
    text = refusal.value
    return f"{text.code} {text.enhanced} {text.text.partition('{')[0]}"


_HEADS = tuple((_head(refusal), name) for refusal, name in _REFUSALS.items())


class Voice:
    """The words of one session. `failed_login` is the refusal of the last AUTH, if it failed."""

    def __init__(self, place: Place, address: str) -> None:
        self._place = place
        self._address = address
        self.failed_login: Reply | None = None

    def greeting(self, now: datetime) -> bytes:
        """The 220 that opens a session."""
        moment = f"{now:%a, %-d %b %Y %H:%M:%S} +0000"
        place = self._place
        return (
            f"220 {place.host} Microsoft ESMTP MAIL Service ready at {moment}"
            f" [{place.session_id}]\r\n"
        ).encode("ascii")

    def say(self, octets: bytes, *, encrypted: bool) -> bytes:
        """The core's replies, as Microsoft would give them."""
        if not octets:
            return b""
        said: list[bytes] = []
        is_within = False
        for line in octets.decode("ascii").split("\r\n")[:-1]:
            # Only EHLO has a reply of several lines.
            if line[3] == "-":
                is_within = True
            elif is_within:
                is_within = False
                said.append(self._capabilities(encrypted=encrypted))
            else:
                said.append(self._translate(line))
        return b"".join(said)

    def named(self, name: str, now: datetime, **facts: str) -> Reply:
        """A reply by its name in emulate.replies."""
        place = Place(self._place.host, self._place.session_id, now)
        return make_reply(name, place, **facts)

    def _capabilities(self, *, encrypted: bool) -> bytes:
        lines = [
            f"{self._place.host} Hello [{self._address}]",
            f"SIZE {ANNOUNCED_OCTETS}",
            "PIPELINING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "AUTH LOGIN XOAUTH2" if encrypted else "STARTTLS",
            "8BITMIME",
            "BINARYMIME",
            "CHUNKING",
            "SMTPUTF8",
        ]
        return Reply(250, "", tuple(lines)).encode()

    def _translate(self, line: str) -> bytes:
        name = _POSITIVE.get(line) or _POSITIVE.get(line[:4])
        if line[0] in "45" and line.endswith(f"[{self._place.session_id}]"):
            heads = (name for head, name in _HEADS if line.startswith(head))
            name = next(heads, _BY_CODE.get(line[:3]))
        if line == f"250 {self._place.host}":
            return f"{line} Hello [{self._address}]\r\n".encode("ascii")
        if name is None:
            return f"{line}\r\n".encode("ascii")
        reply = make_reply(name, self._place)
        if name == "not-logged-in" and self.failed_login is not None:
            text = f"{reply.text} Error: {self.failed_login}"
            reply = Reply(reply.code, reply.enhanced, (text,))
        return reply.encode()
