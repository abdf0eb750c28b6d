"""What the configuration means for a client: the server, ports and CA file of its settings card."""

from ipaddress import ip_address
from pathlib import Path

from pillarbox.config.settings import ANY_ADDRESS, Listener, Settings
from pillarbox.publish.client_settings import ClientSettings, Door, Encryption
from pillarbox.route import TlsMode

TLS_FOLDER = "tls"
CA_NAME = "ca.pem"
"""In the data directory: the certificate of our own authority, made at the first start."""


def client_settings(settings: Settings, username: str, *, password: str = "") -> ClientSettings:
    """The settings of one account; `password` is "" where it is not known any more.

    Where all listeners with TLS are on one address of this host, that is the server, else the
    host name is.
    """
    doors = [
        listener
        for listener in settings.listeners
        if listener.tls is not TlsMode.NONE and not listener.takes_returns
    ]
    ca_file = own_ca(settings)
    return ClientSettings(
        server=_server(settings.host_name, doors),
        doors=tuple(Door(door.port, Encryption(door.tls.value)) for door in doors),
        username=username,
        password=password,
        ca_file=str(ca_file) if ca_file else "",
    )


def own_ca(settings: Settings) -> Path | None:
    """The certificate of our own authority, if the server's certificate comes from there."""
    folder = settings.data_directory / TLS_FOLDER
    ca_file = folder / CA_NAME
    is_ours = settings.tls.certificate.parent == folder and ca_file.exists()
    return ca_file if is_ours else None


def _server(host_name: str, doors: list[Listener]) -> str:
    addresses = {door.address for door in doors}
    only = addresses.pop() if len(addresses) == 1 else ANY_ADDRESS
    if only == ANY_ADDRESS or not ip_address(only).is_loopback:
        return host_name
    return only
