"""The root of the command line: its nouns, the options that all share, the exit codes."""

import importlib
import select
import sys
from pathlib import Path

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, describe

NOUNS = {
    "find": ("find", "Find the settings for sending mail of any address."),
    "doctor": ("doctor", "Say what is wrong with a mail server, seen from here."),
    "send": ("send", "Send a message from here, by any server."),
    "serve": ("serve", "Run the service."),
    "settings": ("settings", "Show what a client has to enter to send as an account."),
    "tenant": ("tenant", "Organisations: each has its own domains, accounts and routes."),
    "domain": ("domain", "Domains that a tenant may send from."),
    "dkim": ("dkim", "Keys that sign the mail of a domain."),
    "account": ("account", "Who may send: one account for each application or device."),
    "credential": ("credential", "Passwords, networks and tokens that log an account in."),
    "issuer": ("issuer", "Whose OAuth2 tokens log in accounts of a tenant."),
    "send-as": ("send_as", "Further sender addresses of an account."),
    "route": ("route", "Where mail goes from here: smart host, Microsoft 365, capture or reject."),
    "source": ("source", "Addresses of this machine that mail to MX hosts comes from."),
    "m365": ("m365", "Microsoft 365 as the way out: set it up, and check it."),
    "key": ("key", "The master key that seals passwords at rest, and its change."),
    "tls-report": ("tls_report", "How TLS with others' mail hosts goes, and reports on it."),
    "suppression": ("suppression", "Addresses that nothing is sent to, since they came back."),
    "queue": ("queue", "Mail that waits: why, and what to do with it."),
    "capture": ("capture", "Mail that was captured instead of sent."),
    "trace": ("trace", "What became of a message."),
    "session": ("session", "Why a login or a connection failed."),
    "explain": ("explain", "What a reply of a mail server means, and what to do."),
    "check-config": ("check_config", "Check the configuration, all of it at once."),
    "readyz": ("readyz", "Ask the running service whether it takes mail."),
    "emulate": ("emulate", "Play Microsoft 365 on this machine, for tests."),
    "version": ("version", "Show the version."),
}
"""Name: module of pillarbox.cli (which has a `command`) and the line for the help."""


_PLAINER = {
    "is not a valid integer range": "is no whole number",
    "is not a valid float range": "is no number",
}
"""What click says of a number that has to be in a range, and what is meant."""

_WORDS = f"{__name__}.words"
"""Under this the words of the line are kept."""


class Root(click.Group):
    """Loads a noun when it is used, and turns errors into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of NOUNS."""
        del ctx
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a noun; None if there is no such noun."""
        del ctx
        if cmd_name not in NOUNS:
            return None
        module = importlib.import_module(f"pillarbox.cli.{NOUNS[cmd_name][0]}")
        command: click.Command = module.command
        _share_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of the help, without importing every noun for its line."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in NOUNS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click, with the exit code of sysexits."""
        ctx.meta[_WORDS] = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise _usage(error, ctx) from error
        except OSError as error:
            # The help, into a full disk.
            code, lines = describe(error)
            raise _ended(code, lines) from error

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what it raises becomes lines on standard error and an exit code."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _usage(error, ctx) from error
        except click.Abort as error:
            if isinstance(error.__context__, EOFError):
                lines = ["nobody can be asked here: answer by options (--help shows them)"]
                raise _ended(ExitCode.USAGE, lines) from error
            raise
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:
            code, lines = describe(error)
            if ctx.find_root().params["traceback"]:
                raise
            if isinstance(error, BrokenPipeError) and _has_read_enough():
                lines = []
            raise _ended(code, lines) from error


def _ended(code: int, lines: list[str]) -> click.exceptions.Exit:
    """The end of the program, once the lines are said."""
    for line in lines:
        _say(f"pillarbox: {line}")
    return click.exceptions.Exit(code)


def _has_read_enough() -> bool:
    """Whether the reader of standard output has gone, as `| head` does."""
    looking = select.poll()
    looking.register(sys.stdout, 0)
    return any(state & select.POLLERR for _, state in looking.poll(0))


def _say(text: str) -> None:
    """On standard error; servers and files may have said some of it."""
    from pillarbox.cli.output import printable

    click.echo("\n".join(map(printable, text.split("\n"))), err=True)


def _usage(error: click.UsageError, ctx: click.Context) -> click.exceptions.Exit:
    """Say in one line how the command was written wrongly, and where its help is."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
    else:
        path = error.ctx.command_path if error.ctx else _meant(ctx)
        text = " ".join(error.format_message().split()).rstrip(".")
        for theirs, ours in _PLAINER.items():
            text = text.replace(theirs, ours)
        click.echo(f"{path}: {text} (see: {path} --help)", err=True)
    return click.exceptions.Exit(ExitCode.USAGE)


def _meant(ctx: click.Context) -> str:
    """The command, for an error that does not know its own: an option without its value."""
    path, command = ["pillarbox"], ctx.command
    for word in ctx.meta[_WORDS]:
        if isinstance(command, click.Group) and (found := command.get_command(ctx, word)):
            path.append(word)
            command = found
    return " ".join(path)


def _share_options(command: click.Command) -> None:
    """Give every command --config and --json, so that they may stand anywhere in the line."""
    if isinstance(command, click.Group):
        for member in command.commands.values():
            _share_options(member)
    elif _CONFIG not in command.params:
        command.params += [_CONFIG, _JSON]


def _set_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    del param
    if value is not None:
        ctx.ensure_object(Cli).config_file = value


def _set_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value:
        ctx.ensure_object(Cli).as_json = True


_CONFIG = click.Option(
    ["--config"],
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_set_config,
    help="The configuration file (default: $PILLARBOX_CONFIG, ./data/pillarbox.toml or"
    " /etc/pillarbox/pillarbox.toml).",
)
_JSON = click.Option(
    ["--json"], is_flag=True, expose_value=False, callback=_set_json, help="JSON for programs."
)
_TRACEBACK = click.Option(["--traceback"], is_flag=True, help="Show where an error arose.")


@click.pass_context
def _begin(ctx: click.Context, traceback: bool) -> None:
    """What every command shares; a test may bring its own."""
    del traceback
    ctx.ensure_object(Cli)


root = Root(
    "pillarbox",
    callback=_begin,
    params=[_CONFIG, _JSON, _TRACEBACK],
    help="Pillarbox takes mail from applications and devices and hands it on.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
