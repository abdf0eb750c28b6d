"""Opening a session with a next hop: token, name, address, connection, encryption, login.

RFC 5321 5.1 (all addresses; delivery.dial), RFC 3207 (STARTTLS), RFC 8314 3 (TLS from the start).
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias

from pillarbox.delivery.dial import Address, dial
from pillarbox.delivery.return_paths import ReturnPaths
from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.errors import ConfigError, LocalProtocolError
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.connect import connect_failure
from pillarbox.net.oauth import AccessToken, TokenSource
from pillarbox.net.tls import ClientContexts, hop_failure
from pillarbox.route import SmartHost, TlsMode
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_login import Token
from pillarbox.smtp.client_phase import Phase
from pillarbox.store.drafts import Drafts

MAX_ADDRESSES = 6
"""So many addresses of a name are tried for one session. RFC 5321 5.1: "at least two"."""

_NEXT_ADDRESS = frozenset(
    {
        FailureKind.CONNECTION_REFUSED,
        FailureKind.CONNECTION_TIMED_OUT,
        FailureKind.UNREACHABLE,
        FailureKind.GREETING_REFUSED,
        FailureKind.HELLO_REFUSED,
        FailureKind.TLS_REFUSED,
        FailureKind.SHUT_DOWN,
        FailureKind.CONNECTION_LOST,
        FailureKind.REPLY_TIMED_OUT,
        FailureKind.PROTOCOL_BROKEN,
        FailureKind.HANDSHAKE_FAILED,
    }
)
"""Where another address of the same name may do better. Not after a refused login: a second try
is one more towards a lock-out."""

_FAMILY = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}

Check: TypeAlias = Callable[[ssl.SSLObject], Failure | None]
"""Looks at a finished handshake; what is wrong with it."""


async def ask_system(host: str, port: int) -> list[Address]:
    """The addresses of a host by the system's resolver, in the order of RFC 6724. Raises
    socket.gaierror, and UnicodeError for what can be no name.

    An address is its own, without the resolver: its threads may all be waiting for a dead DNS.
    """
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        return [(_FAMILY[address.version], host)]
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(info[0]), str(info[4][0])) for info in infos]


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What all sessions of this process have in common. `helo_name` is this host's name;
    `resolve` is how names become addresses, `tokens` where access tokens come from, `drafts` where
    those of Graph are written down, `returns` which reverse-paths lead back to us."""

    helo_name: str
    contexts: ClientContexts
    timeouts: Timeouts
    resolve: Callable[[str, int], Awaitable[list[Address]]] = ask_system
    tokens: TokenSource | None = None
    drafts: Drafts | None = None
    returns: ReturnPaths | None = None


async def open_session(hop: SmartHost, settings: SessionSettings) -> SmtpConnection | Failure:
    """A connection on which a transaction can begin, or why there is none. Raises SpoolUnavailable
    where a token is needed and the store does not answer."""
    if hop.access is None:
        return await _open(hop, settings, None)
    if settings.tokens is None:
        raise LocalProtocolError("a next hop with OAuth2 needs a source of tokens")
    token = await settings.tokens.get(hop.access)
    if isinstance(token, Failure):
        return token
    opened = await _open(hop, settings, token)
    if isinstance(opened, Failure) and opened.kind is FailureKind.TOKEN_REFUSED:
        # It may have been revoked, or be from before a permission was given: once more with
        # another one.
        another = await settings.tokens.renew(hop.access, token)
        if isinstance(another, AccessToken):
            return await _open(hop, settings, another)
        return another or opened
    return opened


async def _open(
    hop: SmartHost, settings: SessionSettings, token: AccessToken | None
) -> SmtpConnection | Failure:
    try:
        context = _context_for(hop, settings)
    except ConfigError as exc:
        return Failure(FailureKind.CA_FILE_UNUSABLE, exc.problems[0].text)
    found = await _look_up(hop, settings)
    if isinstance(found, Failure):
        return found
    failure: Failure | None = None
    clock = asyncio.get_running_loop().time
    began = clock()
    while found:
        dialed = await dial(found, hop.port, settings.timeouts)
        if isinstance(dialed, Failure):
            # What a server said tells more than an address without one.
            return failure or dialed
        found = dialed.left
        core = ClientProtocol(_core_settings(hop, settings, token))
        patience = settings.timeouts.opening(clock() - began)
        opened = await greet(hop, dialed.connection, core, context=context, patience=patience)
        if isinstance(opened, SmtpConnection) or opened.kind not in _NEXT_ADDRESS:
            return opened
        failure = opened
    return failure or Failure(FailureKind.NAME_NOT_FOUND)


