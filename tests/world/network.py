"""Two networks: that of Pillarbox and of the tests, and an Internet with the hosts of others.

`scripts/world.sh` starts the tests in namespaces of their own, so nothing here touches the machine:
what is mounted, named and routed ends with the last process. Addresses are public ones and ports
are the real ones, so Pillarbox needs no exception for them.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.programs import ROOT, needed_file, program, run

TOOLS = ROOT / ".tools/world"
"""Programs unpacked from their Debian packages by scripts/tools.sh."""

OUR_ADDRESS, OUR_ADDRESS6 = "11.0.0.2", "2600:25::2"
NETWORK_BITS, NETWORK_BITS6 = 24, 64
INTERNET = "internet"

_NEW_NET = 0x40000000
_LINK, _FAR_LINK = "out", "net"


def address(number: int) -> str:
    """An IPv4 address of the Internet."""
    return f"11.0.0.{number}"


def address6(number: int) -> str:
    """An IPv6 address of the Internet."""
    return f"2600:25::{number}"


def make_internet() -> None:
    """Connect a second network namespace with that of the tests."""
    ours = [name for _, name in socket.if_nameindex()]
    assert ours == ["lo"], f"this needs namespaces of its own, not {ours}: make world"
    ip = program("ip", "iproute2")
    for folder in ("/run", "/var/spool", "/var/lib"):
        run(["mount", "-t", "tmpfs", "tmpfs", folder])
    # Where OpenSMTPD looks for its own programs.
    run(["mount", "--bind", needed_file(TOOLS / "usr/libexec", "make world"), "/usr/libexec"])
    run([ip, "netns", "add", INTERNET])
    run([ip, "link", "set", "lo", "up"])
    run([ip, "link", "add", _LINK, "type", "veth", "peer", "name", _FAR_LINK, "netns", INTERNET])
    run([ip, "address", "add", f"{OUR_ADDRESS}/{NETWORK_BITS}", "dev", _LINK])
    run([ip, "-6", "address", "add", f"{OUR_ADDRESS6}/{NETWORK_BITS6}", "dev", _LINK, "nodad"])
    run([ip, "link", "set", _LINK, "up"])
    # Postfix stands still where its log takes no more lines before the first one is read.
    run(on_the_internet(["sysctl", "-q", "-w", "net.unix.max_dgram_qlen=1000"]))
    run([ip, "-n", INTERNET, "link", "set", "lo", "up"])
    run([ip, "-n", INTERNET, "link", "set", _FAR_LINK, "up"])


def add_addresses(*numbers: int) -> None:
    """Give hosts of the Internet their addresses: IPv4 and IPv6 by the same number."""
    words = []
    for number in numbers:
        words.append(f"address add {address(number)}/{NETWORK_BITS} dev {_FAR_LINK}")
        words.append(f"-6 address add {address6(number)}/{NETWORK_BITS6} dev {_FAR_LINK} nodad")
    for line in words:
        run(["ip", "-n", INTERNET, *line.split()])


def replace_file(original: str, folder: Path, text: str) -> None:
    """Let all that runs in these namespaces read a text in place of a file of the system."""
    ours = folder / Path(original).name
    ours.write_text(text)
    run(["mount", "--bind", ours, original])


def add_users(folder: Path, *names: str) -> None:
    """Users that packages would have made; each is `nobody` by another name."""
    users, groups = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    nobody = next(line.split(":") for line in users.splitlines() if line.startswith("nobody:"))
    for number, name in enumerate(names):
        user = int(nobody[2]) - 1 - number
        users += f"{name}:x:{user}:{user}::/nonexistent:/bin/false\n"
        groups += f"{name}:x:{user}:\n"
    replace_file("/etc/passwd", folder, users)
    replace_file("/etc/group", folder, groups)


def on_the_internet(argv: Sequence[str | Path]) -> list[str]:
    """A command for a program that runs there."""
    return ["ip", "netns", "exec", INTERNET, *map(str, argv)]


def start_there(argv: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
    """Start an unpacked program on the Internet, in a process group of its own."""
    return start_here(on_the_internet(argv), log)


def start_here(argv: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
    """Start an unpacked program beside the tests."""
    libraries = os.pathsep.join(map(str, sorted((TOOLS / "usr/lib").glob("*-linux-gnu"))))
    with log.open("ab") as output:
        return subprocess.Popen(
            list(map(str, argv)),
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def listen_there(host: str, port: int) -> socket.socket:
    """A listening socket on the Internet, for a server in a thread of the tests.

    A namespace is that of a thread, and a socket stays in the one in which it was made.
    """
    made: list[socket.socket] = []
    thread = threading.Thread(target=lambda: made.append(_listen(host, port)))
    thread.start()
    thread.join()
    assert made, f"{host} can not listen at port {port}"
    return made[0]


def _listen(host: str, port: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{INTERNET}").open() as namespace:
        assert libc.setns(namespace.fileno(), _NEW_NET) == 0, os.strerror(ctypes.get_errno())
    return socket.create_server((host, port))
