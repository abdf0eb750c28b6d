"""`pillarbox-sendmail`: the program that others call as /usr/sbin/sendmail.

sendmail [options] [recipients] < message     send, or keep in the spool
sendmail -t < message                         to whom the header names
sendmail -bs                                  speak SMTP on standard input and output
sendmail -bp, mailq                           show the spool
sendmail -q                                   send what is in the spool
"""

import os
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from pillarbox.errors import ConfigError
from pillarbox.profiles import Profile, load_profile
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
from pillarbox.sendmail.options import Options, UsageError, read_options
from pillarbox.sendmail.spool import (
    FAILED,
    GIVE_UP_SECONDS,
    DamagedError,
    Mail,
    Spool,
    SpoolError,
    new_id,
)

if TYPE_CHECKING:
    from pillarbox.sendmail.deliver import Courier, Verdict

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Refusal(Exception):
    """The message can not be taken: an exit code and a line."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Taken(NamedTuple):
    """What became of a message that was handed over; `is_kept`: some of it waits in the spool."""

    code: int
    text: str = ""
    is_kept: bool = False


def main() -> None:
    """Entry point of the program. Ends the process with an exit code of sysexits.h."""
    sys.exit(run(sys.argv[1:], program=os.path.basename(sys.argv[0])))


def run(arguments: list[str], *, program: str = "") -> int:
    """The program; gives its exit code."""
    try:
        options = read_options(arguments, program=program)
        if options.mode == "nothing":
            return codes.OK
        profile = load_profile(options.profile)
        return _act(options, profile)
    except UsageError as error:
        return _say(codes.USAGE, str(error))
    except Refusal as error:
        return _say(error.code, str(error))
    except ConfigError as error:
        return _say(codes.CONFIG, str(error))
    except SpoolError as error:
        return _say(codes.CONFIG, f"the spool can not be used: {error}")
    except OSError as error:
        return _say(codes.TRY_LATER, f"{error.filename or 'the spool'}: {error.strerror}")


def _act(options: Options, profile: Profile) -> int:
    match options.mode:
        case "list":
            return _list(profile)
        case "flush":
            return _flush(options, profile)
        case "smtp":
            from pillarbox.sendmail.dialogue import converse

            return converse(options, profile)
    octets = sys.stdin.buffer.read()
    taken = hand_over(options, profile, octets)
    return _say(taken.code, taken.text) if taken.text else taken.code


def _say(code: int, text: str) -> int:
    for line in text.splitlines():
        sys.stderr.write(f"sendmail: {line}\n")
    return code


# Taking a message


def hand_over(options: Options, profile: Profile, octets: bytes) -> Taken:
    """Send a message, or keep it. Raises Refusal."""
    letter = read_letter(octets, dot_is_text=options.dot_is_text)
    mail = _envelope(options, profile, letter)
    now = int(mail.created)
    full_name = options.full_name or profile.full_name
    domain = mail.sender.rpartition("@")[2] or os.uname().nodename
    content = complete(
        letter,
        Additions(mail.sender, full_name, _date(now), f"{mail.id}@{domain}"),
    )
    spool = Spool(profile.spool) if profile.spool else None
    if options.queue_only and spool is not None:
        spool.put(mail, content)
        return Taken(codes.OK, is_kept=True)
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
        return Taken(verdict.code, verdict.text)
    kept = mail._replace(recipients=verdict.waiting, attempts=1, last=verdict.text)
    spool.put(kept, content)
    code = verdict.code if verdict.refused else codes.OK
    waits = f"it waits in {spool.folder} as {mail.id}; `pillarbox-sendmail -q` sends it"
    return Taken(code, f"{verdict.text}\n{waits}", is_kept=True)


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


def _date(now: int) -> str:
    """RFC 5322 section 3.3, in this host's zone; `locale` may say other names of days."""
    parts = time.localtime(now)
    minutes = abs(parts.tm_gmtoff) // 60
    zone = f"{'-' if parts.tm_gmtoff < 0 else '+'}{minutes // 60:02d}{minutes % 60:02d}"
    day, month = _DAYS[parts.tm_wday], _MONTHS[parts.tm_mon - 1]
    clock = f"{parts.tm_hour:02d}:{parts.tm_min:02d}:{parts.tm_sec:02d}"
    return f"{day}, {parts.tm_mday} {month} {parts.tm_year} {clock} {zone}"


