"""Who is served over HTTPS: nobody has more than a share of the connections, and handshakes without
end are refused as those of mail are."""

from collections import Counter

from pillarbox.policy.source import source_of
from pillarbox.reception.handshake_limits import HandshakeLimits

PER_SOURCE = 20
"""Connections of one source at a time: a fifth of those that a worker serves."""


class WebGate:
    """As net.http_server.Gate."""

    def __init__(self, handshakes: HandshakeLimits) -> None:
        self._handshakes = handshakes
        self._inside: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection, unless there are too many."""
        source = source_of(address)
        if self._inside[source] >= PER_SOURCE or not self._handshakes.may_begin(address):
            return False
        self._inside[source] += 1
        return True

    def leave(self, address: str) -> None:
        """It is over."""
        source = source_of(address)
        self._inside[source] -= 1
        if not self._inside[source]:
            del self._inside[source]
