"""Somebody at the terminal signs in at Microsoft."""

import asyncio

import click

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.explain.failures import Failure as SignInFailure
from pillarbox.explain.failures import explain
from pillarbox.oauth.sign_in import Access


def ask_person(access: Access, hop: str) -> str:
    """The refresh token of who signed in; what there is to do is said on standard error. Raises
    Failure, ConfigError."""
    from pillarbox.net.oauth_person import sign_in_person
    from pillarbox.net.tls import client_context

    context = client_context(verify=True, ca_file=access.sign_in.ca_file)
    outcome = asyncio.run(
        sign_in_person(access, context=context, tell=lambda text: click.echo(text, err=True))
    )
    if isinstance(outcome, SignInFailure):
        what, fix = explain(outcome, hop=hop).reply.lines
        raise Failure(ExitCode.TRY_LATER, f"{what} ({fix})")
    return outcome
