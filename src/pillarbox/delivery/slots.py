"""The connections that one worker may have open to all next hops together."""

from collections.abc import Callable
from typing import TypeAlias

Wake: TypeAlias = Callable[[], None]


class ConnectionSlots:
    """A fixed number of slots; lanes that find none are woken in turn when one comes free."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self.waiting: dict[Wake, None] = {}
        """The lanes that wait for a slot."""

    def take(self, wake: Wake) -> bool:
        """Take a slot. If there is none, `wake` is called once when there may be one."""
        if self._free:
            self._free -= 1
            self.waiting.pop(wake, None)
            return True
        self.waiting[wake] = None
        return False

    def give_back(self) -> None:
        """A connection was closed. Who is woken may want nothing any more: then the next."""
        self._free += 1
        while self._free and self.waiting:
            wake = next(iter(self.waiting))
            del self.waiting[wake]
            wake()

    def forget(self, wake: Wake) -> None:
        """A lane that waited is gone."""
        self.waiting.pop(wake, None)
