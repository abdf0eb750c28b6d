"""Whether this machine has an address that connections can come from."""

import socket


def why_not_bound(address: str) -> str:
    """Why no connection can come from an address; "" where one can."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        return error.strerror or str(error)
    return ""
