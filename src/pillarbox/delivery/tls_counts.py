"""Counts of sessions with MX hosts by how TLS went, in memory, one for each worker. They are taken
from here and written to the store now and then, so nothing is written for a session or a message.
"""

from collections import Counter
from collections.abc import Callable

from pillarbox.mail.envelope import Timestamp
from pillarbox.observe.log import log
from pillarbox.tlsrpt.results import Counted, TlsResult, day_of

MAX_KINDS = 20_000
"""So many different results are held at a time; what is beyond is not counted."""


class TlsCounts:
    """What was counted and not taken yet."""

    def __init__(self, wall: Callable[[], Timestamp]) -> None:
        self._wall = wall
        self._counts: Counter[TlsResult] = Counter()
        self._lost = 0

    @property
    def today(self) -> int:
        """The day of UTC that sessions count for now."""
        return day_of(self._wall())

    def add(self, result: TlsResult, sessions: int = 1) -> None:
        """Count a session, or several."""
        if result in self._counts or len(self._counts) < MAX_KINDS:
            self._counts[result] += sessions
        else:
            self._lost += sessions

    def take(self) -> list[Counted]:
        """All that was counted since the last time."""
        if self._lost:
            log.warning("tls_report.results_lost", sessions=self._lost)
            self._lost = 0
        counts, self._counts = self._counts, Counter()
        return [Counted(result, sessions) for result, sessions in counts.items()]

    def put_back(self, counted: list[Counted]) -> None:
        """What could not be written is counted again."""
        for one in counted:
            self.add(one.result, one.sessions)
