"""Notices accounts that send to many people whom nobody knows: lists that were bought or guessed
are sent to from accounts whose password was stolen. Counts for one worker, in memory."""

from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.mail.envelope import RecipientState
from pillarbox.outcome.settle import Judgement, Tried

WINDOW_SECONDS = 600.0
"""What is counted together."""

LEAST_UNKNOWN = 20
"""Fewer unknown recipients in one window are mistakes, whatever their share is."""

UNKNOWN_STATUS = "5.1.1"
"""RFC 3463: "Bad destination mailbox address"."""


_FAILED = RecipientState.FAILED


@dataclass(slots=True)
class _Window:
    began: float
    finished: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Suspicion:
    """An account of whose recipients too many are unknown."""

    account_id: int
    unknown: int
    finished: int


class UnknownWatch:
    """`percent`: the share of unknown recipients that is too much; 100 notices nothing."""

    def __init__(self, percent: int, seconds: Callable[[], float]) -> None:
        self._percent = percent
        self._seconds = seconds
        self._windows: dict[int, _Window] = {}
        self._suspicions: list[Suspicion] = []

    def note(self, tried: Tried, judgement: Judgement) -> None:
        """An attempt has ended."""
        account_id = tried.message.account_id
        if account_id is None or not tried.is_attempt:
            return
        now = self._seconds()
        window = self._windows.get(account_id)
        if window is None or now - window.began > WINDOW_SECONDS:
            window = self._windows[account_id] = _Window(now)
        for record in judgement.records:
            if not record.state.is_final:
                continue
            window.finished += 1
            is_unknown = record.reply.enhanced == UNKNOWN_STATUS
            window.unknown += is_unknown and record.state is _FAILED
        share = window.unknown * 100
        if window.unknown >= LEAST_UNKNOWN and share > self._percent * window.finished:
            del self._windows[account_id]
            self._suspicions.append(Suspicion(account_id, window.unknown, window.finished))

    def take(self) -> list[Suspicion]:
        """What was noticed since the last time."""
        found, self._suspicions = self._suspicions, []
        return found
