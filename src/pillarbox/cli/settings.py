"""`pillarbox settings`: the settings card of an account, without its password."""

import click

from pillarbox.cli.client_card import settings_of
from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.names import find_account
from pillarbox.cli.output import Json, print_json
from pillarbox.mail.address import parse_mailbox
from pillarbox.publish.card import render_card
from pillarbox.publish.client_settings import ClientSettings
from pillarbox.publish.documents import DOCUMENT_NAMES, make_document
from pillarbox.publish.snippets import SNIPPET_NAMES, make_snippets
from pillarbox.store.published import published_domain


@click.command("settings")
@click.argument("account")
@click.option(
    "--for",
    "only",
    type=click.Choice([*SNIPPET_NAMES, *DOCUMENT_NAMES]),
    help="Only this example, or a document by which clients set themselves up.",
)
@click.pass_obj
def command(cli: Cli, account: str, only: str | None) -> None:
    """Show what a client has to enter to send as ACCOUNT, with ready examples.

    The password is not known any more: `pillarbox credential add` makes a new one.
    """
    with cli.database() as database:
        address = find_account(database, account).address
        domain = parse_mailbox(address).domain_key
        published = database.read_now(lambda c: published_domain(c, domain))
    shown = settings_of(cli, address)
    if only in DOCUMENT_NAMES:
        mailboxes = published.mailboxes if published else None
        document = make_document(only, domain, shown, mailboxes)
        octets = _found(document, only, domain)
        if cli.as_json:
            print_json({**_record(shown, only), "snippets": {only: octets.decode()}})
        else:
            click.echo(octets, nl=False)
    elif cli.as_json:
        print_json(_record(shown, only or ""))
    else:
        click.echo(render_card(shown, only=only or ""), nl=False)


def _found(document: bytes | None, name: str, domain: str) -> bytes:
    if document is not None:
        return document
    if name == "apple":
        hint = f"pillarbox domain mailboxes {domain} imaps://imap.example.org"
        raise Failure(ExitCode.CONFIG, f"Apple knows no account that only sends ({hint})")
    hint = 'add [[listeners]] with port = 465 and tls = "tls"'
    raise Failure(ExitCode.CONFIG, f"PACC knows port 465 with TLS alone ({hint})")


def _record(settings: ClientSettings, only: str) -> dict[str, Json]:
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
