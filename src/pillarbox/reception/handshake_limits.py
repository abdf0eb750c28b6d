"""How many TLS handshakes an address may cost without a login.

A handshake is charged when it begins and given back by the login that follows, so who connects
anew for each message is never counted, and who only makes handshakes is soon refused. Where nobody
logs in, on a port for what comes back, a report that was taken counts as a login.
"""

from pillarbox.policy.clock import Clock
from pillarbox.policy.login_limits import Buckets
from pillarbox.policy.source import source_of

WINDOW_SECONDS = 60.0


class HandshakeLimits:
    """The counts of one process: a bucket for each source that leaks empty within the window."""

    def __init__(self, per_address: int, clock: Clock) -> None:
        self._buckets = Buckets(per_address, WINDOW_SECONDS)
        self._clock = clock

    def may_begin(self, address: str) -> bool:
        """Charge a handshake; False if there is no room for it."""
        source, now = source_of(address), self._clock.seconds()
        if self._buckets.wait_seconds(source, now) > 0:
            return False
        self._buckets.add(source, now)
        return True

    def logged_in(self, address: str) -> None:
        """A login followed the handshake: it costs nothing."""
        self._buckets.add(source_of(address), self._clock.seconds(), -1.0)
