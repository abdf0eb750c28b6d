"""What `pillarbox m365 setup` says of Microsoft Graph."""

import click

from pillarbox.oauth import powershell
from pillarbox.oauth.clouds import Cloud
from pillarbox.route import Microsoft365Way

GRAPH_API = "App registration > API permissions > Microsoft Graph"


def graph_permissions(way: Microsoft365Way) -> str:
    """What Graph wants for this way."""
    return "Mail.Send and Mail.ReadWrite" if way.has_drafts else "Mail.Send"


def print_graph_for_application(
    client_id: str, mailboxes: list[str], cloud: Cloud, way: Microsoft365Way
) -> None:
    """Both variants."""
    wanted = graph_permissions(way)
    what = "read and send" if way.has_drafts else "send"
    click.echo(
        f"\nGraph, variant A: the application may {what} by EVERY mailbox of the tenant.\n"
        f"  1. {GRAPH_API} > Application permissions\n"
        f"     > {wanted}, then grant admin consent.\n"
        "\nGraph, variant B, RBAC for Applications: only by the members of a group.\n"
        f"\nNOTE: {powershell.WARNING}\n\n"
        f"  1. Do NOT give the application the permission {wanted} in Entra:\n"
        "     it would hold for every mailbox.\n"
        "  2. Exchange Online PowerShell:\n"
    )
    drafts = way.has_drafts
    print_lines(powershell.variant_b_graph(client_id, mailboxes, cloud, drafts=drafts))
    print_lines([powershell.authorization(client_id, mailbox) for mailbox in mailboxes])


def print_lines(lines: list[str]) -> None:
    """Lines to paste, indented."""
    for line in lines:
        click.echo(f"     {line}")
