"""`pillarbox domain mailboxes`: where mail of a domain is read."""

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.domain_entries import find_entry
from pillarbox.cli.output import print_json
from pillarbox.errors import AddressError
from pillarbox.publish.mailboxes import MailboxServer
from pillarbox.store.published import published_domain, set_mailboxes


@click.command("mailboxes")
@click.argument("domain")
@click.argument("url", required=False)
@click.option("--none", "forget", is_flag=True, help="Nothing is said of it any more.")
@click.pass_obj
def command(cli: Cli, domain: str, url: str | None, forget: bool) -> None:
    """Say where mail of DOMAIN is read: imaps://imap.example.org, imap:// (STARTTLS), pop3s:// or
    pop3://. Without URL: show it.

    Pillarbox does not serve it; but clients that look for their settings want both servers, and
    Thunderbird, Outlook and Apple's devices take none for sending alone.
    """
    if url and forget:
        raise click.UsageError("give a URL or --none")
    try:
        new = MailboxServer.from_url(url) if url else None
    except AddressError as error:
        raise click.UsageError(str(error)) from error
    with cli.database() as database:
        name = find_entry(database, domain, None).name
        if new is not None or forget:
            database.write_now(lambda c: set_mailboxes(c, name, new))
        found = database.read_now(lambda c: published_domain(c, name))
    mailboxes = found.mailboxes if found else None
    if cli.as_json:
        print_json({"name": name, "mailboxes": mailboxes.url if mailboxes else None})
    elif mailboxes is None:
        click.echo(f"Nobody has said where mail of {name} is read.")
    else:
        click.echo(f"Mail of {name} is read at {mailboxes.url}.")
