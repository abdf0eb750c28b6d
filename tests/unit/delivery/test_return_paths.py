"""The reverse-path by which bounces come back: who gets one, and what it says."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.mx_world import CONTEXTS, MxWorld, open_mx_world, take_all
from tests.support.outgoing import DEFERRED, DELIVERED, attempt, message, states
from tests.support.smtp_peer import Peer, serve

from pillarbox.delivery.return_paths import ReturnPaths
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Ret, TlsWish
from pillarbox.mail.return_path import ReturnTag, read_return_address
from pillarbox.route import RouteTable, SmartHost, TlsMode
from pillarbox.store.records import Tenant

KEY = b"k" * 32
DOMAIN = "bounces.t1.test"
TENANT = Tenant(1, "t1", frozenset(), RouteTable([]), return_paths={"t1.test": DOMAIN})


async def _tenant(_: int) -> Tenant | None:
    return TENANT


@pytest.fixture
async def world() -> AsyncIterator[MxWorld]:
    """A host that takes the mail of far.example, and a tenant whose domain has a return path."""
    async with open_mx_world() as made:
        made.returns = ReturnPaths(KEY, _tenant)
        made.mx("far.example", "mx.far.example")
        yield made


def _reverse_paths(commands: list[str]) -> list[str]:
    paths = (line.partition("<")[2] for line in commands if line.startswith("MAIL"))
    return [path.partition(">")[0] for path in paths]


def _tag(path: str) -> ReturnTag | None:
    address = parse_mailbox(path)
    assert address.domain == DOMAIN
    return read_return_address(KEY, address)


async def test_one_recipient_has_an_address_of_his_own(world: MxWorld) -> None:
    """And several who go at once share one: the content goes once."""
    host = await world.host("mx.far.example", address="127.0.0.11")
    courier = world.courier("far.example")
    single, several = message(), message(recipients=3)
    several.recipients = several.recipients[1:]

    for made in (single, several):
        assert DELIVERED in states(await attempt(courier, made)).values()

    assert [_tag(path) for path in _reverse_paths(host.commands)] == [
        ReturnTag(single.queue_id, 0, is_shared=False),
        ReturnTag(several.queue_id, 1, is_shared=True),
    ]


def test_all_else_of_the_envelope_stays() -> None:
    """What the sender asked for, REQUIRETLS too, goes on with another reverse-path."""
    given = Envelope(
        parse_mailbox("u1@t1.test"), Body.EIGHT_BIT, True, Ret.FULL, "id", TlsWish.REQUIRED
    )

    made = ReturnPaths(KEY, _tenant).envelope(given, DOMAIN, 7, [message().recipients[0].recipient])

    assert made.reverse_path != given.reverse_path
    assert replace(made, reverse_path=given.reverse_path) == given


async def test_who_has_no_return_path_keeps_his_own(world: MxWorld) -> None:
    """A sender in a domain below takes that of the nearest one above; a report has no sender."""
    host = await world.host("mx.far.example", address="127.0.0.11")
    courier = world.courier("far.example")

    for sender in ("u1@sub.t1.test", "u1@other.test", None):
        path = None if sender is None else parse_mailbox(sender)
        await attempt(courier, message(reverse_path=path))

    below, *others = _reverse_paths(host.commands)
    assert _tag(below) is not None
    assert others == ["u1@other.test", ""]


@pytest.mark.parametrize("is_asked", [False, True])
async def test_a_smart_host_gets_it_where_the_route_says_so(*, is_asked: bool) -> None:
    """Else it checks the sender that logs in, mostly."""
    session = SessionSettings(
        "out.example", CONTEXTS, Timeouts(quit=2), returns=ReturnPaths(KEY, _tenant)
    )

    async with serve(take_all) as server:
        hop = SmartHost("127.0.0.1", server.port, TlsMode.NONE, return_path=is_asked)
        courier = SmtpCourier(hop, session)
        await attempt(courier, message())
        await courier.close()

    (path,) = _reverse_paths(server.commands)
    assert path.endswith(f"@{DOMAIN}") is is_asked


async def test_a_session_may_end_while_the_tenant_is_read() -> None:
    """One that was used before is replaced; a new one is a failure of the hop."""
    is_read = asyncio.Event()
    courier: SmtpCourier
    waits = [False, True, False, True]

    async def tenant_of(_: int) -> Tenant | None:
        if waits.pop():
            connection = courier._connection
            assert connection is not None
            is_read.set()
            await asyncio.wait_for(asyncio.shield(connection._closed), 10)
            is_read.clear()
        return TENANT

    async def ends(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await is_read.wait()
        peer.send("421 4.4.2 idle too long")

    async def takes_one(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await is_read.wait()
        peer.send("421 4.4.2 idle too long")

    async with serve(ends, takes_one, takes_one) as server:
        hop = SmartHost("localhost", server.port, TlsMode.NONE, return_path=True)
        settings = SessionSettings(
            "out.example", CONTEXTS, Timeouts(quit=2), returns=ReturnPaths(KEY, tenant_of)
        )
        courier = SmtpCourier(hop, settings)
        results = [await attempt(courier, message()) for _ in range(3)]
        is_read.set()
        await courier.close()

    assert [states(result)[0] for result in results] == [DEFERRED, DELIVERED, DELIVERED]
    assert [result.hop_failure is None for result in results] == [False, True, True]
