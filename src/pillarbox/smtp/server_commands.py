"""The commands of the server: each is checked (in order? valid?) and then done.

A check raises CommandError and changes nothing; what a command does is to queue its reply or to
ask the shell by an event. RFC 5321 section 4.1.1, RFC 3030 (BDAT), RFC 3207 (STARTTLS), RFC 4954
(AUTH). Replies are encoded once.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.envelope import Body, TlsWish
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import ContentStart, MailFrom, RcptTo, StartTls
from pillarbox.smtp.grammar import CommandError, parse_bdat, parse_mail, parse_rcpt
from pillarbox.smtp.sasl import MAX_RESPONSE_OCTETS, Exchange, decode_base64
from pillarbox.smtp.sasl_mechanisms import exchange_for
from pillarbox.smtp.sasl_oauth import RefusedToken
from pillarbox.smtp.server_content import NO_RECIPIENT, take_chunk
from pillarbox.smtp.server_logins import go_on
from pillarbox.smtp.server_state import IN_ORDER, TRANSITIONS, ServerSettings, Session, State, Step

MAX_NAME_CHARACTERS = 255
"""How much of the name in EHLO is kept; no domain is longer (RFC 5321 4.5.3.1.2)."""

OK = reply(250, "2.0.0", "OK").encode()
BYE = reply(221, "2.0.0", "Bye").encode()
HELP = reply(
    214, "2.0.0", "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP (RFC 5321)"
).encode()
# RFC 5321 3.5.3: 252 says neither that the mailbox exists nor that it does not.
NOT_VERIFIED = reply(252, "2.0.0", "Not told here: send the message, delivery shows it").encode()

Handler = Callable[[Session, str], None]

_ORDER = "EHLO, AUTH, MAIL, RCPT, then DATA or BDAT"
_FOR_MAIL, _FOR_RCPT, _FOR_DATA = IN_ORDER["MAIL"], IN_ORDER["RCPT"], IN_ORDER["DATA"]

_BINARY = Body.BINARY
_CONTENT_START = ContentStart()


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of the table. `ends_group`: the client has to wait for the reply before it sends
    anything else (RFC 2920 section 3.1, RFC 3207, RFC 4954)."""

    run: Handler
    ends_group: bool = False


def _check_nothing(argument: str, form: str) -> None:
    """For a command that takes no argument (RFC 5321 4.1.1: blanks at the end do no harm)."""
    if argument and not argument.isspace():
        raise CommandError(Refusal.SYNTAX, form=form)


# The greeting, EHLO and HELO


@lru_cache(64)
def greeting(host_name: str) -> bytes:
    """The 220 that opens a session."""
    return reply(220, "", f"{host_name} ESMTP Pillarbox").encode()


def _greet_client(session: Session, argument: str) -> None:
    """RFC 5321 4.1.4: whatever the name, "the server MUST NOT refuse to accept a message on that
    basis".

    Clients give all sorts of names, so only one that is missing is refused.
    """
    name = argument.strip(" ")
    if not name:
        raise CommandError(Refusal.SYNTAX, form="EHLO name, so give the client a host name")
    # RFC 5321 4.1.4: a second EHLO acts as if RSET had been issued.
    session.end_transaction()
    session.state = TRANSITIONS[session.state][Step.GREETED]
    session.helo = name[:MAX_NAME_CHARACTERS].encode("ascii", "replace").decode("ascii")
    session.count_idle()


def _ehlo(session: Session, argument: str) -> None:
    _greet_client(session, argument)
    session.said_ehlo = True
    if not session.closing:
        session.out += _ehlo_reply(
            session.settings,
            bool(session.tls),
            session.size_limit_octets,
            session.recipient_limit,
        )


def _helo(session: Session, argument: str) -> None:
    _greet_client(session, argument)
    session.said_ehlo = False
    if not session.closing:
        session.say(reply(250, "", session.settings.host_name).encode())


@lru_cache(64)
def _ehlo_reply(
    settings: ServerSettings,
    encrypted: bool,
    size_limit_octets: int,
    recipient_limit: int,
) -> bytes:
    """What is offered; lines without enhanced codes (RFC 2034 section 4)."""
    mails = f" MAILMAX={settings.mail_limit}" if settings.mail_limit else ""
    lines = [
        settings.host_name,
        "PIPELINING",
        f"SIZE {size_limit_octets}",
        "8BITMIME",
        *(() if settings.is_open else ("BINARYMIME",)),
        "CHUNKING",
        "SMTPUTF8",
        *(() if settings.is_open else ("DSN",)),
        "ENHANCEDSTATUSCODES",
        f"LIMITS{mails} RCPTMAX={recipient_limit}",
    ]
    if settings.starttls and not encrypted:
        # RFC 3207 4.2: "A server MUST NOT return the STARTTLS extension in response to an EHLO
        # command received after a TLS handshake has completed."
        lines.append("STARTTLS")
    if settings.login_mechanisms and encrypted:
        lines.append(f"AUTH {' '.join(settings.login_mechanisms)}")
    if settings.requiretls and encrypted:
        lines.append("REQUIRETLS")
    return reply(250, "", *lines).encode()


