"""The listeners of one process: they take connections from sockets that others have bound.

`Reception.run` serves until `stop`: then nothing new is accepted, sessions end between two
commands with 421 4.3.2, and who waits for a commit gets the answer, until a deadline.
"""

import asyncio
import socket
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol

from pillarbox.config import Limits, Listener
from pillarbox.errors import ConfigError
from pillarbox.net.tls import ServerCertificate
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.reception.connection import Connection
from pillarbox.reception.registry import Registry
from pillarbox.reception.services import Door, Services
from pillarbox.reception.tls_server import TlsServer
from pillarbox.reception.wrong_port import WrongPorts
from pillarbox.route import TlsMode
from pillarbox.smtp.sasl_mechanisms import PASSWORD_MECHANISMS
from pillarbox.smtp.server import ServerSettings

BACKLOG = 4096
"""Connections that wait in the kernel."""

SWEEP_SECONDS = 1.0
"""Deadlines are looked at this often: none of them needs to be more exact."""

RETURNS_RECIPIENTS = 100
"""Of a message that comes back, which has one: RFC 5321 4.5.3.1.8 wants that many."""

REFRESH_SWEEPS = 5
"""The files of the certificates are looked at each so many sweeps."""


class Server(Protocol):
    """What takes connections from one socket."""

    def close(self) -> None:
        """Take no more."""
        ...


class Reception:
    """All listeners. `certificates` has one for each listener with TLS, by the listener's name."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        services: Services,
        *,
        host_name: str,
        certificates: Mapping[str, ServerCertificate],
    ) -> None:
        limits = services.limits
        self._services = services
        self._host_name = host_name
        self._certificates = certificates
        self._registry = Registry(limits)
        self._further_logins: tuple[str, ...] = ()
        self._wrong_ports = WrongPorts()
        self._doors = {listener.name: self._door(listener) for listener in listeners}
        self._tasks: asyncio.TaskGroup | None = None
        self._servers: list[Server] = []
        self._drained = asyncio.Event()

    async def run(
        self, sockets: Mapping[str, socket.socket], ready: asyncio.Event | None = None
    ) -> None:
        """Serve on these sockets, by the names of the listeners, until `stop` has ended."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for name, door in self._doors.items():
                    self._servers.append(await self._open(door.listener, sockets[name]))
                sweeping = tasks.create_task(self._sweep())
                if ready is not None:
                    ready.set()
                await self._drained.wait()
                sweeping.cancel()
        finally:
            self._tasks = None
            self._close_servers()
            self._registry.abort()

    async def stop(self, deadline_seconds: float) -> None:
        """Take no more connections and end the sessions; those that have not ended at the
        deadline are cut off."""
        self._close_servers()
        self._registry.stop()
        try:
            async with asyncio.timeout(deadline_seconds):
                await self._registry.wait_empty()
        except TimeoutError:
            log.warning("reception.cut_off", sessions=len(self._registry))
        self._registry.abort()
        self._drained.set()

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers = []

    def take_up(self, services: Services) -> None:
        """Serve new sessions with other services (and their limits); those that are open keep
        what they began with."""
        self._services = services
        self._registry.take_up(services.limits)
        self._doors = {name: self._door(door.listener) for name, door in self._doors.items()}

    def offer(self, mechanisms: tuple[str, ...]) -> None:
        """Offer these beside the passwords to new sessions, on listeners with TLS."""
        if mechanisms != self._further_logins:
            self._further_logins = mechanisms
            self._doors = {name: self._door(door.listener) for name, door in self._doors.items()}
            log.info("reception.logins_offered", beside_passwords=" ".join(mechanisms))

    def _door(self, listener: Listener) -> Door:
        return Door(
            listener,
            server_settings(listener, self._services.limits, self._host_name, self._further_logins),
            self._certificates.get(listener.name),
            self._services,
            self._spawn,
        )

    async def _open(self, listener: Listener, bound: socket.socket) -> Server:
        name = listener.name
        opened = metrics.SESSIONS.labels(name)

        def connect() -> Connection:
            opened.inc()
            return Connection(self._doors[name], self._registry, self._wrong_ports)

        # Connections inherit it: a reply must not wait for the acknowledgement of the one before.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if listener.tls is TlsMode.TLS:
            return TlsServer(bound, connect)
        return await asyncio.get_running_loop().create_server(connect, sock=bound, backlog=BACKLOG)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
        """Run what a connection can not do at once."""
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(work)

    def sweep(self) -> None:
        """End the sessions whose deadline has passed; once a second while running."""
        self._registry.sweep(self._services.clock.seconds())
        metrics.SESSIONS_OPEN.set(len(self._registry))

    async def _sweep(self) -> None:
        sweeps = 0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            sweeps += 1
            try:
                self.sweep()
                if sweeps % REFRESH_SWEEPS == 0:
                    self.refresh_certificates()
            except Exception:
                log.exception("reception.sweep_failed")

    def refresh_certificates(self) -> None:
        """Take up certificates that were written anew; open sessions keep the old ones."""
        for name, certificate in self._certificates.items():
            try:
                if certificate.refresh():
                    log.info("reception.certificate_loaded", listener=name)
            except ConfigError as error:
                log.error("reception.certificate_unusable", listener=name, cause=str(error))


def server_settings(
    listener: Listener, limits: Limits, host_name: str, further_logins: tuple[str, ...] = ()
) -> ServerSettings:
    """What the protocol core has to know of a listener."""
    encrypts = listener.tls is not TlsMode.NONE
    takes_logins = encrypts and not listener.takes_returns
    return ServerSettings(
        host_name=host_name,
        size_limit_octets=limits.message_octets,
        recipient_limit=RETURNS_RECIPIENTS if listener.takes_returns else limits.recipients,
        mail_limit=limits.transactions_per_session,
        starttls=listener.tls is TlsMode.STARTTLS,
        require_tls=takes_logins and not listener.network_login,
        error_limit=limits.errors_per_session,
        idle_limit=limits.idle_commands_per_session,
        login_mechanisms=(*PASSWORD_MECHANISMS, *further_logins) if takes_logins else (),
        is_open=listener.takes_returns,
        requiretls=takes_logins,
    )
