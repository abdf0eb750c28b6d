"""What arrives from clients: command lines, DATA, BDAT and SASL, against the server's protocol."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from tests.fuzz.draw import Draw
from tests.support.smtp_session import SETTINGS, Driver
from tests.support.wire import cut, is_bare, read_data, unstuffed

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import (
    ContentEnd,
    ContentStart,
    Login,
    MailFrom,
    RcptTo,
    ScramEnd,
    ScramFinal,
    ScramFirst,
    ServerEvent,
    StartTls,
    TokenLogin,
)
from pillarbox.smtp.sasl_mechanisms import (
    PASSWORD_MECHANISMS,
    SCRAM_MECHANISMS,
    TOKEN_MECHANISMS,
)

LIMIT = 60
"""A size limit within reach of the inputs."""

TLS = "TLSv1.3 TEST"
LATER = reply(451, "4.3.0", "Later")

_ASKING: tuple[type[ServerEvent], ...] = (
    MailFrom,
    RcptTo,
    ContentStart,
    ContentEnd,
    Login,
    StartTls,
)
_GROUP_ENDS = (ContentStart, Login, StartTls, TokenLogin, ScramFirst, ScramFinal, ScramEnd)
_LINE = re.compile(rb"([2345]\d\d)([ -])(?:([245])\.\d{1,3}\.\d{1,3} )?[\t -~]*")
_WITHOUT_ENHANCED = frozenset({b"220", b"250", b"334", b"354"})

_EARLY = (
    Refusal.EARLY_TALK,
    Refusal.INJECTED_BEFORE_TLS,
    Refusal.LINE_TOO_LONG,
    Refusal.BAD_CHUNK,
    Refusal.TOO_MANY_ERRORS,
)
"""What depends on what came together: who talks too early is found out only where it shows, and a
line without end only before its end. The session is over then."""


def split_replies(octets: bytes) -> list[bytes]:
    """The replies in what a server said; each of them must be well formed (RFC 5321 4.2)."""
    assert octets == b"" or octets.endswith(b"\r\n")
    replies: list[bytes] = []
    begun: list[bytes] = []
    for line in octets.split(b"\r\n")[:-1]:
        match = _LINE.fullmatch(line)
        assert match is not None, line
        assert len(line) + 2 <= 512
        code, mark, enhanced_class = match.groups()
        assert enhanced_class is not None or code in _WITHOUT_ENHANCED, line
        assert enhanced_class in (None, code[:1]), line
        assert not begun or begun[-1][:3] == code
        begun.append(line)
        if mark == b" ":
            replies.append(b"\r\n".join(begun))
            begun = []
    assert not begun
    assert not any(said.startswith(b"421") for said in replies[:-1])
    return replies


def run(driver: Driver, pieces: Sequence[bytes]) -> list[bytes]:
    """Feed the pieces; the replies to them. What the core keeps stays bounded all the while."""
    out: list[bytes] = []
    protocol = driver.protocol
    for piece in pieces:
        was_over = protocol.closing
        said = driver.send(piece)
        assert not (was_over and said)
        out.append(said)
        assert protocol.closing or protocol.wants_input
        limit = protocol.settings.line_limit_octets
        assert protocol.closing or len(protocol.unread) - protocol._position <= limit
        assert len(protocol.unread) <= limit + len(piece)
        assert len(protocol.refusals) <= 32
        assert len(protocol.recipients) <= protocol.recipient_limit
        assert protocol.envelope is not None or not protocol.recipients
    return split_replies(b"".join(out))


def _open(choices: tuple[int, int, int]) -> Driver:
    """A session after the greeting: its kind, its limits, and what the shell refuses."""
    kind, limits, refused = choices
    settings = replace(
        SETTINGS,
        size_limit_octets=LIMIT,
        require_tls=kind == 3,
        mail_limit=2 if limits & 1 else 0,
        error_limit=3 if limits & 2 else 20,
        command_limit_octets=100 if limits & 4 else 2048,
        line_limit_octets=200 if limits & 4 else SETTINGS.line_limit_octets,
        login_mechanisms=(*PASSWORD_MECHANISMS, *TOKEN_MECHANISMS, *SCRAM_MECHANISMS),
    )
    driver = Driver(settings, tls=TLS if kind == 1 else "", trusted=kind >= 2)
    for index, event in enumerate(_ASKING):
        if refused >> index & 1:
            driver.refusals[event] = LATER
    driver.greet()
    if kind:
        driver.send(b"EHLO x\r\n")
    return driver


def server(octets: bytes) -> None:
    """Any octets in any pieces: well-formed replies, the same for all ways to cut them, and no
    message that does not end as the rules say."""
    draw = Draw(octets)
    choices = (draw.number(4), draw.number(8), draw.number(64) if draw.flag() else 0)
    sizes = draw.sizes()
    stream = draw.rest()
    whole, split, late, single = (_open(choices) for _ in range(4))
    replies = run(whole, [stream])
    _check_alike((whole, replies), (split, run(split, cut(stream, sizes))))
    _check_alike((whole, replies), (late, _run_late(late, cut(stream, sizes))))
    _check_ends(single, stream)


def _run_late(driver: Driver, pieces: list[bytes]) -> list[bytes]:
    """The replies where each event is decided only after the next piece has come."""
    protocol = driver.protocol
    out: list[bytes] = []
    while pieces:
        protocol.receive(pieces.pop(0))
        while (event := protocol.next_event()) is not None:
            early = bool(pieces) and protocol.awaiting is event
            ends_group = isinstance(event, _GROUP_ENDS) and protocol.reader is None
            if early:
                protocol.receive(pieces.pop(0))
            driver._act(event)
            if early and ends_group and type(event) not in driver.refusals:
                # RFC 2920 3.1, RFC 3207 6: nobody knows who wrote what came before the reply.
                assert protocol.closing
        out.append(protocol.data_to_send())
    return split_replies(b"".join(out))


def _check_alike(one: tuple[Driver, list[bytes]], two: tuple[Driver, list[bytes]]) -> None:
    for mine, theirs in zip_longest(one[1], two[1]):
        if mine != theirs:
            assert any(
                driver.protocol.closing and driver.protocol.refusals[-1] in _EARLY
                for driver, _ in (one, two)
            ), (mine, theirs)
            break
    else:
        assert one[0].messages == two[0].messages
        return
    short, long = sorted((one[0].messages, two[0].messages), key=len)
    assert long[: len(short)] == short


def _check_ends(driver: Driver, stream: bytes) -> None:
    """Octet by octet it is known where content began: where it ends is a matter of the rules."""
    begun = None
    for position in range(len(stream)):
        events = len(driver.events)
        messages = len(driver.messages)
        takes_lines = not driver.protocol.in_content
        said = driver.send(stream[position : position + 1])
        if takes_lines and said and stream[max(0, position - 1) : position + 1] != b"\r\n":
            # RFC 5321 2.3.8: no other line end makes a command.
            assert said[:1] in b"45", said
        if ContentStart in map(type, driver.events[events:]):
            begun = position + 1 if said.startswith(b"354") else None
        if begun is not None and len(driver.messages) > messages:
            found = read_data(stream[begun : position + 1])
            assert found is not None
            raw, rest = found
            assert rest == b""
            assert driver.messages[-1][2] == unstuffed(raw)
            assert not is_bare(raw)
            begun = None


def _in_transaction(mail: bytes = b"") -> Driver:
    driver = _open((2, 0, 0))
    driver.send(b"MAIL FROM:<a@a.test>%b\r\nRCPT TO:<b@b.test>\r\n" % mail)
    assert len(driver.protocol.recipients) == 1
    return driver


def data(octets: bytes) -> None:
    """DATA as a line by line reading has it: content, end, and what is refused."""
    draw = Draw(octets)
    sizes = draw.sizes()
    wire = draw.rest() + b"\r\n.\r\n"
    found = read_data(wire)
    assert found is not None
    raw, rest = found
    content = unstuffed(raw)
    driver = _in_transaction()
    driver.send(b"DATA\r\n")

    replies = run(driver, cut(wire[: len(wire) - len(rest)] + b"NOOP\r\n", sizes))

    messages = [message for _, _, message in driver.messages]
    if is_bare(raw):
        assert replies[0].startswith(b"5")
        assert driver.protocol.closing
        assert messages == []
        assert len(replies) == 1
        return
    if len(content) > LIMIT:
        assert replies[0].startswith(b"552 ")
        assert messages == []
    else:
        assert replies[0] == b"250 2.0.0 Message taken"
        assert messages == [content]
    assert replies[1:] == [b"250 2.0.0 OK"]


def bdat(octets: bytes) -> None:
    """BDAT: the content is the chunks one behind the other, or it is refused as a whole."""
    draw = Draw(octets)
    sizes = draw.sizes()
    binary = draw.flag()
    lengths = [draw.number(40) for _ in range(1 + draw.number(5))]
    behind = draw.flag()
    content = draw.rest()[: sum(lengths)]
    chunks = cut(content, [length or 1 for length in lengths]) or [b""]
    stream = b"".join(
        b"BDAT %d%b\r\n%b" % (len(chunk), b" LAST" if index == len(chunks) - 1 else b"", chunk)
        for index, chunk in enumerate(chunks)
    )
    driver = _in_transaction(b" BODY=BINARYMIME" if binary else b"")

    replies = run(driver, [stream] if behind else cut(stream, sizes))

    assert driver.protocol.closing or len(replies) == len(chunks)
    messages = [message for _, _, message in driver.messages]
    if (is_bare(content) and not binary) or len(content) > LIMIT:
        assert messages == []
        assert any(answer.startswith(b"5") for answer in replies)
    else:
        assert messages == [content]
        assert all(answer.startswith(b"250 ") for answer in replies)


def sasl(octets: bytes) -> None:
    """PLAIN and LOGIN: credentials are exactly what was sent, and nothing else is a login."""
    draw = Draw(octets)
    plain, initial, encoded = draw.flag(), draw.flag(), draw.flag()
    lines = [draw.rest()] if plain else [draw.line(), draw.rest()]
    if not encoded:
        lines = [base64.b64encode(line) or b"=" for line in lines]
    lines = [line.replace(b"\r", b"").replace(b"\n", b"") for line in lines]
    driver = _open((1, 0, 0))
    replies: list[bytes] = []
    verb = b"AUTH PLAIN" if plain else b"AUTH LOGIN"
    opening = b"%b %b" % (verb, lines.pop(0)) if initial and lines[0].strip(b" ") else verb
    for line in [opening, *lines]:
        if not replies or replies[-1].startswith(b"334 "):
            replies += run(driver, [line + b"\r\n"])
    sent = [*([opening.partition(verb + b" ")[2]] if opening != verb else []), *lines]
    expected = _expected_login(sent, plain=plain, initial=opening != verb)

    logins = [(login.username, login.password) for login in driver.logins]
    assert logins == ([] if expected is None else [expected])
    assert (driver.protocol.authenticated, not logins) in ((True, False), (False, True))


def _expected_login(sent: list[bytes], *, plain: bool, initial: bool) -> tuple[str, str] | None:
    """User name and password by RFC 4616, read in another way than the server does."""
    if initial:
        sent = [b"" if sent[0].strip(b" ") == b"=" else sent[0].strip(b" "), *sent[1:]]
    try:
        words = [base64.b64decode(line, validate=True) for line in sent]
        parts = words[0].split(b"\0") if plain else [b"", *words]
        authzid, user, password = (part.decode("utf-8") for part in parts)
    except (binascii.Error, ValueError):
        return None
    controls = re.compile(r"[\x00-\x1f\x7f-\x9f]")
    if controls.search(authzid + user) or "\0" in password or not user or not password:
        return None
    if authzid and authzid.casefold() != user.casefold():
        return None
    return user, password
