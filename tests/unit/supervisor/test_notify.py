"""systemd is told how the service is."""

import socket
from pathlib import Path

import pytest

from pillarbox.supervisor.notify import notify


def test_a_state_reaches_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NOTIFY_SOCKET names a datagram socket (sd_notify)."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)

        notify("READY=1")

        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@pillarbox-no-such-socket"])
def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """No socket, or one that is gone, hurts nobody."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    notify("READY=1")
