"""`pillarbox find`: the settings for sending mail of any address, wherever its mailbox is."""

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import print_json, printable
from pillarbox.cli.saved_profile import save, save_sign_in
from pillarbox.client.discovery import Options, discover
from pillarbox.discovery.answer import Discovery, client_settings, takes_passwords
from pillarbox.discovery.report import as_json, render_discovery
from pillarbox.publish.snippets import SNIPPET_NAMES, Snippet, make_snippets

OAUTH_ONLY = (
    "{server} takes no passwords, only OAuth2, so there are no settings with which this client"
    " alone could log in (hint: `pillarbox find {query}` shows the rest)"
)


@click.command("find")
@click.argument("target", metavar="ADDRESS|DOMAIN")
@click.option("--for", "only", type=click.Choice(SNIPPET_NAMES), help="Only a ready example.")
@click.option("--offline", is_flag=True, help="Ask nobody: only the table of providers.")
@click.option(
    "--third-parties/--no-third-parties",
    default=True,
    help="Whether others than the domain and the DNS may learn the domain (default: they may).",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Hosts of the domain itself may be in a private network.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(1, 60),
    default=10.0,
    show_default=True,
    help="Seconds for all of it.",
)
@click.option("--ca-file", default="", help="A PEM file with further trusted roots.")
@click.option(
    "--save",
    "profile",
    is_flag=False,
    flag_value="default",
    metavar="[NAME]",
    help="Make it a profile for `pillarbox send` and the sendmail program.",
)
@click.option(
    "--password-file", metavar="FILE", help="With --save: the password to keep (- standard input)."
)
@click.option("--client-id", default="", metavar="ID", help="With --save: log in with OAuth2.")
@click.option("--tenant-id", default="", metavar="ID", help="Of Microsoft, if not the domain's.")
@click.option(
    "--secret-file", default="", metavar="FILE", help="The client secret of the application."
)
@click.option(
    "--key-file",
    default="",
    metavar="FILE",
    help="In its place: key and certificate in PEM, or the JSON key of a service account.",
)
@click.pass_obj
def command(
    cli: Cli,
    /,
    target: str,
    only: str | None,
    profile: str | None,
    password_file: str | None,
    **options: object,
) -> None:
    """Find the server, port and login for sending as ADDRESS, or as anybody in DOMAIN.

    It connects to what it finds and looks at TLS and logins; it sends nothing and tries no
    password.
    """
    names = ("client_id", "tenant_id", "secret_file", "key_file")
    sign_in = {name: str(options.pop(name)) for name in names}
    if profile is None and (password_file is not None or any(sign_in.values())):
        words = "--password-file, --client-id, --tenant-id, --secret-file and --key-file"
        raise click.UsageError(f"{words} go with --save")
    found = discover(target, Options(**options))  # type: ignore[arg-type] # click made the types
    if cli.as_json:
        print_json(as_json(found, _snippets(found, only)))
    elif only is not None and found.best is not None:
        click.echo(_one_snippet(found, only))
    else:
        click.echo("\n".join(map(printable, render_discovery(found).rstrip("\n").split("\n"))))
    if found.best is None:
        raise click.exceptions.Exit(ExitCode.NO_SUCH)
    if profile is not None:
        if "@" not in found.query:
            raise Failure(ExitCode.USAGE, "--save needs an ADDRESS: a domain has no login")
        settings = client_settings(found.best, found.asking)
        ca_file = str(options["ca_file"])
        if any(sign_in.values()) or not takes_passwords(found.best):
            save_sign_in(profile, settings, sign_in, ca_file=ca_file)
        else:
            save(profile, settings, password_file, ca_file=ca_file)


def _one_snippet(found: Discovery, only: str) -> str:
    best = found.best
    if best is not None and not takes_passwords(best):
        raise _oauth_only(found, best.host)
    return "\n".join(snippet.text for snippet in _snippets(found, only))


def _oauth_only(found: Discovery, server: str) -> Failure:
    return Failure(ExitCode.UNAVAILABLE, OAUTH_ONLY.format(server=server, query=found.query))


def _snippets(found: Discovery, only: str | None) -> list[Snippet]:
    best = found.best
    if best is None or not takes_passwords(best):
        return []
    made = make_snippets(client_settings(best, found.asking))
    return [snippet for snippet in made if only in (None, snippet.name)]
