"""What arrived, and what can be counted of it: the mailbox view and the statistics."""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.emulate.headers import without_field
from pillarbox.emulate.windows import most_in

MAX_MOMENTS = 200_000
"""So many times a mailbox remembers for its statistics."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that was submitted, by SMTP or Graph, before anything is decided about it.

    `login` is the user or app that signed in, `mechanism` LOGIN, XOAUTH2 or Bearer. `sender` is the
    reverse-path of SMTP, the mailbox of Graph. `received_at`: when all of it was there.
    """

    way: str
    mailbox: str
    login: str
    mechanism: str
    sender: str
    recipients: tuple[str, ...]
    raw: bytes = field(repr=False)
    received_at: float = 0.0
    app_id: str = ""
    tls: str = ""


@dataclass(slots=True)
class Message:
    """An arrival that was taken. `shown_from` is the From that recipients see; `is_answered` is
    False where a fault kept the answer back, so the client can not know of it."""

    id: int
    arrival: Arrival
    shown_from: str
    accepted_at: float
    is_answered: bool = True

    @property
    def seen(self) -> bytes:
        """The message without Bcc, as it goes to its recipients."""
        return without_field(self.arrival.raw, b"bcc")

    def facts(self) -> dict[str, object]:
        """Everything but the octets, for JSON."""
        arrival = self.arrival
        return {
            "id": self.id,
            "way": arrival.way,
            "mailbox": arrival.mailbox,
            "login": arrival.login,
            "mechanism": arrival.mechanism,
            "app_id": arrival.app_id,
            "tls": arrival.tls,
            "sender": arrival.sender,
            "recipients": list(arrival.recipients),
            "shown_from": self.shown_from,
            "size_octets": len(arrival.raw),
            "received_at": arrival.received_at,
            "accepted_at": self.accepted_at,
            "answered": self.is_answered,
        }


@dataclass(slots=True)
class MailboxStatistics:
    """What one mailbox has seen. Moments are times of day in seconds."""

    accepted: int = 0
    refused: int = 0
    delayed: int = 0
    """Messages that came faster than the limit by minute."""
    sessions: list[object] = field(default_factory=list)
    """Those of SMTP that are logged in, the oldest first."""
    most_connections: int = 0
    requests: int = 0
    parallel_requests: int = 0
    most_parallel_requests: int = 0
    throttled: int = 0
    """Requests that were answered with 429."""
    too_early: int = 0
    """Requests that did not wait for as long as Retry-After had told them."""
    arrived: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_MOMENTS))
    """When each message that was taken had arrived, before the server delayed it."""

    def connected(self, session: object) -> None:
        """Somebody logged in."""
        self.sessions.append(session)
        self.most_connections = max(self.most_connections, len(self.sessions))

    def began(self) -> None:
        """A request of Graph is under way."""
        self.requests += 1
        self.parallel_requests += 1
        self.most_parallel_requests = max(self.most_parallel_requests, self.parallel_requests)

    def facts(self, seconds: float) -> dict[str, object]:
        """For JSON. `most_in_window` is the largest number of messages in any `seconds`."""
        moments = sorted(self.arrived)
        return {
            "accepted": self.accepted,
            "refused": self.refused,
            "delayed": self.delayed,
            "connections": len(self.sessions),
            "most_connections": self.most_connections,
            "requests": self.requests,
            "most_parallel_requests": self.most_parallel_requests,
            "throttled": self.throttled,
            "too_early": self.too_early,
            "window_seconds": seconds,
            "most_in_window": most_in(moments, seconds),
            "arrived_at": moments,
        }


class Messages:
    """The messages that were taken; of more than `limit`, or more octets than `limit_octets`, the
    oldest are forgotten."""

    def __init__(self, limit: int, limit_octets: int) -> None:
        self._limit = limit
        self._limit_octets = limit_octets
        self._kept: dict[int, Message] = {}
        self._octets = 0
        self._numbers = itertools.count(1)
        self.listener: Callable[[Message], None] | None = None
        """Is told of each message, in the thread of the emulator."""

    def take(self, arrival: Arrival, *, shown_from: str, accepted_at: float) -> Message:
        """Keep a message."""
        message = Message(next(self._numbers), arrival, shown_from, accepted_at)
        self._kept[message.id] = message
        self._octets += len(arrival.raw)
        while len(self._kept) > self._limit or self._octets > self._limit_octets:
            oldest = self._kept.pop(next(iter(self._kept)))
            self._octets -= len(oldest.arrival.raw)
        if self.listener is not None:
            self.listener(message)
        return message

    def all(self, mailbox: str = "", *, after: int = 0) -> list[Message]:
        """In the order of arrival; of one mailbox, or of all."""
        # A copy at one stroke: a test may look from another thread than the emulator's.
        return [
            message
            for message in list(self._kept.values())
            if message.id > after and mailbox in ("", message.arrival.mailbox)
        ]

    def get(self, number: int) -> Message | None:
        """One message."""
        return self._kept.get(number)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._octets = 0
