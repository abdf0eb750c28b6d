"""The listening sockets: bound here, or taken over from systemd (LISTEN_FDS).

They are bound before root is given up, once, and inherited by every worker, so a worker that dies
loses no connection that waits in the queue of the kernel.
"""

import errno
import os
import socket
import stat
from collections.abc import Mapping, Sequence

from pillarbox.config.settings import ANY_ADDRESS, Listener, Publishing
from pillarbox.supervisor import exits

BACKLOG = 4096
"""Connections that wait for a worker; the kernel cuts it at net.core.somaxconn."""

FIRST_INHERITED = 3
"""sd_listen_fds(3): descriptors of systemd begin here."""


def open_sockets(
    listeners: Sequence[Listener | Publishing], environment: Mapping[str, str]
) -> dict[str, socket.socket]:
    """One listening socket for each listener, by the listener's name.

    A socket of systemd belongs to the listener with the same name or the same port; what systemd
    does not give is bound. Raises StartError.
    """
    given = _from_systemd(environment)
    sockets = {}
    for listener in listeners:
        found = given.pop(listener.name, None) or _by_port(given, listener.port)
        sockets[listener.name] = found or _bind(listener)
    if given:
        hint = "name the sockets as the listeners, or add [[listeners]] for them"
        raise exits.StartError(exits.CONFIG, f"systemd gives sockets for {sorted(given)}", hint)
    return sockets


def _from_systemd(environment: Mapping[str, str]) -> dict[str, socket.socket]:
    """The sockets that systemd opened for this process, by their names."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(environment.get("LISTEN_FDS", "0"))
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    found = {}
    for index in range(count):
        descriptor = FIRST_INHERITED + index
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            continue
        name = names[index] if index < len(names) else ""
        taken = socket.socket(fileno=descriptor)
        taken.setblocking(False)
        found[name if name and name not in found else f"{name}#{index}"] = taken
    return found


def _by_port(given: dict[str, socket.socket], port: int) -> socket.socket | None:
    """Take the socket that listens on this port out of those of systemd."""
    for name, candidate in given.items():
        if port and candidate.getsockname()[1] == port:
            return given.pop(name)
    return None


def _bind(listener: Listener | Publishing) -> socket.socket:
    """Bind and listen."""
    try:
        if listener.address == ANY_ADDRESS:
            return _bind_any(listener.port)
        family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
        return _bind_one(family, listener.address, listener.port)
    except OSError as error:
        where = f"{listener.address} port {listener.port} ({listener.name})"
        raise exits.StartError(*_explain(error, where)) from error


def _bind_any(port: int) -> socket.socket:
    """All addresses of both families; hosts without IPv6 get IPv4 alone."""
    if socket.has_dualstack_ipv6():
        return _bind_one(socket.AF_INET6, "::", port)
    return _bind_one(socket.AF_INET, "0.0.0.0", port)  # noqa: S104


def _bind_one(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            only = 0 if address == "::" else 1
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        bound.bind((address, port))
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def _explain(error: OSError, where: str) -> tuple[int, str, str]:
    """Exit code, text and hint for a port that can not be bound."""
    match error.errno:
        case errno.EADDRINUSE:
            hint = "another program listens there: stop it, or choose another port in [[listeners]]"
            return exits.UNAVAILABLE, f"{where} is in use", hint
        case errno.EACCES:
            hint = "start as root with `user` set, let systemd open the port, or use one over 1023"
            return exits.NO_PERMISSION, f"{where} is not allowed for this user", hint
        case errno.EADDRNOTAVAIL:
            hint = "write an address of this host, or * for all"
            return exits.CONFIG, f"{where} is no address of this host", hint
        case _:
            return exits.UNAVAILABLE, f"{where}: {error.strerror}", ""
