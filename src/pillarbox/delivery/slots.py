"""The connections that one worker may have open to all next hops together."""

from collections.abc import Callable
from typing import TypeAlias

Wake: TypeAlias = Callable[[], None]


class ConnectionSlots:
    """A fixed number of slots; lanes that find none are woken in turn when one comes free."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: dict[Wake, None] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether a lane waits for a slot."""
        return bool(self._waiting)

    def take(self, wake: Wake) -> bool:
        """Take a slot. If there is none, `wake` is called once when there may be one."""
        if self._free:
            self._free -= 1
            self._waiting.pop(wake, None)
            return True
        self._waiting[wake] = None
        return False

    def give_back(self) -> None:
        """A connection was closed."""
        self._free += 1
        if self._waiting:
            wake = next(iter(self._waiting))
            del self._waiting[wake]
            wake()

    def forget(self, wake: Wake) -> None:
        """A lane that waited is gone."""
        self._waiting.pop(wake, None)
