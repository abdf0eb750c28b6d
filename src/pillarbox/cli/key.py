"""`pillarbox key`: the master key that seals secrets at rest."""

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import print_json, print_list
from pillarbox.files import replace_file
from pillarbox.store.admin.keys import count_by_key, reseal
from pillarbox.store.database import Database
from pillarbox.store.seal import Seal, key_id, new_master_key

SETTLE_SECONDS = 2.0
"""Who sealed something with the old key just before has written it by then."""


@click.group("key")
def command() -> None:
    """The master key, which seals the passwords that Pillarbox itself has to use."""


@command.command("show")
@click.pass_obj
def show(cli: Cli) -> None:
    """Name the keys (not what they are) and count what each has sealed."""
    keys = cli.settings().master_key
    with cli.database() as database:
        counts = database.read_now(count_by_key)
    names = [key_id(key) for key in keys]
    seals = {name: "seals" if name == names[0] else "opens" for name in names}
    found = [(name, use, counts.pop(name, 0)) for name, use in seals.items()]
    found += [
        (name or b"", "opens" if name is None else "is missing", counts[name]) for name in counts
    ]
    if cli.as_json:
        print_json([{"id": name.hex() or None, "use": use, "values": n} for name, use, n in found])
        return
    print_list(
        found,
        {
            "Key": lambda line: line[0].hex() or "any, of version 1",
            "Use": lambda line: line[1],
            "Sealed values": lambda line: line[2],
        },
        empty="There is no master key (set master_key or master_key_file).",
    )


@command.command("rotate")
@click.pass_obj
def rotate(cli: Cli) -> None:
    """Make a new master key and seal everything with it, while the service runs.

    The old key opens until everything is sealed again, and is then kept in a file of its own,
    for backups of the database. What was interrupted goes on with the next call. Where the key is
    not in a file of its own, write a new one before the old one, start the service again, and call
    this.
    """
    file = cli.master_key_file()
    with cli.database() as database:
        for said in rotation(database, file, cli.settings().master_key, settle=time.sleep):
            if not cli.as_json:
                click.echo(said)
        names = [key_id(key).hex() for key in cli.settings().master_key]
    if cli.as_json:
        print_json({"keys": names})


def rotation(
    database: Database,
    file: Path | None,
    keys: Sequence[bytes],
    *,
    settle: Callable[[float], None],
) -> Iterator[str]:
    """The steps of a rotation, each durable when it is told, in an order in which everything opens
    after every one: both keys, then new values, then the new key alone. Raises Failure."""
    if not keys:
        raise Failure(ExitCode.CONFIG, "there is no master key (set master_key_file)")
    if len(keys) == 1:
        if file is None:
            hint = "write a new one before it, as in docs/configuration.md, and start again"
            raise Failure(ExitCode.CONFIG, f"the master key is not in a file of its own: {hint}")
        keys = (new_master_key(), *keys)
        _write(file, keys, like=file)
        yield f"There is a new key, {key_id(keys[0]).hex()}; both open."
    new, *old = keys
    done = _reseal(database, keys)
    yield f"{done} values are sealed with it."
    settle(SETTLE_SECONDS)
    while again := _reseal(database, keys):
        done += again
        settle(SETTLE_SECONDS)
    if file is None:
        yield "Nothing needs the old key any more: take it away where you had written the new one."
        return
    for key in old:
        _write(file.with_name(f"{file.name}.{key_id(key).hex()}"), [key], like=file)
    yield "The old key is kept in a file beside: backups of the database may need it."
    _write(file, [new], like=file)
    yield "Everything opens with the new key alone. Make a copy of it, apart from the database."


def _reseal(database: Database, keys: Sequence[bytes]) -> int:
    """Seal what is not sealed with the first key, in one transaction; how much that was."""
    done = database.write_now(lambda c: reseal(c, Seal(keys), keys[0]))
    if done.unreadable:
        some = ", ".join(done.unreadable[:5])
        hint = "set them again; the old key stays, and what was sealed again is"
        raise Failure(
            ExitCode.CONFIG, f"{len(done.unreadable)} secrets open with no key: {some} ({hint})"
        )
    return done.values


def _write(file: Path, keys: Sequence[bytes], *, like: Path) -> None:
    lines = b"".join(base64.b64encode(key) + b"\n" for key in keys)
    state = like.stat()
    replace_file(file, lines, mode=state.st_mode & 0o777, owner=(state.st_uid, state.st_gid))
