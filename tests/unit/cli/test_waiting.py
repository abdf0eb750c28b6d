"""Why mail waits (pillarbox.cli.waiting)."""

import pytest

from pillarbox.cli.waiting import why_waiting
from pillarbox.mail.envelope import RecipientState

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("state", "seconds", "attempts", "text"),
    [
        (RecipientState.QUEUED, 0, 0, "not tried yet; its turn comes"),
        (RecipientState.QUEUED, 90, 0, "not tried yet; first attempt in 1 min 30 s"),
        (RecipientState.DEFERRED, 3600, 1, "put off once; next attempt in 1 h"),
        (RecipientState.DEFERRED, -5, 4, "put off 4 times; due"),
        (RecipientState.HELD, None, 0, "held by an administrator"),
        (RecipientState.DEFERRED, None, 1, "waits for an administrator"),
    ],
)
def test_sentence(state: RecipientState, seconds: int | None, attempts: int, text: str) -> None:
    """Each state has a sentence that says what happens next, and when."""
    due = None if seconds is None else NOW + seconds * 1000

    assert why_waiting(state, due, attempts=attempts, now=NOW).startswith(text)


@pytest.mark.parametrize("state", RecipientState)
def test_every_state_has_a_sentence(state: RecipientState) -> None:
    """Also the final ones, which are asked for in a trace."""
    assert why_waiting(state, NOW, attempts=1, now=NOW)
