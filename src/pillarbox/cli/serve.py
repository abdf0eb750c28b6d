"""`pillarbox serve`: run the service in the foreground until SIGTERM."""

import click

from pillarbox.cli.context import Cli


@click.command("serve")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Run the service until SIGTERM, which lets running attempts end. SIGHUP reloads.

    Its exit code is one of sysexits.h: 78 when the configuration is wrong, 77 when a port or file
    may not be used, 74 when the database is damaged or is none.
    """
    from pillarbox.supervisor import serve

    ctx.exit(serve(ctx.ensure_object(Cli).find_config()))
