"""A real SMTP server for tests, in a thread of the program that tests.

STARTTLS on one port, TLS from the first octet on another, logins by password, SCRAM and token,
pipelining, chunks, DSN, faults on order. It uses the protocol core of `pillarbox.smtp`.
"""

import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pillarbox.emulate.faults import Faults
from pillarbox.emulate.streams import Stream, TcpServer
from pillarbox.net.certificates import CertificateFiles, ensure_certificates
from pillarbox.net.tls import server_context
from pillarbox.testing.background import in_background
from pillarbox.testing.inbox import Inbox
from pillarbox.testing.orders import Orders
from pillarbox.testing.smtp_session import House, Options, Session

HOST = "127.0.0.1"
USERNAME = "user@example.com"
PASSWORD = "sample-password"  # noqa: S105 -- known to everybody, of no use elsewhere
TOKEN = "sample-token"  # noqa: S105


class SmtpServer(Inbox, Orders):
    """`with SmtpServer() as server`, or the fixture `smtp_server`.

    `port` has STARTTLS, `tls_port` TLS from the first octet. `messages` is what arrived,
    `wait_for(...)` waits for more; `fail`, `cut`, `hang` and `delay` order faults. `options` are
    those of `pillarbox.testing.smtp_session.Options`; without accounts of one's own there is one:
    `username` with `password`, and `token` for OAuth2. `folder` keeps the certificates.
    """

    def __init__(self, *, folder: Path | None = None, **options: Any) -> None:  # noqa: ANN401 -- Options
        Inbox.__init__(self)
        Orders.__init__(self, Faults(seed=0))
        chosen = Options(**options)
        if not chosen.accounts and not chosen.tokens:
            chosen = replace(chosen, accounts={USERNAME: PASSWORD}, tokens={USERNAME: TOKEN})
        self.options = chosen
        self.host = HOST
        self.connections = 0
        """How many connections there were."""
        self._folder = folder
        self._stack = ExitStack()
        self._plain_port = TcpServer(self._serve)
        self._tls_port = TcpServer(self._serve)

    @property
    def port(self) -> int:
        """The port for plain SMTP and STARTTLS."""
        return self._plain_port.port

    @property
    def tls_port(self) -> int:
        """The port with TLS from the first octet."""
        return self._tls_port.port

    @property
    def username(self) -> str:
        """The user name of the first account."""
        return next(iter({**self.options.accounts, **self.options.tokens}))

    @property
    def password(self) -> str:
        """Its password."""
        return self.options.accounts.get(self.username, "")

    @property
    def token(self) -> str:
        """Its token for XOAUTH2 and OAUTHBEARER."""
        return self.options.tokens.get(self.username, "")

    @property
    def ca_file(self) -> Path:
        """The authority to trust, in PEM."""
        return self._files.ca_certificate

    def ssl_context(self) -> ssl.SSLContext:
        """For a client: trusts this server's authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def __enter__(self) -> Self:
        folder = self._folder
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="pillarbox-testing-")
            folder = Path(self._stack.enter_context(made))
        self._files = CertificateFiles.in_folder(folder)
        ensure_certificates(self._files, [HOST])
        context = server_context(self._files.certificate, self._files.key)
        self._house = House(self.options, self, self.faults, context)
        try:
            self._stack.enter_context(in_background(self._listening(context)))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @asynccontextmanager
    async def _listening(self, context: ssl.SSLContext) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for server, tls in ((self._plain_port, None), (self._tls_port, context)):
                await server.start(0, tls)
                stack.push_async_callback(server.stop)
            yield

    async def _serve(self, stream: Stream) -> None:
        self.connections += 1
        await Session(self._house, stream).run()
