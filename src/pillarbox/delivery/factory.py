"""Which courier serves which next hop."""

import asyncio
from typing import TYPE_CHECKING, assert_never

from pillarbox.delivery.capture import capture_courier, reject_courier
from pillarbox.delivery.courier import Courier
from pillarbox.delivery.graph import GraphCourier
from pillarbox.delivery.hop_state import SiteState, WallOf
from pillarbox.delivery.mailbox import MailboxCourier
from pillarbox.delivery.mx_settings import MxSettings
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.route import Capture, Microsoft365, MxHosts, NextHop, Reject, SmartHost

if TYPE_CHECKING:
    from pillarbox.delivery.mx_courier import MxMeans


class Couriers:
    """Makes couriers; its `courier_for` is the CourierFactory of the scheduler."""

    def __init__(self, settings: SessionSettings, mx: MxSettings | None = None) -> None:
        self._settings = settings
        self._mx_settings = mx or MxSettings()
        self._mx: MxMeans | None = None

    async def close(self) -> None:
        """End the sessions that are kept for whoever needs them next."""
        if self._mx is not None:
            await self._mx.close()

    def let_go(self, hop: str) -> None:
        """Have the MX hosts of a domain tried at once; `hop` is its name as a next hop."""
        for site in () if self._mx is None else self._mx.sites.of(hop):
            site.let_go()

    def site_of(self, hop: str) -> str:
        """The MX hosts of a domain, as far as they are known; else ""."""
        sites = [] if self._mx is None else self._mx.sites.of(hop)
        return sites[-1].name if sites else ""

    def site_states(self, wall: WallOf) -> list[SiteState]:
        """All that is known of MX hosts, for people to read."""
        return [] if self._mx is None else self._mx.sites.states(wall)

    def courier_for(self, next_hop: NextHop) -> Courier:
        """A courier for this next hop; nothing is connected yet."""
        match next_hop:
            case SmartHost():
                return SmtpCourier(next_hop, self._settings)
            case Microsoft365():
                return MailboxCourier(next_hop, self._to_microsoft(next_hop))
            case MxHosts():
                return self._to_mx_hosts(next_hop)
            case Capture():
                return capture_courier()
            case Reject(text=text):
                return reject_courier(text)
            case _:
                assert_never(next_hop)

    def _to_mx_hosts(self, next_hop: MxHosts) -> Courier:
        """Loaded where it is used: most services send by a smart host."""
        from pillarbox.delivery.mx_courier import MxCourier, means_for

        if self._mx is None:
            self._mx = means_for(
                self._mx_settings, self._settings.contexts, asyncio.get_running_loop().time
            )
        return MxCourier(next_hop, self._settings, self._mx)

    def _to_microsoft(self, next_hop: Microsoft365) -> Courier:
        smtp = SmtpCourier(next_hop.smart_host, self._settings)
        if next_hop.way.is_graph:
            return GraphCourier(next_hop, self._settings, smtp if next_hop.way.has_smtp else None)
        return smtp
