"""`pillarbox credential`: the passwords, networks and subjects by which an account is known."""

from dataclasses import dataclass, field

import click

from pillarbox.cli.client_card import settings_of
from pillarbox.cli.context import Cli
from pillarbox.cli.names import find_account, no_such
from pillarbox.cli.option_types import MOMENT
from pillarbox.cli.output import Json, print_facts, print_json, print_list
from pillarbox.cli.secret_input import read_secret
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.publish.card import render_settings
from pillarbox.publish.literals import shell_literal
from pillarbox.store.admin.credentials import (
    CredentialChanges,
    CredentialInfo,
    add_network,
    add_password,
    add_subject,
    change_credential,
    list_credentials,
    remove_credential,
    set_expiry,
)
from pillarbox.store.database import Database
from pillarbox.store.records import CredentialKind


@click.group("credential")
def command() -> None:
    """Passwords, networks and tokens that log an account in; one for each device or program."""


@command.command("list")
@click.argument("address", required=False)
@click.pass_obj
def list_(cli: Cli, address: str | None) -> None:
    """List all credentials; with ADDRESS those of one account."""
    with cli.database() as database:
        account = find_account(database, address).address if address else None
        credentials = database.read_now(lambda c: list_credentials(c, account))
    if cli.as_json:
        print_json([_record(credential) for credential in credentials])
        return
    print_list(
        credentials,
        {
            "Account": lambda credential: credential.address,
            "Label": lambda credential: credential.label,
            "Kind": _kind,
            "Last used": lambda credential: for_people(credential.last_used_at, none="never"),
            "Expires": _expiry,
        },
        empty="There is no credential (add one: pillarbox credential add ADDRESS --label NAME).",
    )


@command.command("show")
@click.argument("address")
@click.argument("label")
@click.pass_obj
def show(cli: Cli, address: str, label: str) -> None:
    """Show one credential. Its password is not known: make a new one and remove this."""
    with cli.database() as database:
        found = _find(database, find_account(database, address).address, label)
    if cli.as_json:
        print_json(_record(found))
        return
    print_facts(
        [
            ("Account", found.address),
            ("Label", found.label),
            ("Kind", _kind(found)),
            ("Created", for_people(found.created_at)),
            ("Last used", for_people(found.last_used_at, none="never")),
            ("Expires", _expiry(found)),
            *([("SCRAM", _scram(found))] if cli.settings().scram_sha_256 else []),
        ]
    )


