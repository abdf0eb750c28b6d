"""Command lines of the server: what a line must be before it is a command at all, and which one.

RFC 5321 2.3.8 and 4.1.1 (lines), RFC 2920 (groups). A line that is refused here is not executed,
and nothing of it stands in the reply.
"""

import re
from functools import lru_cache

from pillarbox.explain.refusals import Fact, Refusal
from pillarbox.smtp.grammar import CommandError
from pillarbox.smtp.server_commands import (
    COMMANDS,
    Command,
    is_header_field,
    speaks_another_protocol,
    take_response,
)
from pillarbox.smtp.server_logins import go_on
from pillarbox.smtp.server_state import Session, State

_TLS_HANDSHAKE = b"\x16\x03"
"""How a TLS connection begins (RFC 8446 5.1: a handshake record, legacy version 3.x)."""

_PROXY_PROTOCOL = (b"PROXY TCP", b"PROXY UNKNOWN", b"\r\n\r\n\0\r\nQUIT\n")
"""How a load balancer begins that puts the address of its client before the session: version 1 of
the PROXY protocol, and version 2."""

OPENING_OCTETS = 16
"""So many octets tell which other protocol a connection begins with."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_USUAL = frozenset({b"EHLO ", b"MAIL ", b"RCPT ", b"DATA\r", b"RSET\r", b"QUIT\r"})
_REMEMBERED = 1024
"""Lines that begin so are said again and again, and none of them holds a secret."""

_CONTENT_UNASKED = (
    "MAIL, RCPT, then DATA or BDAT; content came though DATA was refused: the reply before that"
    " says why"
)
"""The order, for who sends a message without reading replies: it may show its user the last one."""

_SASL = State.SASL


def refuse_tls_handshake(session: Session, octets: bytes) -> bool:
    """Whether these octets begin TLS where plain text is due; then the session is over."""
    if session.tls or not octets.startswith(_TLS_HANDSHAKE):
        return False
    session.hang_up(Refusal.WRONG_PORT)
    return True


def refuse_proxy_protocol(session: Session, octets: bytes) -> bool:
    """Whether the first octets of a connection are those of a load balancer; then the session is
    over: its client would take the reply to them for one to its EHLO."""
    if not octets.startswith(_PROXY_PROTOCOL):
        return False
    session.hang_up(Refusal.PROXY_PROTOCOL)
    return True


def check_unfinished(session: Session, octets: bytes) -> None:
    """Look at the beginning of a line whose end has not come: it may be none, or endless."""
    if refuse_tls_handshake(session, octets):
        return
    limit = _limit(session, octets)
    if len(octets) > limit:
        session.hang_up(Refusal.LINE_TOO_LONG, limit=limit)


def _limit(session: Session, line: bytes) -> int:
    if session.state is State.SASL or line[:5].upper() == b"AUTH ":
        return session.settings.line_limit_octets
    return session.settings.command_limit_octets


def run_line(session: Session, line: bytes, *, more: bool) -> None:
    """Take one line up to its LF. `more`: there are octets behind it already."""
    said = None
    if (
        line[:5].upper() in _USUAL
        and len(line) < session.settings.command_limit_octets
        and session.state is not _SASL
    ):
        said = _read_usual(line)
    if said is None:
        said = _read_unusual(session, line, more=more)
        if said is None:
            return
    command, argument = said
    if more and command.ends_group:
        # RFC 2920 3.1: these "can only appear as the last command in a group"; what stands behind
        # them was not written by a client that waits for replies.
        injected = command is COMMANDS["STARTTLS"]
        session.hang_up(Refusal.INJECTED_BEFORE_TLS if injected else Refusal.EARLY_TALK)
        return
    try:
        command.run(session, argument)
    except CommandError as exc:
        session.refuse_command(exc.refusal, **exc.facts)
        if more and exc.refusal is Refusal.BAD_CHUNK:
            # Where the chunk ends is not known, so what follows may be a part of it.
            session.close()


@lru_cache(_REMEMBERED)
def _read_usual(line: bytes) -> tuple[Command, str] | None:
    """The command and the argument of a line up to its LF; None where it needs another look."""
    if line[-1:] != b"\r" or not line.isascii():
        return None
    text = line[:-1].decode("ascii")
    if not text.isprintable():
        return None
    verb, _, argument = text.partition(" ")
    return COMMANDS[verb.upper()], argument


def _read_unusual(session: Session, line: bytes, *, more: bool) -> tuple[Command, str] | None:
    """The command and the argument of any line; None where it was none, and was answered."""
    if line[-1:] != b"\r":
        # RFC 5321 2.3.8: "Conforming implementations MUST NOT recognize or generate any other
        # character or character sequence as a line terminator."
        if session.state is _SASL:
            # The client reads that its login failed: what it says next is a command.
            go_on(session, Refusal.BARE_LF_COMMAND)
        else:
            _refuse_line(session, line, Refusal.BARE_LF_COMMAND)
    elif session.state is not _SASL:
        return _read_command(session, line[:-1])
    elif more:
        session.hang_up(Refusal.EARLY_TALK)
    else:
        take_response(session, line[:-1].decode("ascii", "replace"))
    return None


def _refuse_line(session: Session, line: bytes, refusal: Refusal, **facts: Fact) -> None:
    """Refuse what can not be a command; a line that begins TLS ends the session."""
    if not refuse_tls_handshake(session, line):
        session.refuse_command(refusal, **facts)


def _read_command(session: Session, line: bytes) -> tuple[Command, str] | None:
    if len(line) + 2 > session.settings.command_limit_octets:
        limit = _limit(session, line)
        if len(line) + 2 > limit:
            _refuse_line(session, line, Refusal.LINE_TOO_LONG, limit=limit)
            return None
    text = _decode(line)
    if text is None:
        _refuse_line(session, line, Refusal.SYNTAX, form="text in ASCII or UTF-8")
        return None
    if not text.isprintable() and _CONTROLS.search(text):
        _refuse_line(session, line, Refusal.CONTROL_CHARACTER)
        return None
    verb, _, argument = text.partition(" ")
    command = COMMANDS.get(verb) or COMMANDS.get(verb.upper() if verb.isascii() else "")
    if command is not None:
        return command, argument
    if is_header_field(text) and Refusal.BAD_SEQUENCE in session.refusals:
        session.hang_up(Refusal.BAD_SEQUENCE, order=_CONTENT_UNASKED)
    elif speaks_another_protocol(text):
        session.hang_up(Refusal.WRONG_PROTOCOL)
    else:
        session.refuse_command(Refusal.UNKNOWN_COMMAND)
    return None


def _decode(line: bytes) -> str | None:
    """The line as text; None where it is none."""
    if line.isascii():
        return line.decode("ascii")
    # Names in EHLO come in any encoding, and no name is a reason to refuse a client.
    lenient = line[:5].upper() in (b"EHLO ", b"HELO ")
    try:
        return line.decode("utf-8", "replace" if lenient else "strict")
    except UnicodeDecodeError:
        return None
