"""How far a look has come, for whoever shows it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


class Progress:
    """Counts what was begun and what has ended. `changed` is told of each change; `last` is what
    ended last."""

    def __init__(self, changed: Callable[["Progress"], None] = lambda _: None) -> None:
        self.begun = 0
        self.ended = 0
        self.last = ""
        self._changed = changed

    async def watch(self, what: str, work: Awaitable[Value]) -> Value:
        """Await a piece of work, and count it."""
        self.begun += 1
        self._changed(self)
        try:
            return await work
        finally:
            self.ended += 1
            self.last = what
            self._changed(self)
