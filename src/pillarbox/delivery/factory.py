"""Which courier serves which next hop."""

from typing import assert_never

from pillarbox.delivery.capture import capture_courier, reject_courier
from pillarbox.delivery.courier import Courier
from pillarbox.delivery.graph import GraphCourier
from pillarbox.delivery.mailbox import MailboxCourier
from pillarbox.delivery.smtp import SmtpCourier
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.route import Capture, Microsoft365, NextHop, Reject, SmartHost


class Couriers:
    """Makes couriers; its `courier_for` is the CourierFactory of the scheduler."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings

    def courier_for(self, next_hop: NextHop) -> Courier:
        """A courier for this next hop; nothing is connected yet."""
        match next_hop:
            case SmartHost():
                return SmtpCourier(next_hop, self._settings)
            case Microsoft365():
                return MailboxCourier(next_hop, self._to_microsoft(next_hop))
            case Capture():
                return capture_courier()
            case Reject(text=text):
                return reject_courier(text)
            case _:
                assert_never(next_hop)

    def _to_microsoft(self, next_hop: Microsoft365) -> Courier:
        smtp = SmtpCourier(next_hop.smart_host, self._settings)
        if next_hop.way.is_graph:
            return GraphCourier(next_hop, self._settings, smtp if next_hop.way.has_smtp else None)
        return smtp
