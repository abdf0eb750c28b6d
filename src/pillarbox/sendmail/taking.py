"""Takes one message from a program: makes it whole, sends it, keeps what can not go now."""

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from pillarbox.profiles import Profile
from pillarbox.sendmail import codes
from pillarbox.sendmail.letter import (
    Additions,
    Letter,
    addresses_of,
    author_of,
    complete,
    read_letter,
    recipients_of,
)
from pillarbox.sendmail.options import Options
from pillarbox.sendmail.spool import Mail, Spool, new_id

if TYPE_CHECKING:
    from pillarbox.sendmail.deliver import Verdict

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Refusal(Exception):
    """The message can not be taken: an exit code and a line."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Taken(NamedTuple):
    """What became of a message that was handed over: `mail` and `content` as they were sent.
    `is_kept`: some recipients wait in the spool. `lost`: these do not get it."""

    code: int
    text: str
    mail: Mail
    content: bytes
    is_kept: bool = False
    lost: tuple[str, ...] = ()

    @property
    def is_served(self) -> bool:
        """Whether somebody has it or gets it later."""
        return len(self.lost) < len(self.mail.recipients)


def hand_over(options: Options, profile: Profile, octets: bytes) -> Taken:
    """Send a message, or keep it. Raises Refusal."""
    letter = read_letter(octets, dot_is_text=options.dot_is_text)
    mail = _envelope(options, profile, letter)
    now = int(mail.created)
    full_name = options.full_name or profile.full_name
    author = _in_ascii(mail.sender)
    domain = author.rpartition("@")[2] or os.uname().nodename
    content = complete(
        letter,
        Additions(author, full_name, _date(now), f"{mail.id}@{domain}"),
    )
    spool = Spool(profile.spool) if profile.spool else None
    if options.queue_only and spool is not None:
        spool.put(mail, content)
        return Taken(codes.OK, "", mail, content, is_kept=True)
    from pillarbox.sendmail.deliver import Courier

    courier = Courier(profile)
    try:
        verdict = courier.send(mail, content)
    finally:
        courier.close()
    return _settle(spool, mail, content, verdict)


def _settle(spool: Spool | None, mail: Mail, content: bytes, verdict: "Verdict") -> Taken:
    """Keep what may go later. Who calls is told with the exit code of what can not."""
    if not verdict.waiting or spool is None:
        lost = (*verdict.refused, *verdict.waiting)
        return Taken(verdict.code, verdict.text, mail, content, lost=lost)
    kept = mail._replace(recipients=verdict.waiting, attempts=1, last=verdict.text)
    spool.put(kept, content)
    code = verdict.code if verdict.refused else codes.OK
    waits = f"it waits in {spool.folder} as {mail.id}; `pillarbox-sendmail -q` sends it"
    text = f"{verdict.text}\n{waits}"
    return Taken(code, text, mail, content, is_kept=True, lost=verdict.refused)


def _envelope(options: Options, profile: Profile, letter: Letter) -> Mail:
    # What has no form of an address is left to the client to refuse.
    named = [one for word in options.recipients for one in addresses_of(word) or [word]]
    if options.from_header:
        named += recipients_of(letter)
    recipients = tuple(dict.fromkeys(_full_address(one, profile) for one in named))
    if not recipients:
        where = "in its header" if options.from_header else "(name some, or -t for its header)"
        raise Refusal(codes.DATA if options.from_header else codes.USAGE, f"no recipients {where}")
    mail = Mail(
        new_id(),
        profile.name,
        _sender(options, profile, letter),
        recipients,
        time.time(),
        notify=options.notify,
        ret=options.ret,
        envelope_id=options.envelope_id,
    )
    told = (*options.recipients, options.full_name, mail.notify, mail.envelope_id)
    for text in (mail.sender, *recipients, *told):
        if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
            raise Refusal(codes.DATA, "an argument has a control character")
    return mail


def _sender(options: Options, profile: Profile, letter: Letter) -> str:
    """What -f says, where it has a domain; else the profile's, else the author's."""
    named = options.sender
    if named is not None and ("@" in named or not named):
        return named
    found = profile.sender or author_of(letter) or profile.username
    if "@" not in found:
        place = f"{profile.file}: profiles.{profile.name}.sender"
        raise Refusal(codes.CONFIG, f"{place}: is missing, and nobody names a sender")
    return found


def _full_address(address: str, profile: Profile) -> str:
    if "@" in address:
        return address
    if profile.local_recipient:
        return profile.local_recipient
    place = f"{profile.file}: profiles.{profile.name}.local_recipient"
    hint = f"{place} names who gets such mail"
    raise Refusal(codes.NO_USER, f"{address!r} has no domain (hint: {hint})")


def _in_ascii(address: str) -> str:
    """With the domain in A-labels: for what is added no server has to know SMTPUTF8."""
    if address.isascii():
        return address
    from pillarbox.errors import AddressError
    from pillarbox.mail.address import domain_key

    local_part, _, domain = address.rpartition("@")
    try:
        return f"{local_part}@{domain_key(domain)}"
    except AddressError:
        # The client refuses it.
        return address


def _date(now: int) -> str:
    """RFC 5322 section 3.3, in this host's zone; `locale` may say other names of days."""
    parts = time.localtime(now)
    minutes = abs(parts.tm_gmtoff) // 60
    zone = f"{'-' if parts.tm_gmtoff < 0 else '+'}{minutes // 60:02d}{minutes % 60:02d}"
    day, month = _DAYS[parts.tm_wday], _MONTHS[parts.tm_mon - 1]
    clock = f"{parts.tm_hour:02d}:{parts.tm_min:02d}:{parts.tm_sec:02d}"
    return f"{day}, {parts.tm_mday} {month} {parts.tm_year} {clock} {zone}"
