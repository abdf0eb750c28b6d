"""Names what kept a connection from being made, for delivery and for the client alike."""

import socket

from pillarbox.explain.failures import Failure, FailureKind

_NO_SUCH_NAME = frozenset(
    {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME), socket.EAI_FAIL}
)


def connect_failure(exc: OSError) -> Failure:
    """What an error of connect() or of the name look-up before it means."""
    match exc:
        case socket.gaierror():
            known = exc.errno in _NO_SUCH_NAME
            return Failure(FailureKind.NAME_NOT_FOUND if known else FailureKind.NAME_LOOKUP_FAILED)
        case ConnectionRefusedError():
            return Failure(FailureKind.CONNECTION_REFUSED)
        case TimeoutError():
            return Failure(FailureKind.CONNECTION_TIMED_OUT)
        case _:
            return Failure(FailureKind.UNREACHABLE, exc.strerror or type(exc).__name__)
