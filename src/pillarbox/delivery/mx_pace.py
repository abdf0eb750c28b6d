"""How fast MX hosts are given messages: as their receiver says always, and more slowly for a time
after it asked for less (delivery.receivers). Without I/O; `now` is a monotonic time in seconds.

It is a pace, not a limit that is exact over restarts: what the receiver counts nobody knows.
"""

from pillarbox.delivery.receivers import Receiver
from pillarbox.mail.reply import Reply

_MINUTE_SECONDS = 60.0


class MxPace:
    """One for each site."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.slow_until = 0.0
        self.slowed_by = ""
        """The reply that asked for less."""
        self._slow_per_minute = 1
        self._next_at = 0.0

    def is_slow(self, now: float) -> bool:
        """Whether there is one session only."""
        return now < self.slow_until

    def next_at(self, now: float) -> float:
        """When the next message may begin."""
        return max(self._next_at, now)

    def begin(self, now: float) -> None:
        """A message begins."""
        rate = self._slow_per_minute if self.is_slow(now) else self.receiver.messages_per_minute
        if rate:
            self._next_at = max(now, self._next_at) + _MINUTE_SECONDS / rate

    def heed(self, reply: Reply, now: float) -> bool:
        """Slow down where a reply asks for it; whether it is new that it does."""
        wish = self.receiver.wish(reply)
        if wish is None:
            return False
        is_new = not self.is_slow(now)
        self.slow_until = max(self.slow_until, now + wish.minutes * _MINUTE_SECONDS)
        self.slowed_by = str(reply)
        self._slow_per_minute = wish.messages_per_minute
        self._next_at = max(self._next_at, now + _MINUTE_SECONDS / wish.messages_per_minute)
        return is_new

    def let_go(self) -> None:
        """An administrator knows better."""
        self.slow_until = self._next_at = 0.0
