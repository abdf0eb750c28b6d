"""A reload takes up what it can and says what needs a restart."""

from pillarbox.app.reload import LIMITS_FROM_START, compare
from pillarbox.config import Limits, load


def test_what_differs_is_told_by_its_name() -> None:
    """Limits and the log change at once, the rest needs a restart."""
    old = load(None, {})
    environment = {
        "PILLARBOX_LIMITS__SESSIONS": "5",
        "PILLARBOX_LIMITS__LOGIN_CACHE_SECONDS": "5",
        "PILLARBOX_LOG__LEVEL": "debug",
        "PILLARBOX_TRACE_DAYS": "3",
    }

    changes = compare(old, load(None, environment))

    assert changes.taken == {"log", "limits.sessions"}
    assert changes.needs_restart == {"limits.login_cache_seconds", "trace_days"}


def test_nothing_differs_from_itself() -> None:
    """A reload without a change says so."""
    changes = compare(load(None, {}), load(None, {}))

    assert not changes.taken
    assert not changes.needs_restart


def test_the_limits_that_need_a_restart_exist() -> None:
    """A limit that was renamed is noticed here."""
    assert set(Limits.model_fields) >= LIMITS_FROM_START
