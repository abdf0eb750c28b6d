"""Hand one message to an SMTP server, with a login, over TLS, and say clearly what went wrong.

    from email.message import EmailMessage
    from pillarbox.client import Server, send

    send(message, Server("smtp.example.org", username="app@example.org", password="..."))

Needs nothing but the base package. RFC 5321, 6409, 8314; the protocol itself is smtp.client.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from pillarbox.client.message import Outgoing, Sendable, prepare
from pillarbox.errors import PillarboxError
from pillarbox.explain.failures import Failure, FailureKind, explain
from pillarbox.mail.envelope import Body
from pillarbox.mail.reply import Reply
from pillarbox.net.connect import connect_failure
from pillarbox.net.tls import client_context, describe, hop_failure
from pillarbox.route import TlsMode
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_fit import ContentTraits, fit
from pillarbox.smtp.client_phase import Phase

IMPLICIT_TLS_PORT = 465
"""RFC 8314 7.3: on this port TLS begins with the connection."""

_READ_OCTETS = 65_536


@dataclass(frozen=True, slots=True)
class Server:
    """Where to send. `tls` None takes TLS from the first octet on port 465 and STARTTLS elsewhere.

    `ca_file` names a PEM file of further trusted roots; `timeout_seconds` bounds each step.
    """

    host: str
    port: int = 587
    username: str = ""
    password: str = field(default="", repr=False)
    tls: TlsMode | None = None
    ca_file: str = ""
    timeout_seconds: float = 60.0

    @property
    def security(self) -> TlsMode:
        """How the connection is secured."""
        if self.tls is not None:
            return self.tls
        return TlsMode.TLS if self.port == IMPLICIT_TLS_PORT else TlsMode.STARTTLS


@dataclass(frozen=True, slots=True)
class Sent:
    """The message was taken. `refused` has the reply to each recipient that was not."""

    reply: Reply
    refused: dict[str, Reply]


class SendError(PillarboxError):
    """The message was not taken. `reply` is what the server said or what stands for it; `cause`
    and `fix` say what is usually behind it and what to change."""

    def __init__(self, reply: Reply, *, cause: str = "", fix: str = "") -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.cause = cause
        self.fix = fix

    @property
    def is_permanent(self) -> bool:
        """Whether the same message would be refused again."""
        return self.reply.code >= 500


def send(
    message: Sendable,
    server: Server,
    *,
    sender: str | None = None,
    recipients: Sequence[str] | None = None,
) -> Sent:
    """Send one message. Bcc fields are used for the envelope and then left out.

    `sender` and `recipients` (addresses) default to the header fields of the message; for octets
    both must be given. Raises SendError when no recipient was taken, AddressError for an address
    that is none, ValueError when sender or recipients are missing.
    """
    outgoing = prepare(message, sender=sender, recipients=recipients)
    session = _Session(server)
    try:
        session.open()
        return session.deliver(outgoing)
    finally:
        session.close()


async def send_async(
    message: Sendable,
    server: Server,
    *,
    sender: str | None = None,
    recipients: Sequence[str] | None = None,
) -> Sent:
    """`send` for programs with an event loop; it runs in a thread."""
    return await asyncio.to_thread(send, message, server, sender=sender, recipients=recipients)


class _Session:
    """One connection: a blocking shell around ClientProtocol."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._hop = f"{server.host}:{server.port}"
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Connect, encrypt, log in."""
        server = self._server
        try:
            self._socket = socket.create_connection(
                (server.host, server.port), timeout=server.timeout_seconds
            )
        except OSError as exc:
            raise self._error(connect_failure(exc)) from exc
        tls = self._encrypt() if server.security is TlsMode.TLS else ""
        settings = ClientSettings(
            helo_name=_helo_name(self._socket),
            starttls=server.security is TlsMode.STARTTLS,
            username=server.username,
            password=server.password,
        )
        self._core = ClientProtocol(settings, tls=tls)
        self._wait()

    def close(self) -> None:
        """Close the connection, however far it came."""
        if self._socket is not None:
            self._socket.close()

    def deliver(self, outgoing: Outgoing) -> Sent:
        """One transaction, then QUIT."""
        core, envelope, content = self._core, outgoing.envelope, outgoing.content
        traits = ContentTraits(
            eight_bit=envelope.body is Body.EIGHT_BIT, international=envelope.smtputf8
        )
        fitted = fit(core.capabilities, envelope, size_octets=len(content), traits=traits)
        if isinstance(fitted, Failure):
            raise self._error(fitted)
        core.begin(fitted, outgoing.recipients, size=len(content))
        self._wait()
        if core.phase is Phase.CONTENT:
            self._write(core.content(content) + core.end_content())
            self._wait()
        verdicts = core.verdicts()
        core.quit()
        self._wait(is_parting=True)
        return _result(outgoing, verdicts)

    def _wait(self, *, is_parting: bool = False) -> None:
        """Write what is to be written and read until the next step is ours."""
        core = self._core
        while True:
            self._write(core.data_to_send())
            if core.phase is Phase.HANDSHAKE:
                core.tls_started(self._encrypt())
            elif core.is_waiting:
                self._read()
            else:
                break
        if core.failure is not None and not is_parting:
            raise self._error(core.failure)

    def _write(self, octets: bytes) -> None:
        if not octets or self._socket is None:
            return
        try:
            self._socket.sendall(octets)
        except OSError:
            # What the server said before it closed still counts: read it.
            return

    def _read(self) -> None:
        if self._socket is None:
            self._core.connection_lost()
            return
        try:
            octets = self._socket.recv(_READ_OCTETS)
        except TimeoutError:
            self._core.timed_out()
        except OSError:
            self._core.connection_lost()
        else:
            if octets:
                self._core.receive(octets)
            else:
                self._core.connection_lost()

    def _encrypt(self) -> str:
        server = self._server
        context = client_context(verify=True, ca_file=server.ca_file)
        if self._socket is None:
            raise self._error(Failure(FailureKind.CONNECTION_LOST, "the handshake was made"))
        try:
            encrypted = context.wrap_socket(self._socket, server_hostname=server.host)
        except OSError as exc:
            raise self._error(hop_failure(exc)) from exc
        self._socket = encrypted
        return describe(encrypted)

    def _error(self, failure: Failure) -> SendError:
        explanation = explain(failure, hop=self._hop)
        return SendError(explanation.reply, cause=explanation.cause, fix=explanation.fix)


def _helo_name(connection: socket.socket) -> str:
    """This host's address as a literal: a program seldom has a name that others can look up
    (RFC 5321 4.1.4)."""
    address = str(connection.getsockname()[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _result(outgoing: Outgoing, verdicts: Sequence[Reply | None]) -> Sent:
    refused: dict[str, Reply] = {}
    taken: Reply | None = None
    for recipient, verdict in zip(outgoing.recipients, verdicts, strict=True):
        if verdict is None:
            continue
        if verdict.code < 400:
            taken = verdict
        else:
            refused[recipient.forward_path.address] = verdict
    if taken is not None:
        return Sent(taken, refused)
    reply = next(iter(refused.values()))
    raise SendError(reply, cause="The server refused the message.", fix=reply.text)
