"""Opening a session: what may be wrong with name, port, encryption and login of a route."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.support.outgoing import attempt, message, states
from tests.support.smtp_peer import Peer, serve
from tests.unit.delivery.conftest import CourierMaker, failure_at, resolver

from pillarbox.delivery.dial import Address
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.envelope import RecipientState


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, as long as the context lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue of connections is full: the next one gets no answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            waiting.append(filler)
        yield port
        for filler in waiting:
            filler.close()


async def test_nobody_listens(courier_to: CourierMaker) -> None:
    """4.4.1, and the port is named."""
    with closed_port() as port:
        text = await failure_at(courier_to, port, host="127.0.0.1")

    assert text.startswith(f"451 4.4.1 The next hop 127.0.0.1:{port} refused the connection")
    assert "Check the port" in text


async def test_nobody_answers(courier_to: CourierMaker) -> None:
    """A firewall that drops packets costs no more than the time for connecting."""
    with deaf_port() as port:
        text = await failure_at(courier_to, port, host="127.0.0.1", timeouts=Timeouts(connect=0.1))

    assert text.startswith("451 4.4.1")
    assert "did not answer" in text


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70 + ".test"])
async def test_a_name_that_is_not_there(courier_to: CourierMaker, host: str) -> None:
    """4.4.4 or, where no DNS answers, 4.4.3: tried again, never returned (RFC 5321 5.1)."""
    text = await failure_at(courier_to, 25, host=host)

    assert text.startswith(("451 4.4.4", "451 4.4.3"))


async def test_the_next_address_is_tried(courier_to: CourierMaker) -> None:
    """RFC 5321 5.1: a name may have a dead one."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    async with serve(script) as server:
        resolve = resolver("127.0.0.2", "127.0.0.1")
        courier = courier_to(server.port, host="two.test", resolve=resolve)
        result = await attempt(courier, message())

    assert states(result) == {0: RecipientState.DELIVERED}


async def test_an_address_that_is_deaf_holds_no_session_up(courier_to: CourierMaker) -> None:
    """The next one is tried beside it after a moment, not at the end of its time."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    with deaf_port() as port:
        async with serve(script, address="127.0.0.2", port=port), asyncio.timeout(20):
            resolve = resolver("127.0.0.1", "127.0.0.2")
            courier = courier_to(port, host="two.test", resolve=resolve)
            result = await attempt(courier, message())

    assert states(result) == {0: RecipientState.DELIVERED}


async def test_many_addresses_of_one_kind_do_not_crowd_out_the_other(
    courier_to: CourierMaker,
) -> None:
    """Where IPv6 is broken on the way, IPv4 is tried however many there are of IPv6."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    async def resolve(host: str, port: int) -> list[Address]:
        del host, port
        dead = [(int(socket.AF_INET6), f"::ffff:127.0.1.{n}") for n in range(1, 9)]
        return [*dead, (int(socket.AF_INET), "127.0.0.1")]

    async with serve(script) as server:
        result = await attempt(courier_to(server.port, resolve=resolve), message())

    assert states(result) == {0: RecipientState.DELIVERED}


async def test_a_name_without_an_address(courier_to: CourierMaker) -> None:
    """A resolver may find the name and nothing behind it."""
    assert "was not found" in await failure_at(courier_to, 25, resolve=resolver())


async def test_an_address_needs_no_resolver(courier_to: CourierMaker) -> None:
    """A DNS that answers nothing keeps all threads of the resolver; an address goes on."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    released = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        threads.submit(released.wait)
        async with serve(script) as server:
            timeouts = Timeouts(connect=5)
            courier = courier_to(server.port, host="127.0.0.1", timeouts=timeouts)
            result = await attempt(courier, message())
        released.set()

    assert states(result) == {0: RecipientState.DELIVERED}


async def test_a_resolver_that_does_not_answer(courier_to: CourierMaker) -> None:
    """4.4.3, and no longer than connecting may take."""

    async def resolve(host: str, port: int) -> list[Address]:
        del host, port
        await asyncio.Event().wait()
        return []

    text = await failure_at(courier_to, 25, resolve=resolve, timeouts=Timeouts(connect=0.05))

    assert text.startswith("451 4.4.3")


@pytest.mark.parametrize("greeting", ["554 5.7.1 blocked", "421 4.3.2 busy"])
async def test_a_refused_greeting(courier_to: CourierMaker, greeting: str) -> None:
    """The reply is in the text; QUIT is said."""

    async def script(peer: Peer) -> None:
        peer.send(greeting)
        await peer.expect("QUIT")

    async with serve(script) as server:
        text = await failure_at(courier_to, server.port, host="127.0.0.1")

    assert text.startswith("451 4.3.2")
    assert greeting in text


async def test_a_refused_login_names_the_route(courier_to: CourierMaker) -> None:
    """535 is nobody's failure but the route's: the mail waits, and is not tried again at once."""

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH LOGIN PLAIN")
        await peer.expect("AUTH PLAIN")
        peer.send("535 5.7.8 bad credentials")
        await peer.expect("QUIT")

    async with serve(script) as server:
        text = await failure_at(courier_to, server.port, username="u", password="Pw-1_x")

    assert text.startswith("451 4.7.8")
    assert "535 5.7.8 bad credentials" in text
    assert "Correct user name and password of the route" in text
    assert len(server.peers) == 1


async def test_row_74_the_echo_of_a_login_is_masked(courier_to: CourierMaker) -> None:
    """A smart host that repeats the AUTH line in its refusal (row 74)."""

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN")
        command = await peer.expect("AUTH PLAIN")
        peer.send(f"535 5.7.8 refused {command} with password Pw-1_x")

    async with serve(script) as server:
        text = await failure_at(courier_to, server.port, username="u", password="Pw-1_x")

    assert "********" in text
    assert "Pw-1_x" not in text
    assert server.commands[1].split()[2].rstrip("=") not in text


async def test_row_74_the_echo_of_a_secret_after_the_login_is_masked(
    courier_to: CourierMaker,
) -> None:
    """Also in the replies to mail, later in the session (row 74)."""

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN", "PIPELINING")
        await peer.expect("AUTH PLAIN")
        peer.send("235 ok")
        await peer.take_message(reply="554 5.7.1 not for Pw-1_x")

    async with serve(script) as server:
        courier = courier_to(server.port, username="u", password="Pw-1_x")
        result = await attempt(courier, message())

    assert str(result.outcomes[0].reply) == "554 5.7.1 not for ********"
