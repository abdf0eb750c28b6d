"""What has arrived at a server for tests. Servers add in their thread, tests wait in theirs."""

import asyncio
import threading
import time
from collections.abc import Callable

from pillarbox.testing.received import Received

WAIT_SECONDS = 10.0
"""How long a test waits for a message unless it says otherwise."""

_SHOWN = 10


class NotReceived(AssertionError):
    """What a test waits for has not come."""


class Inbox:
    """The messages that arrived, in their order."""

    def __init__(self) -> None:
        self._messages: list[Received] = []
        self._changed = threading.Condition()

    @property
    def messages(self) -> list[Received]:
        """All messages so far."""
        with self._changed:
            return list(self._messages)

    def clear(self) -> None:
        """Forget all messages."""
        with self._changed:
            self._messages.clear()

    def put(self, message: Received) -> None:
        """A message arrived."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()

    def wait_for(
        self,
        *,
        subject: str | None = None,
        recipient: str | None = None,
        where: Callable[[Received], bool] | None = None,
        timeout: float = WAIT_SECONDS,
    ) -> Received:
        """The first message that fits all that is named, as soon as it is there. Raises
        NotReceived after `timeout` seconds.

        In a test with an event loop that has to go on meanwhile: `wait_for_async`.
        """

        def fits(message: Received) -> bool:
            return (
                (subject is None or message.subject == subject)
                and (recipient is None or recipient in message.recipients)
                and (where is None or where(message))
            )

        found = self._wait(lambda: [m for m in self._messages if fits(m)], 1, timeout)
        if not found:
            raise NotReceived(f"no such message within {timeout:g} s; {self._story()}")
        return found[0]

    def wait_for_count(self, count: int, *, timeout: float = WAIT_SECONDS) -> list[Received]:
        """All messages, as soon as there are `count`. Raises NotReceived after `timeout`
        seconds."""
        found = self._wait(lambda: list(self._messages), count, timeout)
        if len(found) < count:
            raise NotReceived(f"not {count} messages within {timeout:g} s; {self._story()}")
        return found

    async def wait_for_async(
        self,
        *,
        subject: str | None = None,
        recipient: str | None = None,
        where: Callable[[Received], bool] | None = None,
        timeout: float = WAIT_SECONDS,  # noqa: ASYNC109 -- the wait is one of a thread
    ) -> Received:
        """`wait_for` while the event loop goes on."""
        return await asyncio.to_thread(
            self.wait_for, subject=subject, recipient=recipient, where=where, timeout=timeout
        )

    def _wait(
        self, look: Callable[[], list[Received]], count: int, seconds: float
    ) -> list[Received]:
        end = time.monotonic() + seconds
        with self._changed:
            while len(found := look()) < count:
                remaining = end - time.monotonic()
                if remaining <= 0 or not self._changed.wait(remaining):
                    return look()
            return found

    def _story(self) -> str:
        """What there is instead."""
        messages = self.messages
        if not messages:
            return "nothing has arrived"
        lines = [
            f"  {m.subject!r} from {m.sender or '<>'} to {', '.join(m.recipients)}"
            for m in messages[-_SHOWN:]
        ]
        return "\n".join([f"{len(messages)} arrived, the last ones:", *lines])