# The spool


def _spool_of(profile: Profile) -> Spool:
    if not profile.spool:
        place = f"{profile.file}: profiles.{profile.name}.spool"
        raise Refusal(codes.CONFIG, f"{place}: is missing, so there is no spool")
    return Spool(profile.spool)


def _list(profile: Profile) -> int:
    spool = _spool_of(profile)
    code = codes.OK
    is_empty = True
    for title, place in (("", ""), ("refused for good:\n", FAILED)):
        numbers = spool.numbers(place)
        sys.stdout.write(title if numbers else "")
        for number in numbers:
            is_empty = False
            try:
                mail = spool.read(number, place)
            except DamagedError as error:
                sys.stdout.write(f"{number}  damaged\n")
                code = _say(codes.CONFIG, str(error))
                continue
            if mail is not None:
                sys.stdout.write(_described(mail))
    if is_empty:
        sys.stdout.write("the spool is empty\n")
    return code


def _described(mail: Mail) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(mail.created))
    lines = [f"{mail.id}  {since}  <{mail.sender}>  {mail.attempts} attempts"]
    lines += [f"    {text}" for text in (*mail.recipients, mail.last) if text]
    return "".join(f"{line}\n" for line in lines)


def _flush(options: Options, profile: Profile) -> int:
    """Send what waits; -qI also what was refused for good, by its id."""
    spool = _spool_of(profile)
    with spool.sending() as is_ours:
        if not is_ours:
            return _say(codes.OK, "another process sends the spool just now")
        numbers = spool.numbers()
        if options.only:
            if options.only not in numbers and not spool.bring_back(options.only):
                raise Refusal(codes.NO_USER, f"there is no message {options.only} in the spool")
            numbers = [options.only]
        if not numbers:
            return codes.OK
        return _send_all(spool, numbers, profile)


def _send_all(spool: Spool, numbers: list[str], profile: Profile) -> int:
    from pillarbox.sendmail.deliver import Courier

    couriers = {profile.name: Courier(profile)}
    worst = codes.OK
    try:
        for number in numbers:
            try:
                mail = spool.read(number)
                if mail is None:
                    continue
                content = spool.content(mail)
                if mail.profile not in couriers:
                    couriers[mail.profile] = Courier(load_profile(mail.profile, file=profile.file))
            except (ConfigError, DamagedError) as error:
                # The others can go.
                code = _say(codes.CONFIG, f"{number}: {error}")
            else:
                code = _send_again(spool, mail, content, couriers[mail.profile])
            worst = code if worst in (codes.OK, codes.TRY_LATER) and code else worst
    finally:
        for courier in couriers.values():
            courier.close()
    return worst


def _send_again(spool: Spool, mail: Mail, content: bytes, courier: "Courier") -> int:
    """One more attempt. What became of it is written down before anything else is sent."""
    verdict = courier.send(mail, content)
    if not verdict.waiting and not verdict.refused:
        spool.remove(mail)
        return codes.OK
    tried = mail._replace(attempts=mail.attempts + 1, last=verdict.text)
    if verdict.waiting and time.time() - mail.created < GIVE_UP_SECONDS:
        if verdict.refused:
            # These are set aside as a message of their own, and the others wait.
            aside = tried._replace(id=new_id(), recipients=verdict.refused)
            spool.put(aside, content)
            spool.set_aside(aside)
        spool.update(tried._replace(recipients=verdict.waiting))
        code = verdict.code if verdict.refused else codes.TRY_LATER
    else:
        spool.set_aside(tried._replace(recipients=(*verdict.refused, *verdict.waiting)))
        code = verdict.code
    return _say(code, f"{mail.id}: {verdict.text}")
