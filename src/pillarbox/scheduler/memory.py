"""What all lanes of a worker may hold in memory together."""

from pillarbox.mail.spooled import SpooledMessage

READY_ATTEMPTS = 20_000
"""Attempts in all ready queues; more wait in the store."""

LEAST_SHARE = 50
"""So many attempts a lane may hold in any case."""


class Memory:
    """Counts attempts and octets of content. Content above the bound is dropped: the courier then
    reads it from the store, chunk by chunk."""

    def __init__(self, content_octets: int, ready_attempts: int = READY_ATTEMPTS) -> None:
        self._free_octets = content_octets
        self._ready_attempts = ready_attempts
        self.ready = 0

    def has_room(self, held: int) -> bool:
        """Whether a lane that holds so many attempts may hold one more."""
        return self.ready < self._ready_attempts or held < LEAST_SHARE

    def hold(self, message: SpooledMessage) -> int:
        """Count the content of a message, which is dropped if that is too much; the octets."""
        if message.content is None:
            return 0
        octets = len(message.content)
        if octets > self._free_octets:
            message.content = None
            return 0
        self._free_octets -= octets
        return octets

    def release(self, octets: int) -> None:
        """Content is not needed any more."""
        self._free_octets += octets
