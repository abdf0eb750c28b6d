"""The emulator as a whole: `async with Emulator(config) as emulator` starts and stops all of it."""

import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from pillarbox.emulate.card import Facts, describe, render
from pillarbox.emulate.config import EmulatorConfig, sample_config
from pillarbox.emulate.control_server import ControlServer
from pillarbox.emulate.graph_server import GraphServer
from pillarbox.emulate.http import HttpServer
from pillarbox.emulate.login_server import LoginServer
from pillarbox.emulate.smtp_server import SmtpSession
from pillarbox.emulate.streams import Stream, TcpServer
from pillarbox.emulate.world import World
from pillarbox.net.certificates import CertificateFiles, ensure_certificates
from pillarbox.net.tls import server_context

NAME = "localhost"
"""For which the certificate is, as for 127.0.0.1."""


class Emulator:
    """One Microsoft 365 of one's own, on free ports of the loopback unless `config` names some.

    `world` has the switches, the faults, the messages that arrived and the statistics.
    """

    def __init__(
        self, config: EmulatorConfig | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.config = config or sample_config()
        self.world = World(self.config, clock)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files = CertificateFiles.in_folder(self.config.folder or Path())
        self._smtp = TcpServer(self._serve_smtp)
        self._login = LoginServer(self.world)
        self._login_port = TcpServer(HttpServer(self._login.handle).serve)
        self._graph = GraphServer(self.world)
        self._graph_port = TcpServer(HttpServer(self._graph.handle).serve)
        self._control = ControlServer(
            self.world,
            describe=lambda: describe(self.facts, self.config),
            forget=self.forget,
            connections=self.connections,
            decide_device=self._login.grants.decide_device,
        )
        self._control_port = TcpServer(HttpServer(self._control.handle).serve)
        self._contexts: dict[str, ssl.SSLContext] = {}

    @property
    def _servers(self) -> dict[str, TcpServer]:
        """What stands for Microsoft's."""
        return {"smtp": self._smtp, "login": self._login_port, "graph": self._graph_port}

    @property
    def smtp_port(self) -> int:
        """The port that stands for smtp.office365.com:587."""
        return self._smtp.port

    @property
    def authority_url(self) -> str:
        """What stands for https://login.microsoftonline.com, without the tenant."""
        return self._login.authority

    @property
    def graph_url(self) -> str:
        """What stands for https://graph.microsoft.com."""
        return self._graph.url

    @property
    def drafts(self) -> int:
        """How many drafts there are in all mailboxes."""
        return self._graph.drafts

    @property
    def control_url(self) -> str:
        """The control API."""
        return f"http://127.0.0.1:{self._control_port.port}"

    @property
    def ca_file(self) -> Path:
        """The authority that clients have to trust."""
        return self._files.ca_certificate

    @property
    def facts(self) -> Facts:
        """Where everything is."""
        return Facts(
            self.smtp_port, self.authority_url, self.graph_url, self.control_url, self.ca_file
        )

    @property
    def card(self) -> str:
        """All that a person needs, with commands to paste."""
        return render(self.facts, self.config)

    def forget(self) -> None:
        """Begin anew with messages, statistics and limits; switches and faults stay."""
        self.world.forget()
        self._graph.forget()
        for server in self._servers.values():
            server.forget()

    def connections(self) -> dict[str, dict[str, int]]:
        """By port: how many there are, and the most that there were at once."""
        servers = self._servers.items()
        return {name: {"open": one.open, "most": one.most_open} for name, one in servers}

    def decide_device(self, user_code: str, decision: str, user: str = "") -> bool:
        """Approve or decline a device code as a user does; whether there is such a code."""
        return self._login.grants.decide_device(user_code, decision, user)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Make what is missing, and listen. Raises OSError where a port or the folder can not be
        used."""
        if self.config.folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="pillarbox-emulator-")
            self._files = CertificateFiles.in_folder(Path(self._folder.name))
        ensure_certificates(self._files, [NAME])
        self._contexts = self._make_contexts()
        try:
            await self._listen()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End every connection and close the ports."""
        for server in (*self._servers.values(), self._control_port):
            await server.stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def _listen(self) -> None:
        ports, tls = self.config.ports, self._contexts["alert"]
        await self._smtp.start(ports.smtp)
        await self._login_port.start(ports.login, tls)
        self._login.authority = f"https://{NAME}:{self._login_port.port}"
        await self._graph_port.start(ports.graph, tls)
        self._graph.url = f"https://{NAME}:{self._graph_port.port}"
        await self._control_port.start(ports.control)
        self.world.graph_audiences = frozenset({self._graph.url})

    def _make_contexts(self) -> dict[str, ssl.SSLContext]:
        """By the position of the switch tls_legacy: one that knows TLS 1.0, one that does not."""
        usual = server_context(self._files.certificate, self._files.key)
        legacy = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        legacy.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        legacy.set_ciphers("ALL:@SECLEVEL=0")
        legacy.load_cert_chain(self._files.certificate, self._files.key)
        return {"alert": usual, "refuse": legacy, "allow": legacy}

    async def _serve_smtp(self, stream: Stream) -> None:
        position = self.world.switches.get("tls_legacy")
        await SmtpSession(self.world, self._contexts[position], stream).run()
