"""How long a client may take. One deadline stands at any time; the listener looks once a second.

- Before a login the whole session has the time of one command: who does not say who he is keeps
  no connection by talking.
- A command has its time from the reply before it; octets of a line that trickle in buy none.
- Content has to come at a least rate. Each octet buys the time that it would take at this rate,
  and silence uses it up; there is never more in hand than the time-out of the data. So a slow line
  and a line with gaps pass, and a client that only keeps its session busy does not.
"""

import math

from pillarbox.config import Limits
from pillarbox.policy.clock import Clock

BLOCK_OCTETS = 1024
"""Content is counted, and moves the deadline when so much has come: not at each octet."""

PATIENCE = 2
"""So many deadlines may pass while the service itself is not done; RFC 5321 4.5.3.2.6: no client
waits longer than ten minutes."""

CLOSE_SECONDS = 10.0
"""A client that does not read the last reply has this time for it."""


class Deadline:
    """The deadline of one session: `at` is a time of the clock.

    `octets` counts the content since the deadline was last moved.
    """

    __slots__ = (
        *("_command_seconds", "_held_at", "_in_content", "_limits", "_patience", "_seconds"),
        *("at", "octets"),
    )

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._seconds = clock.seconds
        self._limits = limits
        self._command_seconds = limits.command_timeout_seconds
        self._in_content = False
        self._held_at = math.inf
        self._patience = PATIENCE
        self.at = math.inf
        self.octets = 0

    def expect_hello(self) -> None:
        """The port begins with TLS: whoever says nothing for this long waits for a greeting."""
        self.at = self._seconds() + self._limits.tls_silence_seconds

    def stop(self) -> None:
        """Something else has a time-out of its own."""
        self.at = math.inf

    def begin(self) -> None:
        """The session begins."""
        self.at = self._seconds() + self._command_seconds

    def move(self, *, in_content: bool, is_known: bool) -> None:
        """A reply was written, or content came. `is_known`: the client has logged in."""
        self._patience = PATIENCE
        if is_known:
            if not in_content:
                self.at = self._seconds() + self._command_seconds
            else:
                limits = self._limits
                full = self._seconds() + limits.data_timeout_seconds
                if self._in_content:
                    full = min(self.at + self.octets / limits.data_octets_per_second, full)
                self.at = full
            self._in_content = in_content
        self.octets = 0

    def hold(self) -> None:
        """Nothing is read from now on: the time is not the client's."""
        self._held_at = self._seconds()

    def go_on(self) -> None:
        """Something is read again."""
        self.at += max(0.0, self._seconds() - self._held_at)
        self._held_at = math.inf

    def is_put_off(self) -> bool:
        """It has passed while the client waited for us: put it off, but not for ever."""
        if self._patience == 0:
            return False
        self._patience -= 1
        self.at += self._command_seconds
        return True

    def close(self) -> None:
        """The last reply was written."""
        self.at = self._seconds() + CLOSE_SECONDS
