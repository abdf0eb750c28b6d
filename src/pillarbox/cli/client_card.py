"""What a client has to enter, from the configuration of this service."""

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.config.client import client_settings
from pillarbox.publish.client_settings import ClientSettings


def settings_of(cli: Cli, address: str, *, password: str = "") -> ClientSettings:
    """The settings of an account. Raises Failure where no listener takes a login."""
    settings = client_settings(cli.settings(), address, password=password)
    if not settings.doors:
        hint = 'add [[listeners]] with port = 587 and tls = "starttls"'
        raise Failure(ExitCode.CONFIG, f"nobody can log in: no listener has TLS ({hint})")
    return settings