# STARTTLS and AUTH


def _starttls(session: Session, argument: str) -> None:
    _check_nothing(argument, "STARTTLS")
    if session.tls:
        raise CommandError(Refusal.TLS_ALREADY_ON)
    if not session.settings.starttls:
        raise CommandError(Refusal.TLS_NOT_OFFERED)
    session.ask(StartTls())


def _check_auth(session: Session, argument: str) -> tuple[Exchange, str]:
    """RFC 4954 section 4, in the order in which the user has to mend things."""
    if not session.settings.login_mechanisms:
        raise CommandError(Refusal.LOGIN_NOT_OFFERED)
    if not session.tls:
        raise CommandError(Refusal.AUTH_BEFORE_ENCRYPTION)
    if session.authenticated:
        # RFC 4954 4: "the server MUST reject any further AUTH commands with a 503 reply".
        raise CommandError(Refusal.LOGIN_TWICE)
    if session.state is State.START:
        raise CommandError(Refusal.BAD_SEQUENCE, order=_ORDER)
    if session.state is not State.READY:
        # RFC 4954 4: "not permitted during a mail transaction".
        raise CommandError(Refusal.LOGIN_IN_TRANSACTION)
    mechanism, _, response = argument.strip(" ").partition(" ")
    exchange = exchange_for(mechanism)
    if exchange is None or mechanism.upper() not in session.settings.login_mechanisms:
        raise CommandError(Refusal.LOGIN_MECHANISM)
    return exchange, response.lstrip(" ")


def _auth(session: Session, argument: str) -> None:
    session.exchange, response = _check_auth(session, argument)
    session.state = TRANSITIONS[session.state][Step.SASL_BEGUN]
    if not response:
        go_on(session, session.exchange.start())
    else:
        # RFC 4954 4: an initial response of zero length is sent as "=".
        take_response(session, "" if response == "=" else response)


def take_response(session: Session, text: str) -> None:
    """Take one response line of a client that is logging in."""
    exchange = session.exchange
    if isinstance(exchange, RefusedToken):
        go_on(session, exchange.answer(b""))
    elif exchange is None or text == "*":
        # RFC 4954 4: a line with a single "*" cancels; the server answers 501.
        go_on(session, Refusal.LOGIN_CANCELLED)
    elif len(text) > MAX_RESPONSE_OCTETS:
        go_on(session, Refusal.LOGIN_TOO_LONG)
    else:
        response = decode_base64(text)
        go_on(session, Refusal.LOGIN_SYNTAX if response is None else exchange.answer(response))


# MAIL, RCPT and DATA: said for each message, so they do what ask() does themselves


def _mail(session: Session, argument: str) -> None:
    settings = session.settings
    if settings.require_tls and not session.tls:
        raise CommandError(Refusal.AUTH_NEEDS_ENCRYPTION)
    if not (session.authenticated or session.trusted or settings.is_open):
        # RFC 6409 4.3: "The MSA MUST by default issue an error response to the MAIL command if
        # the session has not been authenticated".
        raise CommandError(Refusal.AUTH_REQUIRED)
    if session.state not in _FOR_MAIL:
        raise _out_of_order()
    if settings.mail_limit and session.mails >= settings.mail_limit:
        raise CommandError(Refusal.TOO_MANY_MESSAGES, limit=settings.mail_limit)
    # RFC 4954 section 5: AUTH= belongs to the extension, and it is offered under TLS alone.
    offers_auth = bool(session.tls and settings.login_mechanisms)
    envelope, size = parse_mail(argument, offers_auth=offers_auth)
    if size is not None and size > session.size_limit_octets:
        # RFC 1870 6.1: 552 where the declared size is more than is taken.
        raise CommandError(Refusal.SIZE_EXCEEDED, limit=session.size_limit_octets)
    if settings.is_open and (envelope.body is _BINARY or envelope.ret or envelope.envid):
        # Bare line ends would go on in an automatic answer, and begin another message elsewhere.
        # And nobody is told what becomes of what comes back.
        raise CommandError(Refusal.PARAMETER_UNKNOWN)
    if envelope.tls_wish is TlsWish.REQUIRED:
        _check_requiretls(session)
    session.mails += 1
    session.awaiting = event = MailFrom(envelope, size)
    session.events.append(event)


