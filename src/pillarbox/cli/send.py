"""`pillarbox send`: send one message by a profile, or by a server that is named."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import Json, print_json, printable
from pillarbox.cli.text_input import STANDARD_INPUT, reading_text
from pillarbox.explain.command_words import for_options, for_profile
from pillarbox.profiles import Profile, connect, load_profile
from pillarbox.sendmail.deliver import code_of

if TYPE_CHECKING:
    from pillarbox.client import ClientError, Message, RecipientResult, SendResult


_NAMED = "--server"
"""The name of a profile that is none: the server was named in the command."""

_FILE = click.Path(path_type=Path, dir_okay=False)


def _named(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Refuse a name that is empty, as a variable that is not set leaves it: the mail would go by
    another server. Raises BadParameter."""
    if value == "":
        raise click.BadParameter(f"{param.opts[0]} names none", ctx, param)
    return value or ""


@dataclass(frozen=True, slots=True)
class Letter:
    """The options that make a message."""

    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    reply_to: tuple[str, ...]
    subject: str
    text: str | None
    text_file: str | None
    html: Path | None
    attach: tuple[Path, ...]
    header: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """The options that say by which server."""

    profile: str
    server: str
    user: str
    password_file: str
    password_env: str
    keyring: bool
    ca_file: str


