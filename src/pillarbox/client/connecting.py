"""Making clients: `pillarbox.connect` and `pillarbox.connect_async`."""

from typing import TYPE_CHECKING

from pillarbox.client.auth import Auth
from pillarbox.client.options import Pool, Timeouts, Tls, Transcript
from pillarbox.client.setup import Setup

if TYPE_CHECKING:
    from pillarbox.client.async_client import AsyncClient
    from pillarbox.client.blocking_client import Client

_POOL = Pool()
SECONDS = 60.0


def connect(
    server: str,
    *,
    auth: Auth | None = None,
    tls: Tls = "required",
    ca_file: str = "",
    timeout: float | Timeouts | None = SECONDS,
    pool: Pool = _POOL,
    helo_name: str = "",
    transcript: Transcript | None = None,
) -> "Client":
    """A client of a server, for programs without an event loop. The first message connects.

    `server` is "submission://host" (STARTTLS, port 587), "smtps://host" (TLS, port 465),
    "smtp://host:port" (TLS on port 465, else STARTTLS), or a mail address whose server is to be
    found. `tls` "opportunistic" also takes a server without TLS. `ca_file` names a PEM file of
    further trusted roots. `timeout` is for each answer of the server, None sets no limit.
    `transcript` gets what was said, secrets masked. Raises ArgumentError.
    """
    from pillarbox.client.blocking_client import Client

    return Client(
        Setup.check(
            server,
            auth=auth,
            tls=tls,
            ca_file=ca_file,
            timeout=timeout,
            pool=pool,
            helo_name=helo_name,
            transcript=transcript,
        )
    )


def connect_async(
    server: str,
    *,
    auth: Auth | None = None,
    tls: Tls = "required",
    ca_file: str = "",
    timeout: float | Timeouts | None = SECONDS,
    pool: Pool = _POOL,
    helo_name: str = "",
    transcript: Transcript | None = None,
) -> "AsyncClient":
    """A client of a server, for programs with an event loop; arguments as those of connect().

    It is made without waiting: `async with connect_async(…) as client`.
    """
    from pillarbox.client.async_client import AsyncClient

    return AsyncClient(
        Setup.check(
            server,
            auth=auth,
            tls=tls,
            ca_file=ca_file,
            timeout=timeout,
            pool=pool,
            helo_name=helo_name,
            transcript=transcript,
        )
    )
