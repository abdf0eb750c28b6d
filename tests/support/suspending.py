"""Next hops that take nothing before something is changed, and what the store says of them."""

import asyncio
from collections.abc import Collection, Sequence

from tests.support.simulation import FarSide, SimulatedCourier, SimulatedStore

from pillarbox.delivery.courier import AttemptResult, ContentSource, Courier, HopReason
from pillarbox.explain.replies import explanation_of
from pillarbox.mail.envelope import RecipientOutcome, RecipientState, Timestamp
from pillarbox.mail.reply import Reply, reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.route import NextHop
from pillarbox.store.suspensions import Suspension

SAID = "535 5.7.139 SmtpClientAuthentication is disabled for the Tenant"
STAND_IN = reply(451, "4.7.8", f"The next hop refused the login: {SAID}")
REFUSED_MAIL = reply(451, "4.7.0", "The next hop refuses all mail of this route")


def reason_of(row_id: str, *, session_stands: bool = False) -> HopReason:
    """As a courier gives it."""
    explanation = explanation_of(row_id)
    assert explanation is not None
    return HopReason(explanation, SAID, session_stands=session_stands)


class SimulatedSuspensions:
    """store.suspensions in memory."""

    def __init__(self, store: SimulatedStore) -> None:
        self._store = store
        self.found: dict[int, Suspension] = {}
        self.writes = 0

    async def load(self, lane_id: int) -> Suspension | None:
        """See SuspensionStore."""
        await asyncio.sleep(self._store.commit_seconds)
        return self.found.get(lane_id)

    async def suspend(self, lane_id: int, hop: str, found: Suspension) -> None:
        """See SuspensionStore."""
        await asyncio.sleep(self._store.commit_seconds)
        assert self._store.hops[lane_id] == hop
        self.found[lane_id] = found
        self.writes += 1

    async def resume(self, lane_id: int, *, now: Timestamp) -> None:
        """See SuspensionStore."""
        await asyncio.sleep(self._store.commit_seconds)
        del self.found[lane_id]
        self.writes += 1
        for recipients in self._store.stored.values():
            for each in recipients:
                if each.lane_id == lane_id and each.state is RecipientState.DEFERRED:
                    each.next_attempt_at = now

    async def wake(self, lane_id: int, queue_ids: Collection[int], *, now: Timestamp) -> None:
        """See SuspensionStore."""
        await asyncio.sleep(self._store.commit_seconds)
        for queue_id in queue_ids:
            for each in self._store.stored[queue_id]:
                if each.lane_id == lane_id and each.state is RecipientState.DEFERRED:
                    each.next_attempt_at = now

    async def unreached(self, lane_id: int, *, now: Timestamp) -> frozenset[int]:
        """See SuspensionStore."""
        await asyncio.sleep(self._store.commit_seconds)
        return frozenset(
            queue_id
            for queue_id, recipients in self._store.stored.items()
            for each in recipients
            if each.lane_id == lane_id
            and (each.next_attempt_at or 0) > now
            and each.last_reply is not None
            and each.last_reply.enhanced.startswith("4.4.")
        )


class RefusingFarSide(FarSide):
    """Refuses every login while `refuses_logins`, and all mail while `refuses_mail`; of the message
    with the queue id `odd` alone in the same words. `puts_off`: every message is answered 451."""

    refuses_logins = False
    refuses_mail = False
    puts_off = False
    odd = 0

    def courier_for(self, next_hop: NextHop) -> Courier:
        """See CourierFactory."""
        self.used.append(next_hop)
        return _RefusingCourier(self, next_hop)


class _RefusingCourier(SimulatedCourier):
    def __init__(self, far: RefusingFarSide, next_hop: NextHop) -> None:
        super().__init__(far, next_hop)
        self._side = far

    async def attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
    ) -> AttemptResult:
        """See Courier."""
        side = self._side
        loop = asyncio.get_running_loop()
        if side.refuses_logins and not self.is_open:
            side.attempts.append((loop.time(), message.queue_id))
            await asyncio.sleep(side.latency_seconds)
            return AttemptResult(
                _deferred(recipients, STAND_IN), STAND_IN, reason=reason_of("m365-12")
            )
        if side.refuses_mail or message.queue_id == side.odd:
            side.attempts.append((loop.time(), message.queue_id))
            await asyncio.sleep(side.latency_seconds)
            reason = reason_of("m365-29", session_stands=True)
            return AttemptResult(_deferred(recipients, REFUSED_MAIL), REFUSED_MAIL, reason=reason)
        if side.puts_off:
            side.attempts.append((loop.time(), message.queue_id))
            later = reply(451, "4.7.0", "Later")
            return AttemptResult(_deferred(recipients, later), throttled=True)
        return await super().attempt(message, recipients, content)


def _deferred(recipients: Sequence[SpooledRecipient], answer: Reply) -> list[RecipientOutcome]:
    state = RecipientState.DEFERRED
    return [RecipientOutcome(each.recipient.number, state, answer) for each in recipients]
