"""What `pillarbox find --save` writes: a profile, and its password in a file beside it; or how a
token for it is got."""

import os
import re
import sys
from pathlib import Path

import click

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.secret_input import read_secret
from pillarbox.explain.reply_table import TABLE
from pillarbox.files import replace_file
from pillarbox.profiles import FILE_VARIABLE, save_profile, user_file
from pillarbox.publish.client_settings import ClientSettings, Encryption
from pillarbox.publish.literals import shell_literal

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def save(name: str, settings: ClientSettings, password_file: str | None, *, ca_file: str) -> None:
    """Write one with a password. Raises Failure, ConfigError, OSError."""
    written = {**_settings(name, settings, ca_file), "password_file": f"{name}.password"}
    password = None
    if password_file is not None or sys.stdin.isatty():
        password = read_secret(password_file, f"Password of {settings.username}")
    secret = _write(name, written, "password")
    if password is not None:
        replace_file(secret, f"{password}\n".encode(), mode=0o600)
    else:
        _tell_missing(secret, "password")


def save_sign_in(
    name: str, settings: ClientSettings, sign_in: dict[str, str], *, ca_file: str
) -> None:
    """Write one with OAuth2; `sign_in` has client_id, tenant_id, secret_file and key_file, "" where
    they were not given. Raises Failure, ConfigError, OSError."""
    issuer = _ISSUERS.get(TABLE.provider_of(settings.server, ""), "")
    if not issuer:
        raise Failure(
            ExitCode.UNAVAILABLE,
            f"{settings.server}: profiles know OAuth2 of Microsoft and Google alone"
            " (hint: docs/client.md shows a provider of your own)",
        )
    given = {key: value for key, value in sign_in.items() if value}
    is_service = issuer == "google" and "key_file" in given
    if "client_id" not in given and not is_service:
        raise Failure(ExitCode.UNAVAILABLE, _NO_REGISTRATION[issuer].format(settings.server))
    for key in ("secret_file", "key_file"):
        if key in given:
            given[key] = str(Path(given[key]).resolve())
    is_person = "key_file" not in given and (issuer == "google" or "secret_file" not in given)
    if is_person:
        given["token_file"] = f"{name}.token"
    token = _write(name, {**_settings(name, settings, ca_file), "auth": issuer, **given}, "token")
    if is_person and issuer == "google":
        _tell_missing(token, "refresh token")
    else:
        click.echo(f"Try it: pillarbox send --profile {shell_literal(name)} --check", err=True)


_ISSUERS = {"microsoft365": "microsoft", "google": "google"}

_NO_REGISTRATION = {
    "microsoft": (
        "{} takes only OAuth2: add --client-id of an application that is registered at the tenant,"
        " and for one that logs in as itself --secret-file or --key-file"
        " (hint: docs/microsoft365.md)"
    ),
    "google": (
        "for OAuth2 at {} add --key-file of a service account, or --client-id and --secret-file of"
        " an application to which a person consents"
    ),
}


def _settings(name: str, settings: ClientSettings, ca_file: str) -> dict[str, str | bool]:
    if _NAME.fullmatch(name) is None:
        raise Failure(ExitCode.USAGE, f"{name!r} is no name of a profile: letters, digits, - and _")
    door = settings.preferred_door()
    scheme = "submissions" if door.encryption is Encryption.TLS else "submission"
    found: dict[str, str | bool] = {
        "server": f"{scheme}://{settings.server}:{door.port}",
        "username": settings.username,
        "sender": settings.sender_address,
    }
    if ca_file:
        found["ca_file"] = str(Path(ca_file).resolve())
    return found


def _write(name: str, written: dict[str, str | bool], kind: str) -> Path:
    """Write the profile; where its secret of this kind is to stand."""
    file = Path(os.environ.get(FILE_VARIABLE) or user_file())
    save_profile(name, written, file=str(file))
    click.echo(f"\nThe profile {name} stands in {file}.", err=True)
    return file.with_name(f"{name}.{kind}")


def _tell_missing(file: Path, what: str) -> None:
    if not file.exists():
        click.echo(f"Its {what} is still missing: (umask 077; cat > {file})", err=True)
