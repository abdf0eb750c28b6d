"""Mail that waits while its next hop is in back-off, which only the running service knows."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TypeAlias

import orjson
import pytest
from tests.support.storing import HOP, LATER, LEASE_MS, OWNER, Queue, now_ms, record, settlement
from tests.unit.cli.conftest import Service

from pillarbox.app.hop_report import page_of
from pillarbox.app.service_socket import ServiceSocket
from pillarbox.delivery.hop_state import ConnectionsState, LaneState, SiteState
from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.identifier import format_id
from pillarbox.route import lane_id
from pillarbox.store.instances import Instances
from pillarbox.store.lanes import Lanes
from pillarbox.store.suspensions import Suspension, Suspensions

Answering: TypeAlias = Callable[..., Coroutine[None, None, None]]

MINUTE = 60_000
RETRY = f"pillarbox queue retry --hop {HOP}"
SUSPENSION = Suspension(now_ms(), "535 5.7.139 off", "m365-12", "admin", "It is off.", "Set it on.")


def _closed(minutes: float) -> LaneState:
    until = now_ms() + int(minutes * MINUTE)
    return LaneState(HOP, 0, ConnectionsState(), until, "", "", "")


@pytest.fixture
async def queue(service: Service) -> Queue:
    """A service that runs, with a message that is due and one that was put off for ten minutes."""
    assert await Lanes(service.database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    await Instances(service.database).claim(token="one", lease_ms=LEASE_MS)
    queue = Queue(service.database)
    await queue.put("due@far.example")
    message = await queue.put("late@far.example")
    at = now_ms() + 10 * MINUTE
    late = record(0, RecipientState.DEFERRED, next_attempt_at=at, answer=LATER)
    assert await queue.spool.settle(settlement(message, late))
    return queue


@pytest.fixture
async def answering(service: Service) -> AsyncIterator[Answering]:
    """Answer with these lanes, as a worker does, from now on."""
    async with AsyncExitStack() as stack:

        async def start(*lanes: LaneState, sites: tuple[SiteState, ...] = ()) -> None:
            async def answer(question: bytes) -> bytes:
                asked = json.loads(question)
                known: list[tuple[str, LaneState | SiteState]] = (
                    [(lane.hop, lane) for lane in lanes]
                    if asked["what"] == "lanes"
                    else [(site.hosts, site) for site in sites]
                )
                answers = [page_of(known, asked["after"], asked["limit"])]
                return orjson.dumps({"silent": 0, "answers": answers})

            served = ServiceSocket(service.config_file.parent, answer)
            await served.start()
            stack.push_async_callback(served.close)

        yield start


async def _why(service: Service) -> dict[str, str]:
    entries = await asyncio.to_thread(service.json, "queue", "list")
    return {entry["recipient"].partition("@")[0]: entry["why"] for entry in entries}


@pytest.mark.usefixtures("queue")
async def test_a_service_that_does_not_answer_is_said(service: Service) -> None:
    """What waits is shown all the same, without what only the service knows."""

    async def cut_off(_: bytes) -> bytes:
        return b""

    served = ServiceSocket(service.config_file.parent, cut_off)
    await served.start()
    shown = await asyncio.to_thread(service.run, "queue", "list", "--json")
    await served.close()

    assert len(json.loads(shown.stdout)) == 2
    assert "The service does not answer (its answer is not whole)" in shown.stderr


@pytest.mark.usefixtures("queue")
async def test_a_hop_that_can_not_be_reached_is_why_mail_waits(
    service: Service, answering: Answering
) -> None:
    """Until when, and how to end it; what waits for its own time longer says that."""
    await answering(_closed(4.9))

    why = await _why(service)
    shown = await asyncio.to_thread(service.do, "queue", "list")

    assert why["due"].startswith("its next hop could not be reached; it is tried again in 4 min")
    assert why["late"].startswith("put off once; next attempt in ")
    assert shown.count(RETRY) == 1


@pytest.mark.usefixtures("queue")
async def test_a_back_off_that_ends_later_than_the_own_time_counts(
    service: Service, answering: Answering
) -> None:
    """The MX hosts of a domain may be in back-off where its lane is not."""
    connections = ConnectionsState()
    lane = LaneState(HOP, 0, connections, None, "", "", "", site="mx1")
    site = SiteState("mx1", 1, connections, now_ms() + 20 * MINUTE, "", "")
    await answering(lane, sites=(site,))

    why = await _why(service)

    assert all(text.startswith("its next hop could not be reached") for text in why.values())
    assert len(why) == 2


@pytest.mark.usefixtures("queue")
async def test_a_hop_that_asked_for_less_says_when_it_goes_on(
    service: Service, answering: Answering
) -> None:
    """To try it now is not advised: it has said when."""
    connections = ConnectionsState(paused_until=now_ms() + MINUTE)
    await answering(LaneState(HOP, 0, connections, None, "", "", ""))

    why = await _why(service)
    shown = await asyncio.to_thread(service.do, "queue", "list")

    assert why["due"].startswith("its next hop asked for less; it goes on in ")
    assert RETRY not in shown


async def test_a_suspended_hop_says_when_it_is_tried_again(
    service: Service, queue: Queue, answering: Answering
) -> None:
    """In the list and in the trace, beside since when and why; held mail waits for nobody."""
    await Suspensions(service.database).suspend(lane_id(HOP), HOP, SUSPENSION)
    message = await queue.put("traced@far.example")
    held = await queue.put("held@far.example")
    service.do("queue", "hold", format_id(held.queue_id))
    await answering(_closed(4.9))

    why = await _why(service)
    listed = await asyncio.to_thread(service.do, "queue", "list")
    traced = await asyncio.to_thread(service.do, "trace", format_id(message.queue_id))
    of_held = await asyncio.to_thread(service.do, "trace", format_id(held.queue_id))

    assert why["due"].startswith("its next hop is suspended since ")
    assert ", tried again in 4 min" in why["due"]
    assert why["held"].startswith("held by an administrator")
    assert ", tried again in 4 min" in traced
    for shown in (listed, traced):
        assert "Set it on." in shown
        assert RETRY in shown
    assert RETRY not in of_held


@pytest.mark.usefixtures("queue")
async def test_a_paused_hop_is_not_to_be_retried(service: Service, answering: Answering) -> None:
    """The order counts more: `queue resume` ends it."""
    service.do("queue", "pause", HOP)
    await answering(_closed(4.9))

    why = await _why(service)
    shown = await asyncio.to_thread(service.do, "queue", "list")

    assert set(why.values()) == {"its next hop is paused by order"}
    assert RETRY not in shown


@pytest.mark.usefixtures("queue")
async def test_a_service_that_breaks_off_its_answer_is_told(service: Service) -> None:
    """It ends just now, say; the list does without it, and `queue hops` says so."""

    async def answer(_question: bytes) -> bytes:
        return b'{"silent": 0, "answ'

    served = ServiceSocket(service.config_file.parent, answer)
    await served.start()
    try:
        why = await _why(service)
        hops = await asyncio.to_thread(service.json, "queue", "hops")
    finally:
        await served.close()

    assert why["due"].startswith("not tried yet")
    assert hops["not_running"] == "its answer is not whole"


@pytest.mark.usefixtures("queue")
async def test_a_host_that_is_tried_last_is_named(service: Service, answering: Answering) -> None:
    """With what it said, for people and for programs."""
    last = "mx1 (451 4.3.0 not now)"
    site = SiteState("mx1 mx2", 1, ConnectionsState(), None, "", "", last)
    lane = LaneState(HOP, 0, ConnectionsState(), None, "", "", "", site="mx1 mx2")
    await answering(lane, sites=(site,))

    shown = await asyncio.to_thread(service.do, "queue", "hops")
    told = await asyncio.to_thread(service.json, "queue", "hops")

    assert f"open; tried last: {last}" in shown
    assert [each["tried_last"] for each in told["mx_hosts"]] == [last]
