"""One of the connections of a lane: its courier, and how much it has served."""

from pillarbox.delivery.courier import Courier
from pillarbox.delivery.usage import LEAST_COST
from pillarbox.observe.log import log
from pillarbox.route import MxHosts, NextHop


class LaneConnection:
    """One connection; its task is the lane's. `cost` is what the attempt under way counts."""

    __slots__ = ("cost", "courier", "hop", "served")

    def __init__(self) -> None:
        self.courier: Courier | None = None
        self.hop: NextHop | None = None
        self.served = 0
        self.cost = LEAST_COST

    @property
    def is_open(self) -> bool:
        """Whether its session stands."""
        return self.courier is not None and self.courier.is_open

    @property
    def may_rest(self) -> bool:
        """Whether its session is kept for the lane's next mail. One with MX hosts goes back to
        all domains that share them (delivery.mx_site)."""
        return self.is_open and not isinstance(self.hop, MxHosts)

    async def close(self) -> None:
        """End the session; the next attempt begins another one."""
        courier, self.courier = self.courier, None
        self.served = 0
        if courier is not None:
            try:
                await courier.close()
            except Exception:
                log.exception("delivery.close_failed")
