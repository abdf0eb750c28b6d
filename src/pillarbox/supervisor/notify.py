"""Tell systemd how the service is (sd_notify(3)); without systemd nothing happens."""

import os
import socket


def notify(state: str) -> None:
    """Send lines like `READY=1` to the socket that NOTIFY_SOCKET names."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect(address)
            sender.send(state.encode())
        except OSError:
            # systemd is gone or restarts; the service itself is well.
            return
