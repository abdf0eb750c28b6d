"""Who logs in at the server that the doctor looks at: user by option; password and token by file,
environment or prompt, never by an argument, which every user of the host could read."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.text_input import first_line
from pillarbox.cli.typed_names import typed_mailbox
from pillarbox.doctor import Account
from pillarbox.doctor.login import MECHANISMS

PASSWORD_VARIABLE = "PILLARBOX_DOCTOR_PASSWORD"  # noqa: S105 - the name of a variable
TOKEN_VARIABLE = "PILLARBOX_DOCTOR_TOKEN"  # noqa: S105 - the name of a variable

_MAX_SECRET_CHARACTERS = 65_536

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--user", default="", help="Log in as this user, once."),
    click.option(
        "--password-file",
        default="",
        metavar="FILE|-",
        help=f"The password is the first line of FILE, or in ${PASSWORD_VARIABLE}; else it is"
        " asked for.",
    ),
    click.option(
        "--token-file",
        default="",
        metavar="FILE|-",
        help=f"Log in with the access token of OAuth2 in FILE, or in ${TOKEN_VARIABLE}.",
    ),
    click.option(
        "--mechanism",
        type=click.Choice(MECHANISMS, case_sensitive=False),
        help="Log in by this mechanism and no other.",
    ),
    click.option("--sender", default="", help="Offer this sender, and take it back."),
    click.option(
        "--recipient", default="", help="Offer this recipient with it (default: the sender)."
    ),
    click.option("--send", is_flag=True, help="Send a short test message as well."),
)


def account_options(decorated: Command) -> Command:
    """Add the options."""
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def read_account(options: Mapping[str, Any]) -> Account:
    """The account. Raises Failure, AddressError for addresses that are none, OSError."""
    user = options["user"]
    sender, recipient = (_address(options[name]) for name in ("sender", "recipient"))
    if options["send"] and not (user and sender):
        raise click.UsageError("--send needs --user and --sender")
    if recipient and not sender:
        raise click.UsageError("--recipient needs --sender")
    token = password = ""
    if user:
        token = _secret(options["token_file"], TOKEN_VARIABLE)
        password = "" if token else _password(options["password_file"], user)
    elif options["token_file"] or options["password_file"]:
        raise click.UsageError("say with --user whose it is")
    return Account(
        username=user,
        password=password,
        token=token,
        mechanism=(options["mechanism"] or "").upper(),
        sender=sender,
        recipient=recipient,
        send=options["send"],
    )


def _address(text: str) -> str:
    return str(typed_mailbox(text)) if text else ""


def _password(file: str, user: str) -> str:
    if secret := _secret(file, PASSWORD_VARIABLE):
        return secret
    if not sys.stdin.isatty():
        hint = f"name a file with --password-file, or set {PASSWORD_VARIABLE}"
        raise Failure(ExitCode.USAGE, f"the password can not be asked for here ({hint})")
    typed: str = click.prompt(f"Password of {user}", hide_input=True, err=True)
    return typed


def _secret(file: str, variable: str) -> str:
    return read_account_secret(file) if file else os.environ.get(variable, "")


def read_account_secret(file: str) -> str:
    """The first line of a file, or of standard input (`-`). Raises OSError, Failure."""
    return first_line(file, _MAX_SECRET_CHARACTERS)
