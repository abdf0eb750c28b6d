"""`pillarbox check-config`: read the configuration and say everything that is wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.output import print_facts, print_json
from pillarbox.cli.start_checks import is_hidden, start_problems
from pillarbox.cli.times import for_people, now
from pillarbox.config import Listener, Settings
from pillarbox.errors import ConfigError, Problem
from pillarbox.net.key_pair import certificate_end
from pillarbox.net.tls import server_context
from pillarbox.route import TlsMode

_HIDDEN = "data folder and database: run this as root or as {user}, whom we may not become"


@click.command("check-config")
@click.pass_obj
def command(cli: Cli) -> None:
    """Check the configuration, all of it at once, and whether the service could start with it.

    Ends with 78 and one line for each problem, or says what holds.
    """
    settings = cli.settings()
    file = cli.find_config()
    problems = [*_certificate_problems(settings), *start_problems(settings)]
    if problems:
        raise ConfigError(problems)
    if cli.as_json:
        print_json(
            {
                "config_file": str(file) if file else None,
                "host_name": settings.host_name,
                "data_directory": str(settings.data_directory),
                "listeners": [
                    {
                        "name": listener.name,
                        "port": listener.port,
                        "tls": listener.tls.value,
                        "purpose": listener.purpose,
                    }
                    for listener in settings.listeners
                ],
            }
        )
        return
    hidden = [("Not looked at", _HIDDEN.format(user=settings.user))] if is_hidden(settings) else []
    print_facts(
        [
            ("Configuration", str(file) if file else "environment only, no file"),
            ("Host name", settings.host_name),
            ("Data", str(settings.data_directory)),
            *(("Listener", _listener(listener)) for listener in settings.listeners),
            *hidden,
            ("Result", "the configuration can be used"),
        ]
    )


def _certificate_problems(settings: Settings) -> Iterator[Problem]:
    pairs = []
    if any(listener.tls is not TlsMode.NONE for listener in settings.listeners):
        pairs.append((settings.tls.certificate, settings.tls.key))
    publishing = settings.publishing
    if publishing.address and publishing.certificate and publishing.key:
        pairs.append((publishing.certificate, publishing.key))
    for certificate, key in pairs:
        try:
            _check_pair(certificate, key)
        except ConfigError as error:
            yield from error.problems


def _check_pair(certificate: Path, key: Path) -> None:
    """A certificate that listeners can use, and clients, too. Raises ConfigError."""
    server_context(certificate, key)
    try:
        ends_at = certificate_end(certificate.read_text())
    except ValueError:
        # OpenSSL takes more forms than we read.
        return
    if ends_at <= now():
        text = f"this certificate ended at {for_people(ends_at)}: no client takes it"
        raise ConfigError([Problem(str(certificate), text, "put a new one with its key there")])


def _listener(listener: Listener) -> str:
    more = ", network login" if listener.network_login else ""
    if listener.takes_returns:
        more = ", only what comes back"
    return f"{listener.address} port {listener.port}, {listener.tls.value}{more}"
