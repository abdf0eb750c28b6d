"""Arguments of MAIL, RCPT and BDAT as text, and the values that they stand for.

RFC 5321 section 4.1.2 and 4.1.1.11, with the parameters of RFC 1870 (SIZE), 3030 and 6152 (BODY),
3461 (RET, ENVID, NOTIFY, ORCPT), 4954 (AUTH), 6531 (SMTPUTF8) and 8689 (REQUIRETLS). Lines come
without CR LF and without control characters. All that is wrong is a `CommandError`; nothing here
knows the state of a session.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias, TypeVar

from pillarbox.errors import AddressError, RemoteProtocolError
from pillarbox.explain.refusals import Fact, Refusal
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Recipient, Ret, TlsWish

MAX_ENVID_CHARACTERS = 100
"""RFC 3461 section 4.4; counted before it is encoded."""

MAX_ORCPT_CHARACTERS = 500
"""RFC 3461 lets ORCPT make RCPT longer by this much; counted before it is encoded."""

MAX_SIZE_DIGITS = 20
"""RFC 1870 section 4: "size-value ::= 1*20DIGIT"."""

# Some devices leave out the angle brackets or put blanks around them. The source route of
# RFC 5321 4.1.2 ("@a,@b:") is seen and left out; a quoted local part may hold anything.
_PATH = (
    r'(?:< *+(?:@[^<>:",\s]+(?:,@[^<>:",\s]+)*:(?! *>))?((?:"(?:[^"\\]|\\.)*")?[^<>"\s]*) *+>'
    r'|([^<>"\s]+))(?: +(.*))?'
)
_FROM = re.compile(rf" *+FROM: *+{_PATH}", re.IGNORECASE)
_TO = re.compile(rf" *+TO: *+{_PATH}", re.IGNORECASE)
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")

_CACHED = 1024
"""Those who send say the same again and again; each is not longer than a command line."""

_MAIL_FORM = "MAIL FROM:<name@domain>"
_RCPT_FORM = "RCPT TO:<name@domain>"

_NOT_ONE = "there has to be one address alone, without blanks in it"

_MAIL_KEYWORDS = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "REQUIRETLS"})
_WITH_AUTH = _MAIL_KEYWORDS | {"AUTH"}
_RCPT_KEYWORDS = frozenset({"NOTIFY", "ORCPT"})

_Values: TypeAlias = Mapping[str, str | None]
_Choice = TypeVar("_Choice")

_BODIES = {body.value: body for body in Body}
_RETS = {ret.value: ret for ret in Ret}
_NOTIFY = {"SUCCESS": Notify.SUCCESS, "FAILURE": Notify.FAILURE, "DELAY": Notify.DELAY}


class CommandError(RemoteProtocolError):
    """The argument of a command is refused: why, and what fills the places of that text."""

    def __init__(self, refusal: Refusal, **facts: Fact) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal
        self.facts = facts


@lru_cache(_CACHED)
def parse_mail(argument: str, *, offers_auth: bool = True) -> tuple[Envelope, int | None]:
    """Read what follows MAIL: the envelope, and the octets that SIZE declares (None if absent).

    Where the server `offers_auth` AUTH= is known, too. Raises CommandError.
    """
    match = _FROM.fullmatch(argument)
    if match is None:
        raise _path_error(argument, "FROM:", Refusal.SYNTAX_SENDER, _MAIL_FORM)
    angled, bare, parameters = match.groups()
    address = angled if bare is None else bare
    if not parameters:
        return Envelope(_mailbox(address, Refusal.SYNTAX_SENDER) if address else None), None
    values = _parameters(parameters, _WITH_AUTH if offers_auth else _MAIL_KEYWORDS)
    smtputf8 = _flag(values, "SMTPUTF8")
    _check_auth(values)
    envelope = Envelope(
        _mailbox(address, Refusal.SYNTAX_SENDER, smtputf8=smtputf8) if address else None,
        body=_choice(values, "BODY", _BODIES) or Body.SEVEN_BIT,
        smtputf8=smtputf8,
        ret=_choice(values, "RET", _RETS),
        envid=_envid(values),
        # RFC 8689 section 4.1: "an SMTP server MUST tag that message as needing REQUIRETLS
        # handling".
        tls_wish=TlsWish.REQUIRED if _flag(values, "REQUIRETLS") else TlsWish.NONE,
    )
    return envelope, _size(values)


def parse_rcpt(argument: str, envelope: Envelope, *, number: int, host_name: str) -> Recipient:
    """Read what follows RCPT in a transaction with this envelope; `number` is the recipient's.

    RFC 5321 4.5.1: the reserved mailbox postmaster may stand without a domain; it is the one of
    `host_name`. Raises CommandError.
    """
    match = _TO.fullmatch(argument)
    if match is None:
        raise _path_error(argument, "TO:", Refusal.SYNTAX_ADDRESS, _RCPT_FORM)
    angled, bare, parameters = match.groups()
    address = angled if bare is None else bare
    if address.lower() == "postmaster":
        mailbox = Mailbox(address, host_name)
    else:
        mailbox = _mailbox(address, Refusal.SYNTAX_ADDRESS, smtputf8=envelope.smtputf8)
    if not parameters:
        return Recipient(number, mailbox)
    values = _parameters(parameters, _RCPT_KEYWORDS)
    return Recipient(number, mailbox, _notify(values), _orcpt(values, smtputf8=envelope.smtputf8))


def parse_bdat(argument: str) -> tuple[int, bool]:
    """Read what follows BDAT: the octets of the chunk, and whether it is the last one.

    Raises CommandError.
    """
    size, _, last = argument.partition(" ")
    if not _is_number(size) or last.upper() not in ("", "LAST"):
        raise CommandError(Refusal.BAD_CHUNK)
    return int(size), bool(last)


def decode_xtext(text: str) -> str | None:
    """The text that xtext stands for (RFC 3461 section 4), None where it is not valid."""
    if _XTEXT.fullmatch(text) is None:
        return None
    if "+" not in text:
        return text
    return _HEXCHAR.sub(lambda match: chr(int(match.group(1), 16)), text)


def _path_error(argument: str, label: str, refusal: Refusal, form: str) -> CommandError:
    """What to say of an argument that is no path: a bad address, or no path at all."""
    if argument.lstrip(" ")[: len(label)].upper() == label:
        return CommandError(refusal, fault=_NOT_ONE)
    return CommandError(Refusal.SYNTAX, form=form)


def _mailbox(address: str, refusal: Refusal, *, smtputf8: bool = False) -> Mailbox:
    if not smtputf8 and not address.isascii():
        # RFC 6531 3.5: a server refuses such an address where SMTPUTF8 was not asked for.
        raise CommandError(Refusal.UTF8_NOT_ASKED)
    try:
        return parse_mailbox(address)
    except AddressError as exc:
        raise CommandError(refusal, fault=str(exc)) from exc


def _is_number(text: str) -> bool:
    return 0 < len(text) <= MAX_SIZE_DIGITS and text.isascii() and text.isdigit()


def _parameters(text: str, known: frozenset[str]) -> _Values:
    """Keyword to value, None where no "=" follows. Unknown ones and repeated ones are refused."""
    values: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper() if keyword.isascii() else ""
        if keyword not in known:
            # RFC 5321 4.1.1.11: of a parameter that is not recognised, "it will return code 555".
            raise CommandError(Refusal.PARAMETER_UNKNOWN)
        if keyword in values:
            raise _invalid(keyword)
        values[keyword] = value if equals else None
    return values


def _invalid(keyword: str) -> CommandError:
    return CommandError(Refusal.PARAMETER_INVALID, parameter=keyword)


def _flag(values: _Values, keyword: str) -> bool:
    """Whether a keyword that has no value stands there."""
    if values.get(keyword) is not None:
        raise _invalid(keyword)
    return keyword in values


def _choice(values: _Values, keyword: str, choices: Mapping[str, _Choice]) -> _Choice | None:
    if keyword not in values:
        return None
    choice = choices.get((values[keyword] or "").upper())
    if choice is None:
        raise _invalid(keyword)
    return choice


def _size(values: _Values) -> int | None:
    if "SIZE" not in values:
        return None
    value = values["SIZE"] or ""
    if not _is_number(value):
        raise _invalid("SIZE")
    return int(value)


def _check_auth(values: _Values) -> None:
    """RFC 4954 section 5: AUTH= names who wrote the message first, or <>. Nobody here trusts it,
    so its form is checked and no more."""
    if "AUTH" in values and not decode_xtext(values["AUTH"] or ""):
        raise _invalid("AUTH")


def _envid(values: _Values) -> str:
    if "ENVID" not in values:
        return ""
    value = values["ENVID"] or ""
    text = decode_xtext(value)
    if not text or len(text) > MAX_ENVID_CHARACTERS or not _is_printable(text):
        raise _invalid("ENVID")
    return value


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _notify(values: _Values) -> Notify:
    if "NOTIFY" not in values:
        return Notify.DEFAULT
    words = (values["NOTIFY"] or "").upper().split(",")
    if words == ["NEVER"]:
        return Notify.NEVER
    notify = Notify.DEFAULT
    for word in words:
        # RFC 3461 4.1: NEVER stands alone, so it is not among these.
        flag = _NOTIFY.get(word)
        if flag is None:
            raise _invalid("NOTIFY")
        notify |= flag
    return notify


def _orcpt(values: _Values, *, smtputf8: bool) -> str:
    """RFC 3461 4.2; RFC 6533 section 3 lets the address be UTF-8 where SMTPUTF8 was asked for."""
    if "ORCPT" not in values:
        return ""
    value = values["ORCPT"] or ""
    address_type, semicolon, encoded = value.partition(";")
    if not semicolon or _ATOM.fullmatch(address_type) is None:
        raise _invalid("ORCPT")
    if encoded.isascii():
        text = decode_xtext(encoded)
        valid = text is not None and _is_printable(text)
    else:
        text = encoded
        valid = smtputf8 and address_type.lower() == "utf-8" and text.isprintable()
    if not valid or not text or len(text) > MAX_ORCPT_CHARACTERS:
        raise _invalid("ORCPT")
    return value