def _core_settings(
    hop: SmartHost, settings: SessionSettings, token: AccessToken | None
) -> ClientSettings:
    return ClientSettings(
        helo_name=settings.helo_name,
        starttls=hop.tls is TlsMode.STARTTLS,
        username=hop.username,
        password=hop.password,
        token=None if token is None else Token(token.value, hop.host, hop.port),
    )


def _context_for(hop: SmartHost, settings: SessionSettings) -> ssl.SSLContext | None:
    if hop.tls is TlsMode.NONE:
        return None
    return settings.contexts.get(verify=hop.verify, ca_file=hop.ca_file)


async def _look_up(hop: SmartHost, settings: SessionSettings) -> tuple[Address, ...] | Failure:
    """Some of its addresses, IPv6 and IPv4 in turn: either may be broken on the way."""
    try:
        async with asyncio.timeout(settings.timeouts.connect):
            found = await settings.resolve(hop.host, hop.port)
    except TimeoutError:
        return Failure(FailureKind.NAME_LOOKUP_FAILED)
    except UnicodeError:
        return Failure(FailureKind.NAME_NOT_FOUND)
    except socket.gaierror as exc:
        return connect_failure(exc)
    kinds: dict[int, list[Address]] = {}
    for address in dict.fromkeys(found):
        kinds.setdefault(address[0], []).append(address)
    in_turn = [each for some in zip_longest(*kinds.values()) for each in some if each is not None]
    return tuple(in_turn[:MAX_ADDRESSES])


async def greet(
    hop: SmartHost,
    connection: SmtpConnection,
    core: ClientProtocol,
    *,
    context: ssl.SSLContext | None,
    patience: float,
    check: Check = lambda _: None,
) -> SmtpConnection | Failure:
    """Take a new connection to where a transaction can begin, within `patience` seconds; it is
    dropped where that fails, or where `check` finds something wrong with its TLS."""
    try:
        async with asyncio.timeout(patience):
            failure = await _greet(hop, connection, core, context=context, check=check)
    except TimeoutError:
        core.timed_out()
        connection.abort()
        return core.failure or Failure(FailureKind.REPLY_TIMED_OUT)
    except BaseException:
        connection.abort()
        raise
    if failure is None and connection.is_open:
        return connection
    connection.drop()
    return failure or Failure(FailureKind.CONNECTION_LOST, core.phase.value)


async def _greet(
    hop: SmartHost,
    connection: SmtpConnection,
    core: ClientProtocol,
    *,
    context: ssl.SSLContext | None,
    check: Check,
) -> Failure | None:
    """Take the session to READY; gives what prevented it."""
    if context is not None and hop.tls is TlsMode.TLS:
        if connection.was_greeted_early:
            return Failure(FailureKind.NOT_TLS)
        upgraded = await _shake_hands(hop, connection, context)
        if isinstance(upgraded, Failure):
            return upgraded
        core.tls = upgraded
        core.is_verified = _verifies(context)
    connection.start(core)
    await connection.step()
    if context is not None and core.phase is Phase.HANDSHAKE:
        upgraded = await _shake_hands(hop, connection, context)
        if isinstance(upgraded, Failure):
            return upgraded
        if (wrong := check(connection.tls_object)) is not None:
            return wrong
        # The handshake may have taken the connection down, or an injected reply the session.
        if not core.is_closed:
            core.is_verified = _verifies(context)
            core.tls_started(upgraded)
            await connection.step()
    return core.failure


def _verifies(context: ssl.SSLContext) -> bool:
    return context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


async def _shake_hands(
    hop: SmartHost, connection: SmtpConnection, context: ssl.SSLContext
) -> str | Failure:
    try:
        return await connection.start_tls(context, hop.host.rstrip("."))
    except (OSError, ssl.CertificateError, ValueError) as exc:
        return hop_failure(exc)
