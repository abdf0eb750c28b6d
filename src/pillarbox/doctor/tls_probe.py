"""Which versions and suites of TLS a port takes, and its certificates, by hellos of our own."""

import asyncio
import os
import ssl
from collections.abc import Mapping
from ipaddress import ip_address

from pillarbox.diagnosis import hello
from pillarbox.diagnosis.facts import TlsFacts
from pillarbox.diagnosis.hello import Hello, HelloReader, Offer, client_hello
from pillarbox.doctor.talk import Means, Place, connected, greeted
from pillarbox.errors import RemoteProtocolError
from pillarbox.net.streams import PlainStream, TlsStream
from pillarbox.publish.client_settings import Encryption

AT_ONCE = 5
"""So many sessions at a time: servers count those of one address."""

PROBE_SECONDS = 6.0
"""For all of them together; what is not known then stays unknown."""

_WITHOUT_ROOT = frozenset({2, 18, 19, 20, 21})
"""Of OpenSSL: the chain ends somewhere else than at a root that is known."""

_OFFERS: Mapping[str, Offer] = {
    "ssl3": Offer(hello.SSL3, (*hello.STATIC_RSA, *hello.DHE, *hello.BROKEN)),
    "1.0": Offer(hello.TLS10, hello.ALL),
    "1.1": Offer(hello.TLS11, hello.ALL),
    "1.2": Offer(hello.TLS12, hello.ALL),
    "1.3": Offer(hello.TLS13, hello.SUITES_13),
    "static": Offer(hello.TLS12, hello.STATIC_RSA),
    "dhe": Offer(hello.TLS12, hello.DHE),
    "broken": Offer(hello.TLS12, tuple(hello.BROKEN)),
    "anonymous": Offer(hello.TLS12, hello.ANONYMOUS),
    "nameless": Offer(hello.TLS12, hello.ALL),
}


async def probe_tls(place: Place, means: Means) -> TlsFacts:
    """All that can be learnt within the time. Raises nothing."""
    gate = asyncio.Semaphore(AT_ONCE)
    hellos: dict[str, Hello] = {}
    leaf: list[bytes] = []
    trusted: dict[str, bool | None] = {}

    async def ask(name: str, offer: Offer) -> None:
        host = "" if name == "nameless" else server_name(place.host)
        async with gate:
            answer = await ask_hello(place, means, client_hello(offer, host, os.urandom(64)))
        if answer is not None:
            hellos[name] = answer

    async def look() -> None:
        async with gate:
            leaf.extend(await _leaf(place, means))

    async def judge(name: str, store: ssl.SSLContext) -> None:
        async with gate:
            trusted[name] = await _is_trusted(place, means, store)

    try:
        seconds = min(PROBE_SECONDS, means.session_seconds)
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(look())
            for name, store in (("system", means.stores.system), ("mozilla", means.stores.mozilla)):
                if store is not None:
                    group.create_task(judge(name, store))
            for name, offer in _OFFERS.items():
                group.create_task(ask(name, offer))
    except TimeoutError:
        # What has come by now is told.
        pass
    chain = next((h.certificates for h in hellos.values() if h.certificates), tuple(leaf))
    system, mozilla = trusted.get("system"), trusted.get("mozilla")
    return TlsFacts(place.port, place.encryption, hellos, chain, system, mozilla)


async def chain_of(place: Place, means: Means) -> tuple[bytes, ...]:
    """The certificates that a port shows, in DER, whatever they are; none where it does not."""
    record = client_hello(_OFFERS["1.2"], server_name(place.host), os.urandom(64))
    answer = await ask_hello(place, means, record)
    return (answer and answer.certificates) or tuple(await _leaf(place, means))


def server_name(host: str) -> str:
    """RFC 6066 section 3: addresses are not named."""
    try:
        ip_address(host)
    except ValueError:
        return host
    return ""


async def ask_hello(place: Place, means: Means, record: bytes) -> Hello | None:
    """The answer to a hello; None where it is not known, because the session ended before it."""
    try:
        async with connected(place, means) as talk:
            if place.encryption is Encryption.STARTTLS:
                await greeted(talk)
                if (await talk.ask(b"STARTTLS")).code != 220:
                    return None
            return await _answer(talk.plain, record)
    except (OSError, RemoteProtocolError):
        return None


async def _answer(stream: PlainStream, record: bytes) -> Hello | None:
    reader = HelloReader()
    try:
        await stream.write(record)
        while octets := await stream.read():
            if reader.feed(octets):
                break
    except ValueError:
        return None
    except ConnectionError:
        # Some refuse by hanging up.
        pass
    return reader.hello


async def _is_trusted(place: Place, means: Means, store: ssl.SSLContext) -> bool | None:
    """Whether the chain leads to a root of a store, whatever its name; None where that is not
    known, since something else is wrong with it."""
    try:
        async with connected(place, means) as talk:
            if place.encryption is Encryption.STARTTLS:
                await greeted(talk)
                await talk.ask(b"STARTTLS")
            await talk.secure(store, place.host)
            return True
    except ssl.SSLCertVerificationError as exc:
        return False if exc.verify_code in _WITHOUT_ROOT else None
    except (OSError, RemoteProtocolError):
        return None


async def _leaf(place: Place, means: Means) -> list[bytes]:
    """The certificate, whatever it is. TLS 1.3 encrypts it, so no hello of ours shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with connected(place, means) as talk:
            if place.encryption is Encryption.STARTTLS:
                await greeted(talk)
                await talk.ask(b"STARTTLS")
            secured: TlsStream = await talk.secure(context, place.host)
            shown = secured.tls.getpeercert(binary_form=True)
            return [shown] if shown else []
    except (OSError, RemoteProtocolError):
        return []
