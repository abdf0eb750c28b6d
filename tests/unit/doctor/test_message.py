"""Signatures of a stranger's message (pillarbox.doctor.message)."""

import time

from tests.gallery.domains import GOOD, KEY
from tests.gallery.letters import SIGNED
from tests.support.mail_world import World

from pillarbox.diagnosis.message_facts import DkimResult, MessageFacts
from pillarbox.diagnosis.message_form import read_message
from pillarbox.doctor.message import MessageRequest, examine_message
from pillarbox.net.dns import DnsResolver

QUICK_SECONDS = 20.0
"""The library alone takes an hour for this."""


async def look(octets: bytes) -> MessageFacts:
    """What is seen of a message whose domain has its key."""
    world = World()
    await world.start()
    try:
        name, _, kind = KEY.partition(" ")
        world.dns(name, kind, GOOD[KEY])
        resolver = DnsResolver.of_servers([world.dns_server])
        return await examine_message(read_message(octets), MessageRequest(), resolver)
    finally:
        await world.stop()


async def test_run_of_blanks_holds_nobody_up() -> None:
    """To a relaxed signature a MB of blanks is one blank: the body is another one, at once."""
    began = time.monotonic()

    facts = await look(SIGNED + b" " * 1_000_000 + b"x\r\n")

    assert facts.signatures[0].result is DkimResult.BODY_CHANGED
    assert time.monotonic() - began < QUICK_SECONDS


async def test_large_header_is_not_verified() -> None:
    """The library would take the square of its size; it is said that nothing is known."""
    facts = await look((b"X: " + b"y" * 900 + b"\r\n") * 200 + SIGNED)

    assert facts.signatures[0].result is DkimResult.UNKNOWN
    assert facts.signatures[0].why == "the header is too large"


async def test_blanks_inside_a_relaxed_body_may_change() -> None:
    """RFC 6376 section 3.4.4: the signature still fits."""
    facts = await look(SIGNED.replace(b"Hello\r\n", b"Hello \t\r\n"))

    assert facts.signatures[0].result is DkimResult.PASS