@command.command("add")
@click.argument("address")
@click.option("--label", required=True, help="What will use it: 'printer in the hall'.")
@click.option("--network", help="Instead of a password: who comes from here needs no login.")
@click.option("--oauth-subject", help="Instead of a password: whose tokens log in.")
@click.option("--password-file", help="A password that devices have already; - for standard input.")
@click.option("--expires", type=MOMENT, help="The last day on which it can be used.")
@click.pass_obj
def add(
    cli: Cli,
    address: str,
    label: str,
    network: str | None,
    oauth_subject: str | None,
    password_file: str | None,
    expires: Timestamp | None,
) -> None:
    """Give an account one more password; it is made here and shown this once.

    With --password-file it is the one in the first line of that file, and not shown.

    With --network, an address (192.0.2.17) or range (192.0.2.0/24) may send as the account
    without a login, on listeners that have `network_login = true`.

    With --oauth-subject, tokens of the tenant's issuer log the account in where the claim that
    names the subject (`pillarbox issuer show`) says this.
    """
    if sum(given is not None for given in (network, oauth_subject, password_file)) > 1:
        raise click.UsageError("say one of --network, --oauth-subject and --password-file")
    chosen = None if password_file is None else read_secret(password_file, "Password")
    has_scram = cli.settings().scram_sha_256
    wanted = _Wanted(label, network, oauth_subject, chosen, has_scram, expires)
    with cli.database() as database:
        account = find_account(database, address).address
        password = wanted.add(database, account)
        found = _find(database, account, label)
    if cli.as_json:
        shown = {"password": password} if password else {}
        print_json(_record(found) | shown)
    elif chosen is not None:
        click.echo(f"{account} can log in with the password from the file ({label!r}).")
    elif password:
        click.echo(render_settings(settings_of(cli, account, password=password)))
        click.echo("\nThe password is shown only now.")
        word = shell_literal(account)
        click.echo(f"Ready examples for programs and devices: pillarbox settings {word}")
    elif found.subject:
        click.echo(f"Tokens of {found.issuer} with {found.claim} {found.subject} log in {account}.")
    else:
        _say_network(cli, found)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A credential as it was asked for: of the network, of the subject, or a password."""

    label: str
    network: str | None
    subject: str | None
    chosen: str | None = field(repr=False)
    with_scram: bool
    expires_at: Timestamp | None

    def add(self, database: Database, account: str) -> str:
        """Give it to the account; the password, "" unless it was made here."""
        label, end, moment = self.label, self.expires_at, now()
        if self.subject is not None:
            subject = self.subject
            database.write_now(
                lambda c: add_subject(
                    c, account, label, subject=subject, now=moment, expires_at=end
                )
            )
        elif self.network is not None:
            network = self.network
            database.write_now(
                lambda c: add_network(
                    c, account, label, network=network, now=moment, expires_at=end
                )
            )
        else:
            made = database.write_now(
                lambda c: add_password(
                    c,
                    account,
                    label,
                    now=moment,
                    expires_at=end,
                    chosen=self.chosen,
                    with_scram=self.with_scram,
                )
            )
            return "" if self.chosen is not None else made.password
        return ""


@command.command("change")
@click.argument("address")
@click.argument("label")
@click.option("--label", "new_label", help="Another label.")
@click.option("--network", help="Another network, of a credential that is one.")
@click.option("--oauth-subject", help="Another subject, of a credential that is one.")
@click.option("--expires", type=MOMENT, help="The last day on which it can be used.")
@click.option("--never-expires", is_flag=True, help="It can be used until it is removed.")
@click.pass_obj
def change(
    cli: Cli,
    /,
    address: str,
    label: str,
    new_label: str | None,
    network: str | None,
    oauth_subject: str | None,
    expires: Timestamp | None,
    never_expires: bool,
) -> None:
    """Give a credential another label, end, network or subject. A password stays what it is: add a
    new one and remove this."""
    if expires is not None and never_expires:
        raise click.UsageError("say either --expires or --never-expires")
    changes = CredentialChanges(new_label, network, oauth_subject)
    sets_expiry = expires is not None or never_expires
    if changes == CredentialChanges() and not sets_expiry:
        raise click.UsageError("say what to change")
    with cli.database() as database:
        account = find_account(database, address).address
        _find(database, account, label)
        if changes != CredentialChanges():
            database.write_now(lambda c: change_credential(c, account, label, changes))
        name = new_label or label
        if sets_expiry:
            database.write_now(lambda c: set_expiry(c, account, name, expires_at=expires))
        found = _find(database, account, name)
    if cli.as_json:
        print_json(_record(found))
    else:
        click.echo(
            f"The credential {name!r} of {account} is {_kind(found)} and expires: {_expiry(found)}."
        )


@command.command("remove")
@click.argument("address")
@click.argument("label")
@click.pass_obj
def remove(cli: Cli, address: str, label: str) -> None:
    """Remove a credential; who uses it can not log in any more."""
    with cli.database() as database:
        account = find_account(database, address).address
        found = _find(database, account, label)
        database.write_now(lambda c: remove_credential(c, account, label))
    if cli.as_json:
        print_json(_record(found))
    else:
        click.echo(f"Removed the credential {label!r} of {account}.")


def _find(database: Database, address: str, label: str) -> CredentialInfo:
    known = database.read_now(lambda c: list_credentials(c, address))
    for credential in known:
        if credential.label == label:
            return credential
    hint = f"`pillarbox credential list {shell_literal(address)}` shows all"
    labels = [credential.label for credential in known]
    raise no_such(f"credential of {address} with the label", label, labels, hint)


def _say_network(cli: Cli, found: CredentialInfo) -> None:
    """What was added, and where it works."""
    click.echo(f"{found.network} may send as {found.address} without a login.")
    names = [listener.name for listener in cli.settings().listeners if listener.network_login]
    if names:
        click.echo(f"It works on the listeners: {', '.join(names)}.")
    else:
        click.echo("No listener allows it yet: set network_login = true on one, then restart.")


def _kind(credential: CredentialInfo) -> str:
    if credential.subject:
        return f"token: {credential.claim} {credential.subject}"
    return credential.network or credential.kind.value


def _scram(credential: CredentialInfo) -> str:
    if credential.kind is not CredentialKind.PASSWORD:
        return "is for passwords"
    return "can be used" if credential.has_verifier else "after its next login by PLAIN or LOGIN"


def _expiry(credential: CredentialInfo) -> str:
    expires_at = credential.expires_at
    if expires_at is None:
        return "never"
    shown = for_people(expires_at)
    return f"{shown} (expired)" if expires_at <= now() else shown


def _record(credential: CredentialInfo) -> dict[str, Json]:
    return {
        "id": format_id(credential.credential_id),
        "account": credential.address,
        "label": credential.label,
        "kind": credential.kind.value,
        "network": credential.network or None,
        "issuer": credential.issuer or None,
        "claim": credential.claim or None,
        "subject": credential.subject or None,
        "scram": credential.has_verifier,
        "created_at": for_programs(credential.created_at),
        "last_used_at": for_programs(credential.last_used_at),
        "expires_at": for_programs(credential.expires_at),
    }
