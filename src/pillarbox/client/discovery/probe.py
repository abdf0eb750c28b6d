"""Looking at the servers that sources name, and what that says of an offer."""

import asyncio

from pillarbox.client.look import Door, look
from pillarbox.discovery.findings import Check, CheckState, Offer
from pillarbox.errors import DnsFailure
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.reach import NoSuchHostError, Reach, ReachError, in_words, stream_failure
from pillarbox.net.streams import PlainStream

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
            return await _look(offer, plain, reach)
    except NoSuchHostError:
        return Check(CheckState.BAD, "there is no such host")
    except ReachError as exc:
        return Check(CheckState.BAD, str(exc))
    except DnsFailure as exc:
        return Check(CheckState.UNKNOWN, str(exc))
    except OSError as exc:
        return _failed(stream_failure(exc))


async def _look(offer: Offer, plain: PlainStream, reach: Reach) -> Check:
    sight = await look(plain, Door(offer.host, offer.door.encryption, reach.tls))
    if sight.failure is not None:
        return _failed(sight.failure)
    return Check(CheckState.OK, tls=sight.tls, mechanisms=sight.mechanisms)


def _failed(failure: Failure) -> Check:
    is_ours = failure.kind in _MAY_BE_OUR_PLACE
    return Check(CheckState.UNREACHABLE if is_ours else CheckState.BAD, in_words(failure))
