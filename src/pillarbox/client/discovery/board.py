"""What the sources have said so far, and whether that is enough."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from pillarbox.discovery.findings import TRUST, Asked, Finding, Source
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.discovery.ranking import Asking, Suggestion, candidates, is_settled


class Board:
    """Collects findings. A source is open until it has reported."""

    def __init__(self, asking: Asking, sources: Iterable[Source]) -> None:
        self._asking = asking
        self._findings: list[Finding] = []
        self._outcomes: dict[Source, str] = {}
        self._open = set(sources)
        self._changed = asyncio.Event()

    def report(self, source: Source, findings: Sequence[Finding], problem: str = "") -> None:
        """A source has answered, or could not be asked."""
        self._findings += findings
        self._outcomes[source] = problem or ("found" if findings else "nothing")
        self._open.discard(source)
        self._changed.set()

    def candidates(self) -> list[Suggestion]:
        """What was found so far, best first."""
        return candidates(self._findings, self._asking, PROVIDERS)

    @property
    def is_complete(self) -> bool:
        """Whether all sources have reported."""
        return not self._open

    @property
    def is_decided(self) -> bool:
        """Whether no source that is still open could say anything better."""
        if self.is_complete:
            return True
        best = next(iter(self.candidates()), None)
        if best is None or not is_settled(best):
            return False
        return TRUST.index(best.source) < min(map(TRUST.index, self._open))

    async def until_decided(self, deadline: float) -> None:
        """Wait until it is decided, or for the deadline (of the loop's clock)."""
        await self._until(deadline, only_complete=False)

    async def until_complete(self, deadline: float) -> None:
        """Wait until all have reported, or for the deadline."""
        await self._until(deadline, only_complete=True)

    async def _until(self, deadline: float, *, only_complete: bool) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while not (self.is_complete if only_complete else self.is_decided):
                    self._changed.clear()
                    await self._changed.wait()

    def asked(self) -> tuple[Asked, ...]:
        """What became of each source, in the order of trust."""
        known = {**dict.fromkeys(self._open, "not waited for"), **self._outcomes}
        return tuple(Asked(source, known[source]) for source in TRUST if source in known)
