"""What `pillarbox find --save` writes: a profile, and its password in a file beside it."""

import os
import re
import sys
from pathlib import Path

import click

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.secret_input import read_secret
from pillarbox.files import replace_file
from pillarbox.profiles import FILE_VARIABLE, save_profile, user_file
from pillarbox.publish.client_settings import ClientSettings, Encryption

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def save(name: str, settings: ClientSettings, password_file: str | None, *, ca_file: str) -> None:
    """Write it. Raises Failure, ConfigError, OSError."""
    if _NAME.fullmatch(name) is None:
        raise Failure(ExitCode.USAGE, f"{name!r} is no name of a profile: letters, digits, - and _")
    file = Path(os.environ.get(FILE_VARIABLE) or user_file())
    door = settings.preferred_door()
    scheme = "submissions" if door.encryption is Encryption.TLS else "submission"
    written: dict[str, str | bool] = {
        "server": f"{scheme}://{settings.server}:{door.port}",
        "username": settings.username,
        "password_file": f"{name}.password",
        "sender": settings.sender_address,
    }
    if ca_file:
        written["ca_file"] = str(Path(ca_file).resolve())
    password = None
    if password_file is not None or sys.stdin.isatty():
        password = read_secret(password_file, f"Password of {settings.username}")
    save_profile(name, written, file=str(file))
    click.echo(f"\nThe profile {name} stands in {file}.", err=True)
    secret = file.with_name(f"{name}.password")
    if password is not None:
        replace_file(secret, f"{password}\n".encode(), mode=0o600)
    elif not secret.exists():
        click.echo(f"Its password is still missing: (umask 077; cat > {secret})", err=True)
