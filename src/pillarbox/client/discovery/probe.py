"""A look at a server for sending: connect, TLS, EHLO, QUIT. Nothing is sent, no login is tried."""

import asyncio

from pillarbox.discovery.findings import Check, CheckState, Offer
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.dns import DnsFailure
from pillarbox.net.reach import NoSuchHostError, Reach, ReachError, in_words, stream_failure
from pillarbox.net.streams import PlainStream, Stream
from pillarbox.net.tls import describe
from pillarbox.publish.client_settings import Encryption
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.smtp.client_phase import Phase

PROBE_SECONDS = 6.0
"""For all of it."""

_MAY_BE_OUR_PLACE = frozenset(
    {
        FailureKind.CONNECTION_LOST,
        FailureKind.CONNECTION_REFUSED,
        FailureKind.CONNECTION_TIMED_OUT,
        FailureKind.GREETING_REFUSED,
        FailureKind.HELLO_REFUSED,
        FailureKind.REPLY_TIMED_OUT,
        FailureKind.SHUT_DOWN,
        FailureKind.UNREACHABLE,
    }
)
"""Failures that say more of this network or this moment than of the server."""


async def probe(offer: Offer, reach: Reach) -> Check:
    """What is found at an offer. Raises nothing."""
    try:
        async with asyncio.timeout(PROBE_SECONDS), reach.open(offer.host, offer.door.port) as plain:
            return await _greet(offer, plain, reach)
    except NoSuchHostError:
        return Check(CheckState.BAD, "there is no such host")
    except ReachError as exc:
        return Check(CheckState.BAD, str(exc))
    except DnsFailure as exc:
        return Check(CheckState.UNKNOWN, str(exc))
    except OSError as exc:
        return _failed(stream_failure(exc))


async def _greet(offer: Offer, plain: PlainStream, reach: Reach) -> Check:
    """The session, as far as it goes without a login."""
    stream: Stream = plain
    tls = ""
    if offer.door.encryption is Encryption.TLS:
        stream, tls = await _secure(offer, plain, reach)
    core = ClientProtocol(
        ClientSettings(
            helo_name=_literal(plain.local_address),
            starttls=offer.door.encryption is Encryption.STARTTLS,
        ),
        tls=tls,
    )
    while core.is_waiting or core.phase is Phase.HANDSHAKE:
        await stream.write(core.data_to_send())
        if core.phase is Phase.HANDSHAKE:
            stream, tls = await _secure(offer, plain, reach)
            core.tls_started(tls)
        elif octets := await stream.read():
            core.receive(octets)
        else:
            core.connection_lost()
    if core.failure is not None:
        return _failed(core.failure)
    mechanisms = core.capabilities.mechanisms
    core.quit()
    await stream.write(core.data_to_send())
    return Check(CheckState.OK, tls=tls, mechanisms=tuple(mechanisms))


async def _secure(offer: Offer, plain: PlainStream, reach: Reach) -> tuple[Stream, str]:
    secured = await reach.secure(plain, offer.host)
    return secured, describe(secured.tls)


def _failed(failure: Failure) -> Check:
    is_ours = failure.kind in _MAY_BE_OUR_PLACE
    return Check(CheckState.UNREACHABLE if is_ours else CheckState.BAD, in_words(failure))


def _literal(address: str) -> str:
    """RFC 5321 section 4.1.3."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
