"""Listening sockets are bound once, or taken over from systemd."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pillarbox.config import Listener
from pillarbox.supervisor import exits
from pillarbox.supervisor.sockets import open_sockets

TAKE_OVER = """
import os, sys
os.dup2(int(sys.argv[3]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
from pillarbox.config import Listener
from pillarbox.supervisor.exits import StartError
from pillarbox.supervisor.sockets import open_sockets
doors = [Listener(port=int(sys.argv[2]), address="127.0.0.1", name=sys.argv[1])]
try:
    for name, taken in open_sockets(doors, os.environ).items():
        print(name, taken.fileno(), taken.getsockname()[1])
except StartError as error:
    print("refused", error)
"""


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    """A socket that listens on a free port, as systemd would have opened it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def _take_over(bound: socket.socket, *, socket_name: str, listener: str, port: int) -> list[str]:
    """What a process prints that systemd started with this socket."""
    number = bound.fileno()
    arguments = [listener, str(port), str(number)]
    environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": socket_name}
    done = subprocess.run(
        [sys.executable, "-c", TAKE_OVER, *arguments],
        env=environment,
        pass_fds=[number],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_listeners_are_bound() -> None:
    """Each listener has its socket, which takes connections."""
    doors = [
        Listener(address="127.0.0.1", port=0, name="four"),
        Listener(address="*", port=0, name="any"),
    ]

    sockets = open_sockets(doors, {})

    for name in ("four", "any"):
        port = sockets[name].getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    for each in sockets.values():
        each.close()


def test_a_port_in_use_says_what_to_do(bound: socket.socket) -> None:
    """The service does not start, and names the listener."""
    port = bound.getsockname()[1]

    with pytest.raises(exits.StartError, match=f"port {port} .submission. is in use") as caught:
        open_sockets([Listener(address="127.0.0.1", port=port, name="submission")], {})

    assert caught.value.code == exits.UNAVAILABLE
    assert "another program" in caught.value.hint


def test_an_address_of_another_host_is_a_mistake_of_the_configuration() -> None:
    """192.0.2.1 (RFC 5737) is no address of any host."""
    with pytest.raises(exits.StartError, match="no address of this host") as caught:
        open_sockets([Listener(address="192.0.2.1", port=0, name="x")], {})

    assert caught.value.code == exits.CONFIG


@pytest.mark.parametrize("socket_name", ["submission", "unknown"])
def test_a_socket_of_systemd_is_taken_over(bound: socket.socket, socket_name: str) -> None:
    """It belongs to the listener of its name, or else to the one with its port."""
    port = bound.getsockname()[1]

    printed = _take_over(bound, socket_name=socket_name, listener="submission", port=port)

    assert printed == ["submission", "3", str(port)]


def test_a_socket_of_systemd_without_a_listener_is_refused(bound: socket.socket) -> None:
    """A port that nobody serves would only seem to work."""
    printed = _take_over(bound, socket_name="other", listener="submission", port=0)

    assert printed[0] == "refused"


def test_sockets_for_another_process_are_left_alone() -> None:
    """LISTEN_PID names whom the descriptors are for (sd_listen_fds)."""
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}

    sockets = open_sockets([Listener(address="127.0.0.1", port=0, name="x")], environment)

    assert sockets["x"].fileno() > 3
    sockets["x"].close()
