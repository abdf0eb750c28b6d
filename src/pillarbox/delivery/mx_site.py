"""What domains with the same MX hosts share in one worker: sessions, how many there may be, and the
back-off.

Each domain has a lane of its own, since only the domain is known when mail is accepted. A site is
known once the DNS was asked; the lanes of its domains borrow sessions from it, one for each attempt
under way, and wait for one another where there is none left.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.delivery.courier import HopBusy
from pillarbox.delivery.hop_state import REPLY_LENGTH, ConnectionsState, SiteState, WallOf
from pillarbox.delivery.mx_pace import MxPace
from pillarbox.delivery.mx_site_tools import SiteName, SiteTools
from pillarbox.delivery.mx_spares import Spares
from pillarbox.delivery.pacing import Concurrency, Gate, GateState
from pillarbox.delivery.receivers import Receiver, Receivers
from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.explain.failures import Failure, explain
from pillarbox.hop_caps import HopCaps, strictest
from pillarbox.mail.reply import Reply
from pillarbox.observe.log import log

Wake: TypeAlias = Callable[[], None]

MAX_SITES = 5_000
MAX_HOPS = 20_000
"""More are not remembered, unless they are in use."""

ROUTE_SECONDS = 600.0
"""The caps of a route hold for so long after its last session was borrowed."""

_COARSE_SECONDS = 0.001

_NEXT_TURN_SECONDS = 0.05
"""Who gave way comes after those that were called in the same moment."""


@dataclass(slots=True, eq=False)
class MxSession:
    """An open session with one host of a site."""

    connection: SmtpConnection
    host: str
    security: str = ""
    """How it is protected, in words."""
    address: str = ""
    has_more: bool = False
    """Whether the host has further addresses, of which nothing bad is known."""

    def has_room(self, most: int) -> bool:
        """Whether it takes one more of so many transactions. RFC 9422 section 4.1: MAILMAX."""
        core = self.connection.core
        limit = core.capabilities.mails_max
        most = most if limit is None else min(limit, most)
        return self.connection.is_open and core.transactions < most


@dataclass(frozen=True, slots=True)
class Unopened:
    """Why no session could be opened. `host` is where that was; "": at all hosts together."""

    failure: Failure
    host: str = ""

    @property
    def text(self) -> str:
        """The same as a reply."""
        return str(explain(self.failure, hop=self.host or "its hosts").reply)


class Site:
    """One set of MX hosts, by one address of this machine."""

    def __init__(self, name: SiteName, caps: HopCaps, tools: SiteTools, receiver: Receiver) -> None:
        """`name` is what people read of it."""
        self.name = str(name)
        self._source = name.source
        self._caps: dict[HopCaps, float] = {caps: tools.monotonic()}
        self.pace = MxPace(receiver)
        caps = receiver.on(caps)
        self.concurrency = Concurrency(caps.connections)
        self.gate = Gate()
        self.spares = Spares(name.hosts, receiver, tools.monotonic)
        self.trouble: Unopened | None = None
        """Why the last session could not be opened."""
        self._tools = tools
        self._most_messages = caps.messages_per_connection
        self._lent = 0
        self._used: set[MxSession] = set()
        self._idle: deque[tuple[MxSession, float]] = deque()
        self._waiting: dict[Wake, None] = {}
        self._reaper: asyncio.TimerHandle | None = None
        self._security = ""

    def state(self, hops: int, wall: WallOf) -> SiteState:
        """For people to read; so many hops share it."""
        gate, now = self.gate, self._tools.monotonic()
        pace, concurrency = self.pace, self.concurrency
        lowered_by = pace.slowed_by if pace.is_slow(now) else concurrency.lowered_by
        return SiteState(
            hosts=self.name,
            hops=hops,
            connections=ConnectionsState(
                open=self._lent + len(self._idle),
                allowed=self._most(now),
                cap=concurrency.cap,
                lowered_by=lowered_by[:REPLY_LENGTH],
                grows_after=concurrency.grows_after,
                paused_until=wall(concurrency.paused_until),
                slow_until=wall(pace.slow_until),
            ),
            closed_until=wall(gate.closed_until) if gate.state(now) is GateState.CLOSED else None,
            failure="" if self.trouble is None else self.trouble.text[:REPLY_LENGTH],
            security=self._security,
            tried_last=self.spares.text[:REPLY_LENGTH],
        )

    @property
    def is_wanted(self) -> bool:
        """Whether another domain waits for a session."""
        return bool(self._waiting)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody uses it. What is known of how it answers may go: lanes know, too."""
        return not (self._lent or self._idle or self._waiting)

    def ask_for(self, caps: HopCaps) -> None:
        """A route with these caps is used. The strictest of those that were lately hold, whichever
        was first."""
        now = self._tools.monotonic()
        is_new = caps not in self._caps
        self._caps[caps] = now
        old = [one for one, at in self._caps.items() if now - at > ROUTE_SECONDS]
        for one in old:
            del self._caps[one]
        if is_new or old:
            hold = self.pace.receiver.on(strictest(self._caps))
            self.concurrency.set_cap(hold.connections)
            self._most_messages = hold.messages_per_connection

    # Sessions.

    def closed_by(self) -> Unopened | None:
        """Why nothing is tried now; None: something may be."""
        is_closed = self.gate.state(self._tools.monotonic()) is GateState.CLOSED
        return self.trouble if is_closed else None

    def borrow(self) -> MxSession | None:
        """An open session; None: open one, and say so with `opened`. Give it back in either case.
        Raises HopBusy."""
        if not self._has_one_to_lend():
            raise self.busy()
        self._lent += 1
        self.pace.begin(self._tools.monotonic())
        while self._idle:
            # The one that rested least.
            session, _ = self._idle.pop()
            self._tools.idle_room += 1
            if self.has_room(session):
                self._used.add(session)
                return session
            self._end(session)
        return None

    def _has_one_to_lend(self) -> bool:
        now = self._tools.monotonic()
        return now >= self._begin_at(now) and self._lent < self._most(now)

    def _most(self, now: float) -> int:
        """So many sessions there may be."""
        is_shaky = self.gate.state(now) is not GateState.OPEN
        return 1 if is_shaky or self.pace.is_slow(now) else self.concurrency.limit

    def _begin_at(self, now: float) -> float:
        return max(self.concurrency.paused_until, self.pace.next_at(now))

    def go_on(self) -> bool:
        """Whether who has a session may begin one more message in it."""
        now = self._tools.monotonic()
        if now < self._begin_at(now) or (self._lent > 1 and self.pace.is_slow(now)):
            return False
        self.pace.begin(now)
        return True

    def busy(self) -> HopBusy:
        """What is raised where others have all sessions, or the hosts get a pause."""
        now = self._tools.monotonic()
        until = self._begin_at(now)
        return HopBusy(until if now < until else float("inf"), self._call_when_free)

    def opened(self, session: MxSession) -> None:
        """Who borrowed opened a session."""
        self._used.add(session)
        self._security = session.security

    def lost(self, session: MxSession) -> None:
        """A borrowed session is over; who borrowed it may open another one."""
        self._used.discard(session)

    def has_room(self, session: MxSession) -> bool:
        """Whether the session takes one more message."""
        return session.has_room(self._most_messages) and session.host not in self.spares.passed

    def give_back(self, session: MxSession | None) -> None:
        """What was borrowed is not needed now; None: there is no session any more."""
        self._lent -= 1
        if session is not None:
            self._used.discard(session)
            open_now = self._lent + len(self._idle)
            is_kept = self.has_room(session) and open_now < self.concurrency.limit
            if is_kept and self._tools.idle_room:
                self._tools.idle_room -= 1
                self._idle.append((session, self._tools.monotonic()))
                self._plan_reaper()
            else:
                self._end(session)
        self._wake_next()

    # How it answers.

    def failed(self, trouble: Unopened) -> None:
        """No session could be opened. Raises HopBusy where others stand: then it wants no more."""
        tools = self._tools
        self.heed(() if trouble.failure.said is None else (trouble.failure.said,))
        if self._used:
            self.concurrency.refuse_more_than(len(self._used), reason=trouble.text)
            allowed, cap = self.concurrency.limit, self.concurrency.cap
            log.info("delivery.mx_sessions", hosts=self.name, allowed=allowed, cap=cap)
            raise self.busy()
        self.trouble = trouble
        now = tools.monotonic()
        if self.gate.state(now) is not GateState.CLOSED:
            self.gate.fail(now, tools.rand())
        self._wake_all()

    def went_through(self, *, throttled: bool, wish: str = "") -> None:
        """An attempt was answered; `throttled`: by a wish for less, in these words."""
        self.trouble = None
        was_closed = self.gate.succeed()
        concurrency, before = self.concurrency, self.concurrency.limit
        if throttled:
            tools = self._tools
            concurrency.throttle(
                tools.monotonic(), tools.rand(), connections=self._lent, reason=wish
            )
        else:
            concurrency.succeed()
        if concurrency.limit != before:
            limit = concurrency.limit
            log.info("delivery.mx_sessions", hosts=self.name, allowed=limit, cap=concurrency.cap)
        if was_closed:
            self._wake_all()

    def heed(self, replies: Iterable[Reply]) -> None:
        """Slow down for long where one of these asks for it in the words of this receiver."""
        now = self._tools.monotonic()
        for reply in replies:
            if self.pace.heed(reply, now):
                log.warning(
                    "delivery.mx_slowed",
                    hosts=self.name,
                    receiver=self.pace.receiver.name,
                    reply=str(reply),
                    seconds=round(self.pace.slow_until - now),
                )

    def let_go(self) -> None:
        """An administrator wants it tried at once, whatever pause there is."""
        self.concurrency.paused_until = 0.0
        self.pace.let_go()
        self.spares.let_go()
        if self.gate.state(self._tools.monotonic()) is GateState.CLOSED:
            self.gate.ask_for_probe()
        self._wake_all()

    # Who waits.

    def _call_when_free(self, wake: Wake) -> None:
        self._waiting[wake] = None
        if self._has_one_to_lend():
            asyncio.get_running_loop().call_later(_NEXT_TURN_SECONDS, self._wake_next)

    def _wake_next(self) -> None:
        if self._waiting:
            wake = next(iter(self._waiting))
            del self._waiting[wake]
            wake()

    def _wake_all(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for wake in waiting:
            wake()

    # Sessions end.

    def _end(self, session: MxSession) -> None:
        self._tools.spawn(session.connection.close())

    def _plan_reaper(self) -> None:
        if self._reaper is None:
            seconds = self._tools.idle_seconds
            self._reaper = asyncio.get_running_loop().call_later(seconds, self._reap)

    def _reap(self) -> None:
        """End the sessions that have rested long enough. One timer for the site."""
        self._reaper = None
        self._drop_older(self._tools.monotonic() - self._tools.idle_seconds + _COARSE_SECONDS)
        if self._idle:
            self._plan_reaper()

    def _drop_older(self, limit: float) -> None:
        while self._idle and self._idle[0][1] <= limit:
            self._end(self._idle.popleft()[0])
            self._tools.idle_room += 1

    def close(self) -> None:
        """End the idle sessions."""
        if self._reaper is not None:
            self._reaper.cancel()
        self._drop_older(float("inf"))


class Sites:
    """All sites of a worker, by what makes two domains share."""

    def __init__(self, tools: SiteTools, receivers: Receivers) -> None:
        self._tools = tools
        self._receivers = receivers
        self._sites: dict[object, Site] = {}
        self._by_hop: dict[str, dict[str, Site]] = {}

    def get(self, key: object, name: SiteName, hop: str, caps: HopCaps) -> Site:
        """The site of these hosts, for a domain with this name as a next hop. `caps` are those of
        the route."""
        site = self._site(key, name, caps)
        if hop not in self._by_hop and len(self._by_hop) >= MAX_HOPS:
            self._by_hop = {h: s for h, s in self._by_hop.items() if not _are_quiet(s)}
        sites = self._by_hop.setdefault(hop, {})
        sites.pop(name.source, None)
        sites[name.source] = site
        return site

    def of(self, hop: str) -> list[Site]:
        """The sites that a domain took part in, the last one at the end."""
        return list(self._by_hop.get(hop, {}).values())

    def states(self, wall: WallOf) -> list[SiteState]:
        """All of them, for people to read."""
        hops = Counter(id(site) for sites in self._by_hop.values() for site in sites.values())
        return [site.state(hops[id(site)], wall) for site in self._sites.values()]

    def _site(self, key: object, name: SiteName, caps: HopCaps) -> Site:
        site = self._sites.get(key)
        if site is None:
            if len(self._sites) >= MAX_SITES:
                self._sites = {k: s for k, s in self._sites.items() if not s.is_quiet}
            receiver = self._receivers.of(name.hosts)
            site = self._sites[key] = Site(name, caps, self._tools, receiver)
        else:
            site.ask_for(caps)
        return site

    async def close(self) -> None:
        """End all idle sessions."""
        for site in self._sites.values():
            site.close()
        await self._tools.finish()


def _are_quiet(sites: dict[str, Site]) -> bool:
    return all(site.is_quiet for site in sites.values())
