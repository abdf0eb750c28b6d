"""`pillarbox settings`: the settings card of an account, without its password."""

import click

from pillarbox.cli.client_card import settings_of
from pillarbox.cli.context import Cli
from pillarbox.cli.names import find_account
from pillarbox.cli.output import Json, print_json
from pillarbox.publish.card import render_card
from pillarbox.publish.client_settings import ClientSettings
from pillarbox.publish.snippets import SNIPPET_NAMES, make_snippets


@click.command("settings")
@click.argument("account")
@click.option("--for", "only", type=click.Choice(SNIPPET_NAMES), help="Only this example.")
@click.pass_obj
def command(cli: Cli, account: str, only: str | None) -> None:
    """Show what a client has to enter to send as ACCOUNT, with ready examples.

    The password is not known any more: `pillarbox credential add` makes a new one.
    """
    with cli.database() as database:
        address = find_account(database, account).address
    shown = settings_of(cli, address)
    if cli.as_json:
        print_json(_record(shown, only or ""))
    else:
        click.echo(render_card(shown, only=only or ""), nl=False)


def _record(settings: ClientSettings, only: str) -> Json:
    return {
        "server": settings.server,
        "ports": [
            {"port": door.port, "encryption": door.encryption.value} for door in settings.doors
        ],
        "username": settings.username,
        "ca_file": settings.ca_file or None,
        "snippets": {
            snippet.name: snippet.text
            for snippet in make_snippets(settings)
            if only in ("", snippet.name)
        },
    }
