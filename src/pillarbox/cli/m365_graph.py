"""What `pillarbox m365 setup` says of Microsoft Graph."""

import click

from pillarbox.oauth import powershell
from pillarbox.oauth.clouds import Cloud

GRAPH_API = "App registration > API permissions > Microsoft Graph"


def print_graph_for_application(client_id: str, mailboxes: list[str], cloud: Cloud) -> None:
    """Both variants."""
    click.echo(
        "\nGraph, variant A: the application may send by EVERY mailbox of the tenant.\n"
        f"  1. {GRAPH_API} > Application permissions\n"
        "     > Mail.Send, then grant admin consent.\n"
        "\nGraph, variant B, RBAC for Applications: only by the members of a group.\n"
        f"\nNOTE: {powershell.WARNING}\n\n"
        "  1. Do NOT give the application the permission Mail.Send in Entra: it would hold for\n"
        "     every mailbox.\n"
        "  2. Exchange Online PowerShell:\n"
    )
    print_lines(powershell.variant_b_graph(client_id, mailboxes, cloud))
    print_lines([powershell.authorization(client_id, mailbox) for mailbox in mailboxes])


def print_lines(lines: list[str]) -> None:
    """Lines to paste, indented."""
    for line in lines:
        click.echo(f"     {line}")
