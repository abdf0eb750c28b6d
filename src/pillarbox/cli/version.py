"""`pillarbox version`."""

import platform

import click

from pillarbox import __version__
from pillarbox.cli.context import Cli
from pillarbox.cli.output import print_json


@click.command("version")
@click.pass_obj
def command(cli: Cli) -> None:
    """Show the version."""
    if cli.as_json:
        print_json({"pillarbox": __version__, "python": platform.python_version()})
        return
    click.echo(f"pillarbox {__version__} on Python {platform.python_version()}")
