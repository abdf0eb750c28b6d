"""Open files: each connection takes one, and where there are none left nothing works any more."""

import resource

from pillarbox.config import Delivery, Limits, Publishing
from pillarbox.net.http_server import CONNECTIONS
from pillarbox.observe.log import log
from pillarbox.reception.registry import REFUSING

RESERVED = 48
"""For listeners, the database, the log, the metrics and what libraries open."""

DELIVERY_SHARE = 4
"""Connections to next hops get at most one of so many."""

WEB_SHARE = 10
"""Connections of those who ask for settings for clients get at most one of so many."""

REFUSED_SHARE = 5
"""Where there are few, one of so many connections of clients is over a limit and only told so."""


def within_open_files(limits: Limits, delivery: Delivery, publishing: Publishing) -> Limits:
    """The limits with no more sessions than this process can have, which is allowed all the files
    that the system gives it."""
    descriptors = open_files()
    fitting = fit_sessions(
        limits,
        connections=delivery.connections,
        web=web_connections(descriptors) if publishing.address else 0,
        descriptors=descriptors,
    )
    if fitting is not limits:
        log.warning(
            "worker.few_open_files",
            open_files=descriptors,
            sessions=fitting.sessions,
            hint="raise the limit of open files (LimitNOFILE of systemd, ulimit -n), or lower"
            " limits.sessions",
        )
    return fitting


def open_files() -> int:
    """Let this process open as many files as the system allows; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        # A sandbox may forbid it: then the old limit stands.
        return soft
    return hard


def web_connections(descriptors: int) -> int:
    """So many who ask for settings for clients are served at once."""
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS
    return max(1, min(CONNECTIONS, descriptors // WEB_SHARE))


def fit_sessions(limits: Limits, *, connections: int, descriptors: int, web: int = 0) -> Limits:
    """The limits with as many sessions as there are files for, beside so many connections to next
    hops and of the `web`. Beyond them clients are told to come again, which needs files as well."""
    room = descriptors - RESERVED - min(connections, descriptors // DELIVERY_SHARE) - web
    most = max(1, room - min(room // REFUSED_SHARE, REFUSING))
    if descriptors == resource.RLIM_INFINITY or limits.sessions <= most:
        return limits
    return limits.model_copy(update={"sessions": most})
