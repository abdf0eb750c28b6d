"""`pillarbox capture`: mail that was kept to be looked at instead of being sent."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.names import find_tenant, read_id
from pillarbox.cli.option_types import LINES
from pillarbox.cli.output import Json, print_facts, print_json, print_list, printable
from pillarbox.cli.times import for_people, for_programs
from pillarbox.errors import DirectoryError
from pillarbox.mail.identifier import format_id
from pillarbox.store.captured import (
    CapturedMessage,
    list_captured,
    read_content,
    show_captured,
)
from pillarbox.store.database import Database

SHOWN_OCTETS = 64 * 1024
"""`show` prints no more of the content; `export` gives all."""

STANDARD_OUTPUT = "-"


@click.group("capture")
def command() -> None:
    """Mail that was captured instead of sent. Until a route is set, that is all mail."""


@command.command("list")
@click.option("--tenant", help="Only mail of this tenant.")
@click.option("--limit", type=LINES, default=50, show_default=True, help="Lines.")
@click.pass_obj
def list_(cli: Cli, tenant: str | None, limit: int) -> None:
    """List captured messages, newest first."""
    with cli.database() as database:
        name = find_tenant(database, tenant).name if tenant else None
        messages = database.read_now(lambda c: list_captured(c, limit=limit, tenant_name=name))
    if cli.as_json:
        print_json([_record(message) for message in messages])
        return
    print_list(
        messages,
        {
            "Message": lambda message: format_id(message.queue_id),
            "Received": lambda message: for_people(message.received_at),
            "From": lambda message: message.reverse_path or "<>",
            "To": lambda message: ", ".join(message.recipients),
            "Octets": lambda message: message.size_octets,
            "Kept until": lambda message: for_people(message.content_until),
        },
        empty="Nothing was captured.",
    )


@command.command("show")
@click.argument("queue_id", metavar="ID")
@click.pass_obj
def show(cli: Cli, queue_id: str) -> None:
    """Show one message as text."""
    with cli.database() as database:
        message = _find(database, queue_id)
        content = database.read_now(lambda c: _beginning(read_content(c, message.queue_id)))
    text = content[:SHOWN_OCTETS].decode("utf-8", "replace")
    if cli.as_json:
        print_json({**_record(message), "text": text})
        return
    print_facts(
        [
            ("Message", format_id(message.queue_id)),
            ("Received", for_people(message.received_at)),
            ("From", message.reverse_path or "<>"),
            ("To", ", ".join(message.recipients)),
        ]
    )
    click.echo()
    for line in text.splitlines():
        click.echo(printable(line.replace("\t", "    ")))
    if message.size_octets > SHOWN_OCTETS:
        click.echo(f"\n… the rest: pillarbox capture export {format_id(message.queue_id)}")


@command.command("export")
@click.argument("queue_id", metavar="ID")
@click.option("--output", default=STANDARD_OUTPUT, metavar="FILE", help="Default: standard output.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.pass_obj
def export(cli: Cli, queue_id: str, output: str, force: bool) -> None:
    """Write one message octet by octet (.eml), as the next hop would have got it."""
    with cli.database() as database:
        message = _find(database, queue_id)
        with _open(output, force=force) as file:
            _copy(database, message.queue_id, file)
    if output == STANDARD_OUTPUT:
        return
    if cli.as_json:
        print_json({**_record(message), "file": output})
    else:
        click.echo(f"Wrote {message.size_octets} octets to {output}.")


def _find(database: Database, text: str) -> CapturedMessage:
    queue_id = read_id(text, "queue id")
    try:
        return database.read_now(lambda c: show_captured(c, queue_id))
    except DirectoryError as error:
        raise Failure(ExitCode.NO_SUCH, str(error)) from error


def _beginning(pieces: Iterator[bytes]) -> bytes:
    """At least SHOWN_OCTETS of the content, or all."""
    content = b""
    for piece in pieces:
        content += piece
        if len(content) >= SHOWN_OCTETS:
            break
    return content


def _copy(database: Database, queue_id: int, file: BinaryIO) -> None:
    """Write the content piece by piece, so that its size does not matter."""

    def copy(pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            file.write(piece)

    database.read_now(lambda c: copy(read_content(c, queue_id)))


@contextmanager
def _open(output: str, *, force: bool) -> Iterator[BinaryIO]:
    """The file to write; mail is for nobody's eyes but the owner's."""
    if output == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        return
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(Path(output), flags, 0o600)
    except FileExistsError as error:
        text = f"{output} is there already (say --force to overwrite it)"
        raise Failure(ExitCode.CANNOT_CREATE, text) from error
    except OSError as error:
        raise Failure(ExitCode.CANNOT_CREATE, f"{output}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        yield file


def _record(message: CapturedMessage) -> dict[str, Json]:
    return {
        "queue_id": format_id(message.queue_id),
        "tenant": message.tenant or None,
        "received_at": for_programs(message.received_at),
        "reverse_path": message.reverse_path,
        "recipients": message.recipients,
        "message_id": message.header_id or None,
        "size_octets": message.size_octets,
        "kept_until": for_programs(message.content_until),
    }
