"""A look at a server for sending: TLS, EHLO, QUIT. Nothing is sent, no login is tried."""

import ssl
from dataclasses import dataclass

from pillarbox.explain.failures import Failure
from pillarbox.net.streams import PlainStream, Stream, TlsStream
from pillarbox.net.tls import describe
from pillarbox.publish.client_settings import Encryption
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_phase import Phase


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen. `before_tls` are the mechanisms of AUTH that were offered in the clear;
    `failure` is what ended it early."""

    tls: str = ""
    mechanisms: tuple[str, ...] = ()
    before_tls: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """What to look at: the name for the certificate, the encryption, and what is trusted."""

    host: str
    encryption: Encryption
    trust: ssl.SSLContext


class Watcher:
    """Is told what happens, and does nothing about it."""

    def notice(self, phase: Phase) -> None:
        """A phase begins."""

    def hear(self, octets: bytes) -> None:
        """The server said this."""


_NOBODY = Watcher()


async def look(plain: PlainStream, door: Door, *, watcher: Watcher = _NOBODY) -> Sight:
    """Take a session as far as it goes without a login.

    Raises OSError; ssl.SSLError among them is a handshake that failed.
    """
    stream: Stream = plain
    implicit = door.encryption is Encryption.TLS
    tls = ""
    before: tuple[str, ...] = ()
    if implicit:
        watcher.notice(Phase.HANDSHAKE)
        stream, tls = await _secure(plain, door)
    settings = ClientSettings(helo_name=_literal(plain.local_address), starttls=not implicit)
    core = ClientProtocol(settings, tls=tls)
    while core.is_waiting or core.phase is Phase.HANDSHAKE:
        watcher.notice(core.phase)
        await stream.write(core.data_to_send())
        if core.phase is Phase.HANDSHAKE:
            before = tuple(core.capabilities.mechanisms)
            stream, tls = await _secure(plain, door)
            core.tls_started(tls)
        elif octets := await stream.read():
            watcher.hear(octets)
            core.receive(octets)
        else:
            core.connection_lost()
    if core.failure is None:
        watcher.notice(core.phase)
        core.quit()
        await stream.write(core.data_to_send())
    return Sight(tls, tuple(core.capabilities.mechanisms), before, core.failure)


async def _secure(plain: PlainStream, door: Door) -> tuple[Stream, str]:
    secured = TlsStream(plain, door.trust, door.host)
    await secured.shake_hands()
    return secured, describe(secured.tls)


def _literal(address: str) -> str:
    """RFC 5321 section 4.1.3."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
