"""T8: in the trace of a thousand submissions every 250 comes after the sync of its message."""

from pathlib import Path

import pytest
from tests.crash.strace_order import check_order
from tests.crash.strace_recording import recording
from tests.crash.strace_service import SMALL_OCTETS, watched

MESSAGES = 1000
SESSIONS = 16

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]


def test_a_thousand_replies_wait_for_their_syncs(tmp_path: Path) -> None:
    """D6, by group commit: fewer commits than messages."""
    (tmp_path / "service").mkdir()
    with (
        watched(tmp_path / "service") as service,
        recording(service, tmp_path / "trace") as made,
    ):
        made.submit_many([SMALL_OCTETS] * MESSAGES, sessions=SESSIONS)

    order = check_order(made)

    assert order.broken == []
    assert order.messages == MESSAGES
    assert order.commits < MESSAGES
