"""`pillarbox emulate`: play a mail service on the loopback, for tests."""

import asyncio
import errno
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import Json, print_json

if TYPE_CHECKING:
    from pillarbox.emulate.emulator import Emulator
    from pillarbox.emulate.faults import Fault

_PORTS = ("smtp", "login", "graph", "control")


@click.group("emulate", no_args_is_help=True)
def command() -> None:
    """Play a mail service on the loopback, for tests."""


@command.command("m365")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the authority and certificate here (default: made anew each time).",
)
@click.option("--smtp-port", type=click.IntRange(0, 65535), help="Stands for 587.")
@click.option("--login-port", type=click.IntRange(0, 65535), help="The authority.")
@click.option("--graph-port", type=click.IntRange(0, 65535), help="Graph.")
@click.option("--control-port", type=click.IntRange(0, 65535), help="The control API.")
@click.option(
    "--switch", "switches", multiple=True, metavar="NAME=POSITION", help="As in docs/emulator.md."
)
@click.option("--fault", "faults", multiple=True, metavar="JSON", help="As for POST /faults.")
@click.pass_context
def m365(
    ctx: click.Context,
    /,
    file: Path | None,
    folder: Path | None,
    switches: Sequence[str],
    faults: Sequence[str],
    **ports: int | None,
) -> None:
    """Play Microsoft 365: smtp.office365.com, its authority and Graph, until Ctrl-C.

    FILE is TOML with tenants, mailboxes, apps, limits and switches; without it there is a sample
    tenant. Ports that are not named are free ones. A card shows them all.
    """
    from pillarbox.emulate.config import EmulatorConfig, Ports, load_config
    from pillarbox.emulate.emulator import Emulator

    config = load_config(file) if file else EmulatorConfig()
    named = {name: ports[f"{name}_port"] for name in _PORTS}
    chosen = {name: port for name, port in named.items() if port is not None}
    config = config.model_copy(
        update={
            "ports": Ports.model_validate(config.ports.model_dump() | chosen),
            "folder": folder or config.folder,
            "switches": {**config.switches, **dict(map(_switch, switches))},
        }
    )
    emulator = Emulator(config)
    for text in faults:
        emulator.world.faults.order(_fault(text))
    asyncio.run(_serve(emulator, as_json=ctx.ensure_object(Cli).as_json))


def _switch(text: str) -> tuple[str, str]:
    name, equals, position = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=POSITION", param_hint="--switch")
    return name.strip(), position.strip()


def _fault(text: str) -> "Fault":
    from pydantic import ValidationError

    from pillarbox.emulate.faults import Fault

    try:
        return Fault.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        text = f"{place}: {first['msg']}" if place else first["msg"]
        raise click.BadParameter(text, param_hint="--fault") from error


async def _serve(emulator: "Emulator", *, as_json: bool) -> None:
    """Until SIGINT or SIGTERM."""
    from pillarbox.emulate.card import describe

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(emulator)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            hint = f"choose another port ({', '.join(f'--{name}-port' for name in _PORTS)})"
            raise Failure(ExitCode.UNAVAILABLE, f"{error.strerror}: {hint}") from error
        if as_json:
            print_json(cast("Json", describe(emulator.facts, emulator.config)))
        else:
            click.echo(emulator.card)
        await stop.wait()
