"""How long a client may take. One deadline stands at any time; the listener looks once a second.

- Before a login the whole session has the time of one command: who does not say who he is keeps
  no connection by talking.
- A command has its time from the reply before it; octets of a line that trickle in buy none.
- Content has to come at a least rate. Each octet buys the time that it would take at this rate,
  and silence uses it up; there is never more in hand than the time-out of the data. So a slow line
  and a line with gaps pass, and a client that only keeps its session busy does not.
- Who falls silent where void content seems to have ended waits for the reply, and gets it soon.
"""

import math

from pillarbox.config import Limits
from pillarbox.policy.clock import Clock

BLOCK_OCTETS = 1024
"""Content is counted, and moves the deadline when so much has come: not at each octet."""

PATIENCE = 2
"""So many deadlines may pass while the service itself is not done; RFC 5321 4.5.3.2.6: no client
waits longer than ten minutes."""

VOID_END_SECONDS = 5.0
"""So long a client may be silent behind bare line ends with a dot between them. Nothing of its
content will be taken, so nothing is lost where it had only paused."""

CLOSE_SECONDS = 10.0
"""A client that does not read the last reply has this time for it."""


class Deadline:
    """The deadline of one session: `at` is a time of the clock.

    What moves it comes often and is looked at once a second, so the connection only notes it: in
    `moved_at` when a reply was last written to who has logged in, or a block of its content came
    (None: not since the last `move`), in `octets` how much content has come since, in `in_content`
    whether it belongs to the content of which the last `move` knew.
    """

    __slots__ = (
        *("_command_seconds", "_held_at", "_limits", "_patience"),
        *("at", "heard_at", "in_content", "moved_at", "octets", "seconds"),
    )

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.seconds = clock.seconds
        self._limits = limits
        self._command_seconds = limits.command_timeout_seconds
        self._held_at = math.inf
        self._patience = PATIENCE
        self.at = math.inf
        self.heard_at = math.inf
        self.moved_at: float | None = None
        self.in_content = False
        self.octets = 0

    def expect_hello(self) -> None:
        """The port begins with TLS: whoever says nothing for this long waits for a greeting."""
        self.at = self.seconds() + self._limits.tls_silence_seconds

    def stop(self) -> None:
        """Something else has a time-out of its own."""
        self.at = math.inf

    def begin(self) -> None:
        """The session begins."""
        self.at = self.seconds() + self._command_seconds

    def move(self, *, in_content: bool) -> None:
        """Let what was noted count."""
        if self.moved_at is None:
            return
        if not in_content:
            self.at = self.moved_at + self._command_seconds
        else:
            limits = self._limits
            full = self.moved_at + limits.data_timeout_seconds
            if self.in_content:
                full = min(self.at + self.octets / limits.data_octets_per_second, full)
            self.at = full
        self.in_content = in_content
        self.moved_at = None
        self.octets = 0
        self._patience = PATIENCE

    def hear(self, octets: int) -> None:
        """Octets of content came."""
        self.octets += octets
        self.heard_at = self.seconds()

    def due(self, *, seems_ended: bool) -> float:
        """When the client has taken too long; it waits for a reply where its content, which is
        void, `seems_ended`."""
        return min(self.at, self.heard_at + VOID_END_SECONDS) if seems_ended else self.at

    def hold(self) -> None:
        """Nothing is read from now on: the time is not the client's."""
        self._held_at = self.seconds()

    def go_on(self) -> None:
        """Something is read again."""
        held = max(0.0, self.seconds() - self._held_at)
        self.at += held
        if self.moved_at is not None:
            self.moved_at += held
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
        self.at = self.seconds() + CLOSE_SECONDS
        self.moved_at = None
