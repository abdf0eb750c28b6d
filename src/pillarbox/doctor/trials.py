"""Two things that a server must refuse: mail for others without a login, and commands that came in
the clear before TLS. Nothing is sent."""

from contextlib import suppress
from ipaddress import ip_address

from pillarbox.diagnosis.facts import InjectionTry, RelayTry
from pillarbox.doctor.talk import Means, Place, connected, greeted, literal, opened
from pillarbox.errors import RemoteProtocolError

RELAY_SENDER = "doctor@example.org"
RELAY_RECIPIENT = "doctor@example.com"
"""Both are nobody's (RFC 2606)."""

UNKNOWN_COMMAND = b"XDOCTOR"


async def relay(place: Place, means: Means) -> RelayTry | None:
    """Offer a recipient elsewhere without a login; None where it was not answered."""
    with suppress(OSError, RemoteProtocolError):
        async with opened(place, means) as talk:
            answer = await talk.answer(f"MAIL FROM:<{RELAY_SENDER}>".encode())
            if answer.reply.code < 300:
                answer = await talk.answer(f"RCPT TO:<{RELAY_RECIPIENT}>".encode())
                await talk.ask(b"RSET")
            is_near = not ip_address(place.address.partition("%")[0]).is_global
            await talk.quit()
            return RelayTry(place.port, answer, is_near)
    return None


async def injection(place: Place, means: Means) -> InjectionTry | None:
    """Send a command that nobody knows in one piece with STARTTLS; None where it was forgotten.

    CVE-2011-0411: a server that reads it from its buffer after the handshake refuses it there,
    before it answers EHLO.
    """
    with suppress(OSError, RemoteProtocolError):
        async with connected(place, means) as talk:
            await greeted(talk)
            raw = await talk.ask(b"STARTTLS\r\n" + UNKNOWN_COMMAND)
            if raw.code != 220:
                return None
            await talk.secure(means.trust, place.host)
            raw = await talk.ask(b"EHLO " + literal(talk.plain.local_address).encode())
            if raw.code >= 400:
                return InjectionTry(place.port, talk.evidence)
            await talk.quit()
    return None
