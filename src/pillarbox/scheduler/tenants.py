"""The tenants whose mail is at hand, and the route of each recipient, without a query.

A message is routed when it enters a ready queue. Each change of the directory moves `version`:
what was routed before is routed again when its turn comes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from pillarbox.errors import SecretError
from pillarbox.mail.envelope import Recipient
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.observe.log import log
from pillarbox.retry import RetryPolicy
from pillarbox.route import (
    CAPTURE_ROUTE,
    HopCaps,
    LanePlan,
    MxHosts,
    NextHop,
    Reject,
    Route,
    hop_key,
    route_domain,
)
from pillarbox.scheduler.stores import TenantStore
from pillarbox.store.lanes import LaneRecord
from pillarbox.store.records import Tenant

_CACHED_WAYS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """Where a recipient's mail goes: the next hop, the lane, and what that may use of the caps.
    There is one for each hop and caps, so recipients are grouped by it without comparing."""

    next_hop: NextHop
    caps: HopCaps
    lane: LaneRecord

    @property
    def lane_id(self) -> int:
        """The id of the lane."""
        return self.lane.lane_id


_Ways: TypeAlias = tuple[Route | None, tuple[Way, ...]]
"""A route with the way by each of its members."""


class Tenants:
    """A cache over the directory that answers at once. `lane_of` gives the id of a route's lane,
    `plan` what that lane may use of the caps."""

    def __init__(
        self, directory: TenantStore, lane_of: Callable[[Route], int], plan: LanePlan
    ) -> None:
        self._directory = directory
        self._lane_of = lane_of
        self._plan = plan
        self._tenants: dict[int, Tenant] = {}
        self._routes: dict[tuple[NextHop, HopCaps], Way] = {}
        self._ways: dict[tuple[int, str, str, bool], _Ways] = {}
        self._generation = directory.generation
        self._before: dict[int, Tenant] = {}
        """As they were when the directory moved, until they are compared."""
        self._is_changed = False
        self.version = 0

    def at_hand(self, tenant_id: int) -> Tenant | None:
        """A tenant that was asked for before; None: ask `get`."""
        return self._tenants.get(tenant_id)

    async def get(self, tenant_id: int) -> Tenant | None:
        """A tenant; None if it is gone or can not be read. Raises SpoolUnavailable."""
        tenant = self._tenants.get(tenant_id)
        if tenant is not None:
            return tenant
        version = self.version
        try:
            tenant = await self._directory.tenant(tenant_id)
        except SecretError as error:
            # Its mail waits; the message of the error names what an administrator has to mend.
            log.error("scheduler.tenant_unreadable", tenant_id=tenant_id, cause=str(error))
            return None
        if tenant is not None and version == self.version:
            self._tenants[tenant_id] = tenant
        return tenant

    async def refresh(self) -> bool:
        """Follow the directory; whether routes have changed. One at a time. Raises
        SpoolUnavailable, and goes on where it was when it is called again."""
        generation = self._directory.generation
        if generation != self._generation:
            # Those that were not compared yet count as they were before all changes.
            self._before = self._tenants | self._before
            self._tenants = {}
            self._ways.clear()
            self._routes.clear()
            self.version += 1
            self._generation = generation
        while self._before:
            tenant_id, tenant = next(iter(self._before.items()))
            new = await self.get(tenant_id)
            self._is_changed |= new is None or new.routes != tenant.routes
            del self._before[tenant_id]
        is_changed, self._is_changed = self._is_changed, False
        return is_changed

    def way(self, tenant: Tenant, message: SpooledMessage, recipient: Recipient) -> Way | None:
        """The way of a recipient now; None where the tenant has routes and none matches.

        A DSN of ours that nobody would take is captured.
        """
        is_dsn = message.account_id is None
        path = message.envelope.reverse_path
        sender = "" if path is None else route_domain(path.domain)
        key = (tenant.tenant_id, sender, route_domain(recipient.forward_path.domain), is_dsn)
        known = self._ways.get(key)
        if known is None:
            route = tenant.routes.choose(key[1], key[2])
            if is_dsn and (route is None or isinstance(route.next_hop, Reject)):
                route = CAPTURE_ROUTE
            known = route, () if route is None else tuple(map(self._way, route.members))
            if len(self._ways) >= _CACHED_WAYS:
                self._ways.clear()
            if self._tenants.get(tenant.tenant_id) is tenant:
                self._ways[key] = known
        route, ways = known
        if route is None:
            return None
        return ways[route.member_number(message.queue_id, path) if route.others else 0]

    def _way(self, route: Route) -> Way:
        known = self._routes.get((route.next_hop, route.caps))
        if known is not None:
            return known
        caps, number = self._plan.share(route.caps), self._plan.number(route.caps)
        next_hop = route.next_hop
        lane = LaneRecord(self._lane_of(route), hop_key(next_hop), number)
        if isinstance(next_hop, MxHosts):
            # What one domain was ordered to have is not for the others with the same hosts.
            next_hop = replace(next_hop, caps=self._plan.share(next_hop.caps))
        if len(self._routes) >= _CACHED_WAYS:
            self._routes.clear()
        way = self._routes[route.next_hop, route.caps] = Way(next_hop, caps, lane)
        return way

    @property
    def shortest_notice_seconds(self) -> int | None:
        """The earliest delay notice of all tenants at hand; None if none wants one."""
        seconds = [
            tenant.retry.delay_notice_seconds
            for tenant in self._tenants.values()
            if tenant.retry.delay_notice_seconds is not None
        ]
        return min(seconds, default=None)

    @property
    def shortest_give_up_seconds(self) -> int:
        """The earliest end of all tenants at hand."""
        seconds = [tenant.retry.give_up_seconds for tenant in self._tenants.values()]
        return min(seconds, default=RetryPolicy().give_up_seconds)
