"""The server of an address, for a client that was given nothing else."""

import asyncio

from pillarbox.client.errors import ArgumentError, DiscoveryError
from pillarbox.client.server import Server
from pillarbox.client.setup import Setup
from pillarbox.discovery.answer import Discovery, client_settings
from pillarbox.discovery.findings import CheckState
from pillarbox.errors import AddressError
from pillarbox.publish.client_settings import Encryption


def find_server(setup: Setup) -> Server:
    """Find it; blocks. Raises ClientError."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(find_server_async(setup))
    raise ArgumentError(
        "the blocking client finds no server where an event loop runs",
        fix="Use connect_async(), or name the server",
    )


async def find_server_async(setup: Setup) -> Server:
    """Find it. Raises ClientError."""
    from pillarbox.client.discovery import Options, discover_async

    try:
        found = await discover_async(setup.address, Options(ca_file=setup.ca_file))
    except AddressError as exc:
        raise ArgumentError(f"{setup.address!r} is no address: {exc}") from exc
    return chosen(found)


def chosen(found: Discovery) -> Server:
    """The best way that was found, where nobody has to be asked about it. Raises DiscoveryError."""
    best = found.best
    if best is None or all(check.state is CheckState.BAD for check in best.checks):
        why = found.trouble or "no source names one that can be used"
        raise DiscoveryError(
            f"no server was found for {found.query}: {why}",
            cause="The domain does not say which server takes its mail, or the DNS did not answer.",
            fix="Name the server: smtp://host:587; `pillarbox find ADDRESS` tells what was tried",
            is_transient=bool(found.trouble),
        )
    door = client_settings(best, found.asking).preferred_door()
    server = Server(best.host, door.port, door.encryption is Encryption.TLS)
    if best.confirm:
        # RFC 6186 section 6: who can forge the DNS could collect passwords.
        scheme = "smtps" if server.is_implicit else "submission"
        raise DiscoveryError(
            f"the server of {found.query} has to be confirmed: {'; '.join(best.confirm)}",
            code="not-confirmed",
            cause="What names it could have been written by somebody else.",
            fix=f"Name the server, if it is the right one: {scheme}://{server}",
        )
    return server
