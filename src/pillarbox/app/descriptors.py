"""Open files: each connection takes one, and where there are none left nothing works any more."""

import resource

from pillarbox.config import Delivery, Limits
from pillarbox.observe.log import log
from pillarbox.reception.registry import REFUSING

RESERVED = 48
"""For listeners, the database, the log, the metrics and what libraries open."""

DELIVERY_SHARE = 4
"""Connections to next hops get at most one of so many."""

REFUSED_SHARE = 5
"""Where there are few, one of so many connections of clients is over a limit and only told so."""


def within_open_files(limits: Limits, delivery: Delivery) -> Limits:
    """The limits with no more sessions than this process can have, which is allowed all the files
    that the system gives it."""
    descriptors = _raise_limit()
    fitting = fit_sessions(limits, connections=delivery.connections, descriptors=descriptors)
    if fitting is not limits:
        log.warning(
            "worker.few_open_files",
            open_files=descriptors,
            sessions=fitting.sessions,
            hint="raise the limit of open files (LimitNOFILE of systemd, ulimit -n), or lower"
            " limits.sessions",
        )
    return fitting


def _raise_limit() -> int:
    """Let this process open as many files as the system allows; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        # A sandbox may forbid it: then the old limit stands.
        return soft
    return hard


def fit_sessions(limits: Limits, *, connections: int, descriptors: int) -> Limits:
    """The limits with as many sessions as there are files for, beside so many connections to next
    hops. Beyond them clients are told to come again, which needs files as well."""
    room = descriptors - RESERVED - min(connections, descriptors // DELIVERY_SHARE)
    most = max(1, room - min(room // REFUSED_SHARE, REFUSING))
    if descriptors == resource.RLIM_INFINITY or limits.sessions <= most:
        return limits
    return limits.model_copy(update={"sessions": most})