@click.command("send")
@click.option(
    "--to",
    multiple=True,
    metavar="ADDRESS",
    help="A recipient; can be given several times, as can all of these.",
)
@click.option("--cc", multiple=True, metavar="ADDRESS", help="A recipient of a copy.")
@click.option(
    "--bcc", multiple=True, metavar="ADDRESS", help="A recipient that the others do not see."
)
@click.option("--from", "sender", default="", metavar="ADDRESS", help="Who writes.")
@click.option("--reply-to", multiple=True, metavar="ADDRESS", help="Where answers go.")
@click.option("--subject", default="", help="What it is about.")
@click.option("--text", help="The text.")
@click.option("--text-file", metavar="FILE", help="The text, from a file (- for standard input).")
@click.option("--html", type=_FILE, metavar="FILE", help="The HTML, from a file.")
@click.option("--attach", type=_FILE, multiple=True, metavar="FILE", help="A file to attach.")
@click.option("--header", multiple=True, metavar="'NAME: VALUE'", help="One more field.")
@click.option(
    "--eml", metavar="FILE", help="Send this message as it stands (- for standard input)."
)
@click.option(
    "--profile", callback=_named, metavar="NAME", help="Of ~/.config/pillarbox/client.toml."
)
@click.option(
    "--server", callback=_named, metavar="URL", help="In place of a profile: smtp://host:587."
)
@click.option("--user", default="", help="With --server: the login.")
@click.option("--password-file", default="", metavar="FILE", help="Its password, in a file.")
@click.option("--password-env", default="", metavar="NAME", help="Its password, in a variable.")
@click.option("--keyring", is_flag=True, help="Its password stands in the keyring.")
@click.option("--ca-file", default="", metavar="FILE", help="Further trusted roots, in PEM.")
@click.option(
    "--require-tls", is_flag=True, help="By verified TLS all the way, or not at all (REQUIRETLS)."
)
@click.option("--transcript", is_flag=True, help="Show what was said, secrets masked.")
@click.option("--check", is_flag=True, help="Log in, sign in where that is due; send nothing.")
@click.option("--dry-run", is_flag=True, help="Show the message and send nothing.")
@click.pass_obj
def command(
    cli: Cli,
    /,
    eml: str | None,
    require_tls: bool,
    transcript: bool,
    check: bool,
    dry_run: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Send one message, and say what became of it for each recipient.

    The text is --text, --text-file, or standard input where something stands there.
    """
    way = Way(**{name: options.pop(name) for name in Way.__slots__})
    letter = Letter(**options)
    if eml is not None and (ignored := _beside_eml(letter)):
        raise Failure(ExitCode.USAGE, f"--eml sends a message as it stands: leave out {ignored}")
    if letter.text is not None and letter.text_file is not None:
        raise Failure(ExitCode.USAGE, "give --text or --text-file")
    profile = _profile(way)
    lines: list[str] | None = [] if transcript else None
    if check:
        with _told(lines):
            _check(profile, lines, as_json=cli.as_json)
        return
    octets = _read_eml(eml) if eml is not None else None
    message: bytes | Message = octets if octets is not None else _message(letter, profile)
    if dry_run:
        made = message if isinstance(message, bytes) else bytes(message.build())
        click.echo(made, nl=False)
        return
    with _told(lines):
        result = _send(
            profile, message, letter, lines, require_tls=require_tls, as_json=cli.as_json
        )
    _show(result, profile, as_json=cli.as_json)


def _beside_eml(letter: Letter) -> str:
    """An option that makes a message, "" where none was given."""
    made = ("subject", "text", "text_file", "html", "attach", "header", "reply_to")
    given = [name for name in made if getattr(letter, name)]
    return f"--{given[0].replace('_', '-')}" if given else ""


def _profile(way: Way) -> Profile:
    if not way.server:
        if way.user or way.password_file or way.password_env or way.keyring:
            raise Failure(ExitCode.USAGE, "--user and its password go with --server")
        profile = load_profile(way.profile)
        return profile._replace(ca_file=way.ca_file or profile.ca_file)
    if way.profile:
        raise Failure(ExitCode.USAGE, "give --profile or --server")
    _check_login(way)
    return Profile(
        _NAMED,
        "the command line",
        way.server,
        username=way.user,
        password_file=way.password_file,
        password_env=way.password_env,
        keyring=way.keyring,
        ca_file=way.ca_file,
    )


def _check_login(way: Way) -> None:
    """Raises Failure for half a login, OSError where there is no such file."""
    has_password = way.password_file or way.password_env or way.keyring
    if way.user and not has_password:
        hint = "--password-file, --password-env or --keyring"
        raise Failure(ExitCode.USAGE, f"there is no password for {way.user} (add {hint})")
    if has_password and not way.user:
        raise Failure(ExitCode.USAGE, "a password needs --user")
    if way.password_env and not os.environ.get(way.password_env):
        text = f"the variable {way.password_env} (--password-env) is not set"
        raise Failure(ExitCode.USAGE, text)
    if way.password_file:
        with Path(way.password_file).open("rb"):
            pass


@contextmanager
def _told(lines: list[str] | None) -> Iterator[None]:
    """Show what was said, whatever became of it."""
    try:
        yield
    finally:
        for line in lines or ():
            click.echo(printable(line), err=True)


def _check(profile: Profile, lines: list[str] | None, *, as_json: bool) -> None:
    from pillarbox.client import ClientError

    try:
        with connect(profile, transcript=lines) as client:
            tls = client.check()
    except ClientError as error:
        raise _failure(error, profile) from error
    user = profile.username
    if as_json:
        print_json({"server": profile.server, "username": user or None, "tls": tls or None})
        return
    done = f"logged in as {user}" if user else "connected, without a login"
    click.echo(printable(f"{profile.server}: {done}, {tls or 'in the clear'}"))


def _read_eml(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()


def _message(letter: Letter, profile: Profile) -> "Message":
    """Raises ArgumentError, OSError."""
    from pillarbox.client import ArgumentError, Message

    if not (letter.to or letter.cc or letter.bcc):
        raise Failure(ExitCode.USAGE, "nobody is named: add --to ADDRESS")
    sender = letter.sender or profile.sender or profile.username
    if not sender:
        raise Failure(ExitCode.USAGE, "nobody is named as sender: add --from ADDRESS")
    author = (profile.full_name, sender) if profile.full_name and not letter.sender else sender
    try:
        message = Message(
            sender=author,
            to=letter.to,
            cc=letter.cc,
            bcc=letter.bcc,
            reply_to=letter.reply_to,
            subject=letter.subject,
            text=_text(letter),
            html=_html(letter),
            headers=_headers(letter.header),
        )
        for path in letter.attach:
            message.attach(path.read_bytes(), name=path.name)
    except ArgumentError as error:
        raise Failure(ExitCode.DATA, _advice(str(error), profile)) from error
    return message


def _text(letter: Letter) -> str | None:
    if letter.text is not None:
        return letter.text
    if letter.text_file is not None and letter.text_file != STANDARD_INPUT:
        with reading_text(letter.text_file):
            return Path(letter.text_file).read_text(encoding="utf-8")
    if letter.text_file == STANDARD_INPUT or not (letter.html or sys.stdin.isatty()):
        with reading_text(STANDARD_INPUT):
            return sys.stdin.read()
    return None


def _html(letter: Letter) -> str | None:
    if letter.html is None:
        return None
    with reading_text(letter.html):
        return letter.html.read_text(encoding="utf-8")


def _headers(texts: Sequence[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        name = name.strip()
        if not colon:
            raise Failure(ExitCode.USAGE, f"{text!r} is not 'NAME: VALUE'")
        if name.lower() in map(str.lower, fields):
            raise Failure(ExitCode.USAGE, f"--header gives {name} twice: leave one out")
        fields[name] = value.strip()
    return fields


def _send(
    profile: Profile,
    message: "bytes | Message",
    letter: Letter,
    lines: list[str] | None,
    *,
    require_tls: bool,
    as_json: bool,
) -> "SendResult":
    """Raises Failure where nobody was reached; programs are told of each recipient then, too."""
    from pillarbox.client import ClientError

    named = (*letter.to, *letter.cc, *letter.bcc)
    is_eml = isinstance(message, bytes)
    try:
        with connect(profile, transcript=lines) as client:
            return client.send(
                message,
                sender=(letter.sender or profile.sender or None) if is_eml else None,
                recipients=named if is_eml and named else None,
                require_tls=require_tls,
            )
    except ClientError as error:
        if as_json and error.result is not None:
            print_json(_shown(error.result, profile))
        raise _failure(error, profile) from error


def _advice(text: str, profile: Profile) -> str:
    """The client's advice: it speaks to programs."""
    return for_options(text) if profile.name == _NAMED else for_profile(text)


def _failure(error: "ClientError", profile: Profile) -> Failure:
    lines = [_advice(str(error), profile)]
    if error.result is not None and len(error.result.recipients) > 1:
        lines += [f"  {one}" for one in error.result.recipients]
    return Failure(ExitCode(code_of(error)), "\n".join(map(printable, lines)))


def _show(result: "SendResult", profile: Profile, *, as_json: bool) -> None:
    """What became of it. Ends the command with an exit code where somebody has it not."""
    if as_json:
        print_json(_shown(result, profile))
    else:
        for one in result.recipients:
            fix = f" (fix: {_advice(one.fix, profile)})" if one.fix else ""
            click.echo(printable(f"{one}{fix}"))
    missing = [one for one in result.recipients if not one.is_accepted]
    if missing:
        is_passing = all(one.is_transient for one in missing)
        code = ExitCode.TRY_LATER if is_passing else ExitCode.UNAVAILABLE
        raise click.exceptions.Exit(code)


def _shown(result: "SendResult", profile: Profile) -> dict[str, Json]:
    return {
        "server": result.server,
        "tls": result.tls or None,
        "recipients": [_record(one, profile) for one in result.recipients],
    }


def _record(one: "RecipientResult", profile: Profile) -> dict[str, Json]:
    return {
        "address": one.address,
        "state": one.state.value,
        "code": one.code,
        "enhanced_code": one.enhanced_code or None,
        "text": one.text,
        "transient": one.is_transient,
        "retry_after": one.retry_after,
        "cause": one.cause or None,
        "fix": _advice(one.fix, profile) or None,
    }
