"""Next hops that send one reply too many: whose is each of those behind it?"""

import itertools

import pytest
from tests.support.outgoing import DEFERRED, DELIVERED, FAILED, attempt, message, states
from tests.support.smtp_peer import Peer, serve
from tests.unit.delivery.conftest import CourierMaker

from pillarbox.mail.envelope import RecipientState

TEXTS = {code: f"{code} reply" for code in (221, 250, 354, 421, 450, 503, 550)}
MEANT = {250: DELIVERED, 450: DEFERRED, 550: FAILED}
MEANINGS = list(itertools.product((250, 450, 550), repeat=2))


class ShiftedHop:
    """Means `rcpts` and says `surplus` before its reply number `place` (None: it keeps step); the
    content it takes.

    `is_late`: what is left of the replies to a group comes behind the client's next move. `reset`:
    its reply to RSET.
    """

    def __init__(
        self,
        rcpts: tuple[int, ...],
        surplus: int = 0,
        place: int | None = None,
        *,
        is_late: bool = False,
        reset: int = 250,
    ) -> None:
        data = 354 if 250 in rcpts else 503
        self._replies = [250, *rcpts, data]
        self._takes_content = data == 354
        self._group = len(self._replies)
        if place is not None:
            self._replies.insert(place, surplus)
        self._is_late = is_late
        self._answers = {"RSET": reset, "QUIT": 221}
        self.is_taken = False

    async def __call__(self, peer: Peer) -> None:
        """Talk to one client."""
        await peer.greet("PIPELINING")
        while not (await peer.line()).startswith("DATA"):
            pass
        count = self._group if self._is_late else len(self._replies)
        peer.send(*(TEXTS[code] for code in self._replies[:count]))
        if self._takes_content:
            await self._take_content(peer, self._replies[count:])
        else:
            await self._obey(peer, self._replies[count:])

    async def _take_content(self, peer: Peer, late: list[int]) -> None:
        octets = await peer.some()
        peer.send(*(TEXTS[code] for code in late))
        while octets and not octets.endswith(b"\r\n.\r\n"):
            if not (more := await peer.some()):
                return
            octets += more
        if octets:
            self.is_taken = True
            peer.send(TEXTS[250])
            await self._obey(peer, [])

    async def _obey(self, peer: Peer, late: list[int]) -> None:
        while line := await peer.line():
            answers = [*late, self._answers.get(line, 250)]
            late = []
            peer.send(*(TEXTS[code] for code in answers))


async def states_at(courier_to: CourierMaker, hop: ShiftedHop) -> dict[int, RecipientState]:
    """What becomes of a message for two."""
    async with serve(hop) as server:
        courier = courier_to(server.port)
        result = await attempt(courier, message(recipients=2))
        await courier.close()
    return states(result)


@pytest.mark.parametrize(
    ("place", "is_late"),
    [*itertools.product(range(4), (False, True)), (4, False)],
)
@pytest.mark.parametrize("surplus", [250, 450, 550])
async def test_row_65_nobody_fails_or_is_delivered_by_the_reply_to_another(
    courier_to: CourierMaker, place: int, surplus: int, is_late: bool
) -> None:
    """Wherever the reply too many stands in a group: who is settled for good is so as the next hop
    meant it, and all others wait (row 65)."""
    for rcpts in MEANINGS:
        hop = ShiftedHop(rcpts, surplus, place, is_late=is_late)
        for number, state in (await states_at(courier_to, hop)).items():
            assert state in (DEFERRED, MEANT[rcpts[number]]), (rcpts, number)
            assert state is not DELIVERED or hop.is_taken


@pytest.mark.parametrize("reset", [250, 550, 421])
async def test_replies_in_step_decide(courier_to: CourierMaker, reset: int) -> None:
    """Also those of a next hop that refuses all that comes behind a refusal, RSET with it."""
    for rcpts in MEANINGS:
        hop = ShiftedHop(rcpts, reset=reset)
        assert await states_at(courier_to, hop) == {n: MEANT[code] for n, code in enumerate(rcpts)}


async def test_a_next_hop_that_hangs_up_behind_a_refusal_has_refused(
    courier_to: CourierMaker,
) -> None:
    """It says no more, so no reply was too many."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "550 5.1.1 nobody", "503 none")
        peer.cut()

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message())

    assert states(result) == {0: FAILED}


@pytest.mark.parametrize(
    ("final", "surplus", "expected"),
    [
        ("250 taken", "250 taken", DELIVERED),
        ("250 taken", "550 refused", DEFERRED),
        ("550 refused", "250 taken", DEFERRED),
    ],
)
async def test_row_65_two_replies_to_the_content_decide_where_they_agree(
    courier_to: CourierMaker, final: str, surplus: str, expected: RecipientState
) -> None:
    """One of them is too many. What was said of the other recipient before the 354 stands, and the
    session is not used again (row 65)."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        for _ in range(4):
            await peer.line()
        peer.send("250 ok", "250 ok", "550 5.1.1 nobody", "354 go")
        await peer.content()
        peer.send_raw(f"{final}\r\n{surplus}\r\n".encode())
        await peer.until_closed()

    async with serve(script) as server:
        courier = courier_to(server.port)
        result = await attempt(courier, message(recipients=2))
        assert not courier.is_open

    assert states(result) == {0: expected, 1: FAILED}
