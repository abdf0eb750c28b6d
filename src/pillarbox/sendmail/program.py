"""`pillarbox-sendmail`: the program that others call as /usr/sbin/sendmail. See HELP."""

import os
import sys
import time
from typing import TYPE_CHECKING

from pillarbox.errors import ConfigError
from pillarbox.profiles import Profile, load_profile
from pillarbox.sendmail import codes
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
from pillarbox.sendmail.taking import Refusal, hand_over
from pillarbox.standard_streams import open_closed_streams

if TYPE_CHECKING:
    from pillarbox.sendmail.deliver import Courier

HELP = """\
sendmail [options] ADDRESS… < message   send, or keep in the spool
sendmail -t < message                   to whom the header names
sendmail -bs                            speak SMTP on standard input and output
sendmail -bp, mailq                     show the spool
sendmail -q, -qI ID                     send what is in the spool, or one message of it
sendmail --help                         show this

  -f ADDRESS        the reverse-path
  -F NAME           the name in a From that is added
  -i                a line with a dot alone does not end the message
  -odq              put the message into the spool alone
  -N WORDS, -R, -V  delivery reports
  --profile=NAME    another profile than the usual one

docs/client-programs.md tells the rest, and how to make a profile: pillarbox find ADDRESS --save
"""


def main() -> None:
    """Entry point of the program. Ends the process with an exit code of sysexits.h."""
    open_closed_streams()
    sys.exit(run(sys.argv[1:], program=os.path.basename(sys.argv[0])))


def run(arguments: list[str], *, program: str = "") -> int:
    """The program; gives its exit code."""
    try:
        options = read_options(arguments, program=program)
        if options.mode == "nothing":
            return codes.OK
        if options.mode == "help":
            _show(HELP)
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
        _show(title if numbers else "")
        for number in numbers:
            is_empty = False
            try:
                mail = spool.read(number, place)
            except DamagedError as error:
                _show(f"{number}  damaged\n")
                code = _say(codes.CONFIG, str(error))
                continue
            if mail is not None:
                _show(_described(mail))
    if is_empty:
        _show("the spool is empty\n")
    return code


def _show(text: str) -> None:
    """Write to standard output, whatever its charset can not say."""
    charset = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(charset, "backslashreplace").decode(charset))


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
            spool.put_aside(aside, content)
        spool.update(tried._replace(recipients=verdict.waiting))
        is_told = verdict.refused or verdict.code == codes.CONFIG
        code = verdict.code if is_told else codes.TRY_LATER
    else:
        spool.set_aside(tried._replace(recipients=(*verdict.refused, *verdict.waiting)))
        code = verdict.code
    return _say(code, f"{mail.id}: {verdict.text}")
