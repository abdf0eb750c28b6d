"""`pillarbox check-config`: read the configuration and say everything that is wrong with it."""

from pathlib import Path

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.output import print_facts, print_json
from pillarbox.cli.times import for_people, now
from pillarbox.config import Listener
from pillarbox.errors import ConfigError, Problem
from pillarbox.net.key_pair import certificate_end
from pillarbox.net.tls import server_context
from pillarbox.route import TlsMode


@click.command("check-config")
@click.pass_obj
def command(cli: Cli) -> None:
    """Check the configuration, all of it at once.

    Ends with 78 and one line for each problem, or says what holds.
    """
    settings = cli.settings()
    file = cli.find_config()
    if any(listener.tls is not TlsMode.NONE for listener in settings.listeners):
        _check_pair(settings.tls.certificate, settings.tls.key)
    publishing = settings.publishing
    if publishing.address and publishing.certificate and publishing.key:
        _check_pair(publishing.certificate, publishing.key)
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
    print_facts(
        [
            ("Configuration", str(file) if file else "environment only, no file"),
            ("Host name", settings.host_name),
            ("Data", str(settings.data_directory)),
            *(("Listener", _listener(listener)) for listener in settings.listeners),
            ("Result", "the configuration can be used"),
        ]
    )


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
