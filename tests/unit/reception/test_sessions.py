"""What is logged and kept of a session."""

from dataclasses import replace

import pytest
from tests.support.reception import Site

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.identifier import format_id
from pillarbox.policy.clock import Clock
from pillarbox.reception.own_look import OWN_LOOK_ADDRESS, OWN_LOOK_PORTS, address_of
from pillarbox.reception.sessions import RECORDS_PER_SECOND, SessionLog, Story


def _story(*refusals: Refusal) -> Story:
    story = Story(77, "submission", "192.0.2.1", 1_700_000_000_000, 5.0)
    story.refusals.extend(refusals)
    return story


def test_first_cause_counts() -> None:
    """What came first explains the rest; causes are bounded."""
    story = _story()
    story.blame("")
    story.blame("first" * 1000)
    story.blame("second")

    assert story.cause.startswith("first")
    assert len(story.cause) <= 500
    assert story.text_id == format_id(77)


async def test_failed_session_is_found_by_its_id(site: Site) -> None:
    """All that is known, each refusal once, in order."""
    log = site.services.sessions
    story = _story(Refusal.AUTH_REQUIRED, Refusal.LOGIN_FAILED, Refusal.AUTH_REQUIRED)
    story.blame("wrong password")
    story.tried = "printer@example.org"
    log.closed(story)

    record = await site.failed_session()
    assert record.session_id == 77
    assert record.refusals == "AUTH_REQUIRED LOGIN_FAILED"
    assert (record.listener, record.remote_address) == ("submission", "192.0.2.1")
    assert record.cause == "wrong password"
    assert record.login == "printer@example.org"


async def test_the_doctors_look_is_no_failed_session_of_a_stranger(site: Site) -> None:
    """It fails on purpose; who tries a login from its address is none that looks."""
    log = site.services.sessions
    looking = replace(_story(Refusal.HANDSHAKE_FAILED), address=OWN_LOOK_ADDRESS)
    trying = replace(looking, session_id=78, refusals=[Refusal.LOGIN_FAILED], tried="printer")
    log.closed(looking)
    log.closed(trying)

    record = await site.failed_session()
    assert (record.session_id, len(await site.failed_sessions())) == (78, 1)


@pytest.mark.parametrize(
    ("client", "port", "is_look"),
    [
        ("2001:db8::1", OWN_LOOK_PORTS[7], True),
        ("2001:db8::1", 40_000, False),
        ("2001:db8::2", OWN_LOOK_PORTS[7], False),
        ("192.0.2.1", OWN_LOOK_PORTS[7], False),
    ],
)
def test_a_look_by_ipv6_is_known_by_port_and_address(client: str, port: int, is_look: bool) -> None:
    """Any machine can choose its port, but none can come from our own address."""
    listener = ("2001:db8::1" if ":" in client else "192.0.2.1", 587)

    assert address_of((client, port), lambda: listener) == (OWN_LOOK_ADDRESS if is_look else client)


async def test_flood_of_failures_does_not_fill_the_store(site: Site) -> None:
    """Beyond so many in a second they are only logged."""
    log = SessionLog(site.services.sessions._sessions, Clock(seconds=lambda: 7.0))
    for number in range(RECORDS_PER_SECOND + 10):
        story = Story(100 + number, "submission", "192.0.2.1", 1, 5.0)
        story.refusals.append(Refusal.LOGIN_FAILED)
        log.closed(story)

    await site.failed_session()
    assert len(await site.failed_sessions()) == RECORDS_PER_SECOND