def _check_requiretls(session: Session) -> None:
    if not session.settings.requiretls:
        raise CommandError(Refusal.PARAMETER_UNKNOWN)
    if not session.tls:
        # RFC 8689 section 2: "The session itself MUST employ TLS transmission."
        raise CommandError(Refusal.REQUIRETLS_IN_CLEAR)


def _rcpt(session: Session, argument: str) -> None:
    envelope = session.envelope
    if session.state not in _FOR_RCPT or envelope is None:
        raise _out_of_order()
    number = len(session.recipients)
    if number >= session.recipient_limit:
        # RFC 5321 4.5.3.1.10: "The correct reply code for this condition is 452."
        raise CommandError(Refusal.TOO_MANY_RECIPIENTS, limit=session.recipient_limit)
    recipient = parse_rcpt(argument, envelope, number=number, host_name=session.settings.host_name)
    if session.settings.is_open and (recipient.notify or recipient.orcpt):
        raise CommandError(Refusal.PARAMETER_UNKNOWN)
    session.awaiting = event = RcptTo(recipient)
    session.events.append(event)


def _data(session: Session, argument: str) -> None:
    if argument:
        _check_nothing(argument, "DATA")
    envelope = session.envelope
    if session.state not in _FOR_DATA or envelope is None:
        raise _out_of_order(NO_RECIPIENT if session.state is State.MAIL else _ORDER)
    if envelope.body is _BINARY:
        # RFC 3030 3: "BINARYMIME cannot be used with the DATA command".
        raise CommandError(Refusal.DATA_NOT_FOR_BINARY)
    session.awaiting = _CONTENT_START
    session.events.append(_CONTENT_START)


def _out_of_order(order: str = _ORDER) -> CommandError:
    return CommandError(Refusal.BAD_SEQUENCE, order=order)


# BDAT


def _bdat(session: Session, argument: str) -> None:
    try:
        chunk = parse_bdat(argument.rstrip(" "))
    except CommandError:
        # Whether a chunk follows is not known, so what was sent of the message is void.
        session.end_transaction()
        raise
    take_chunk(session, chunk)


# The small ones


def _rset(session: Session, argument: str) -> None:
    _check_nothing(argument, "RSET")
    session.end_transaction()
    _idle(session, OK)


def _noop(session: Session, _: str) -> None:
    _idle(session, OK)


def _vrfy(session: Session, _: str) -> None:
    _idle(session, NOT_VERIFIED)


def _help(session: Session, _: str) -> None:
    _idle(session, HELP)


def _idle(session: Session, answer: bytes) -> None:
    session.count_idle()
    if not session.closing:
        session.say(answer)


def _quit(session: Session, argument: str) -> None:
    if argument:
        _check_nothing(argument, "QUIT")
    session.out += BYE
    session.close()


def _not_implemented(session: Session, _: str) -> None:
    session.refuse_command(Refusal.NOT_IMPLEMENTED)


_NOT_IMPLEMENTED = Command(_not_implemented)

COMMANDS: Mapping[str, Command] = {
    "EHLO": Command(_ehlo, ends_group=True),
    "HELO": Command(_helo, ends_group=True),
    "STARTTLS": Command(_starttls, ends_group=True),
    "AUTH": Command(_auth, ends_group=True),
    "MAIL": Command(_mail),
    "RCPT": Command(_rcpt),
    "DATA": Command(_data, ends_group=True),
    "BDAT": Command(_bdat),
    "RSET": Command(_rset),
    "NOOP": Command(_noop),
    "QUIT": Command(_quit),
    "VRFY": Command(_vrfy),
    "HELP": Command(_help),
    "EXPN": _NOT_IMPLEMENTED,
    "TURN": _NOT_IMPLEMENTED,
    "ETRN": _NOT_IMPLEMENTED,
    "ATRN": _NOT_IMPLEMENTED,
    "SEND": _NOT_IMPLEMENTED,
    "SOML": _NOT_IMPLEMENTED,
    "SAML": _NOT_IMPLEMENTED,
}

_OTHER_PROTOCOLS = frozenset(
    {"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI"}
)
_HEADER_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9-]*:(?: |$)")


def speaks_another_protocol(line: str) -> bool:
    """Whether a line that is no command is one of HTTP: a browser can be led to send mail by a
    request whose body holds SMTP commands, so such a session ends at once."""
    return line.partition(" ")[0].upper() in _OTHER_PROTOCOLS or is_header_field(line)


def is_header_field(line: str) -> bool:
    """Whether a line that is no command is a field of a header, be it of HTTP or of a message."""
    return _HEADER_FIELD.match(line) is not None
