"""An e-mail backend for Django: `"BACKEND": "pillarbox.django.EmailBackend"`.

It takes the options of Django's own SMTP backend and more, in MAILERS (Django 6.1 and later) or as
EMAIL_* settings. TLS is required unless `tls` says otherwise, connections are kept and shared by
all threads of the process, and errors have a cause and a fix. docs/client-programs.md.
"""

import atexit
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import getaddresses
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend

from pillarbox.client import ClientError, connect
from pillarbox.errors import ConfigError
from pillarbox.profiles import connect as connect_by_profile
from pillarbox.profiles import load_profile

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

    from pillarbox.client import Client, SendResult

MAX_CLIENTS = 16
"""Ways by which a process keeps connections. A site with settings for each tenant has more, and
tests change them often."""

SETTING = "PILLARBOX_EMAIL"
"""Beside EMAIL_*: a dict of the options that those have no names for."""

_OF_DJANGO = ("host", "port", "use_tls", "use_ssl")
"""Options by which Django's own backend names a server."""

_IMPLICIT_PORT, _STARTTLS_PORT = 465, 587


class Way(NamedTuple):
    """By which server, and how."""

    server: str
    username: str = ""
    password: str = ""
    tls: str = "required"
    ca_file: str = ""
    timeout: float = 60.0
    profile: str = ""

    def __repr__(self) -> str:
        """Without the password: reports of errors have the values of all variables in them."""
        return f"Way({self.profile or self.server!r}, username={self.username!r})"

    def connect(self) -> "Client":
        """A client. Raises ClientError, ConfigError."""
        if self.profile:
            return connect_by_profile(load_profile(self.profile))
        return connect(
            self.server,
            auth=(self.username, self.password) if self.username else None,
            tls="opportunistic" if self.tls == "opportunistic" else "required",
            ca_file=self.ca_file,
            timeout=self.timeout,
        )


class _Kept:
    """A client, and how many use it just now. `is_over`: the last of them closes it."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self.users = 0
        self.is_over = False


class _Clients:
    """The clients of this process. Django makes a backend for each call of send_mail(), so what is
    to be kept has to be kept here."""

    def __init__(self) -> None:
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        """Connections belong to the process that opened them."""
        self._lock = threading.Lock()
        self._kept: dict[Way, _Kept] = {}
        """The one that was used last is at the end."""

    @contextmanager
    def use(self, way: Way) -> "Iterator[Client]":
        """The client for this way, which nobody closes meanwhile."""
        with self._lock:
            kept = self._kept.pop(way, None) or _Kept(way.connect())
            self._kept[way] = kept
            kept.users += 1
            idle = self._give_up(MAX_CLIENTS)
        _close(idle)
        try:
            yield kept.client
        finally:
            with self._lock:
                kept.users -= 1
                is_over = kept.is_over and not kept.users
            if is_over:
                kept.client.close()

    def close(self) -> None:
        """Say good-bye on all connections."""
        with self._lock:
            idle = self._give_up(0)
        _close(idle)

    def _give_up(self, most: int) -> "list[Client]":
        """Keep so many; gives those of the others that nobody uses, to be closed without the lock:
        a server may take its time for that."""
        idle: list[Client] = []
        while len(self._kept) > most:
            kept = self._kept.pop(next(iter(self._kept)))
            kept.is_over = True
            if not kept.users:
                idle.append(kept.client)
        return idle


def _close(clients: "list[Client]") -> None:
    for client in clients:
        client.close()


_clients = _Clients()
atexit.register(_clients.close)


def close_connections() -> None:
    """Close what is kept open; the next message opens a connection again."""
    _clients.close()


class EmailBackend(BaseEmailBackend):  # type: ignore[misc] # Django has no types
    """Options: `server` (as for pillarbox.connect) or `profile`; `username`, `password`, `tls`,
    `ca_file`, `timeout`; or Django's `host`, `port`, `use_tls`, `use_ssl`."""

    def __init__(self, *, fail_silently: bool = False, **options: Any) -> None:  # noqa: ANN401
        given = {name: value for name, value in options.items() if value is not None}
        alias = given.get("alias")
        if alias is None:
            given = {**_settings(), **_own_settings(), **given}
        if given.get("ssl_keyfile") or given.get("ssl_certfile"):
            raise ImproperlyConfigured(
                "ssl_keyfile, ssl_certfile: a client certificate can not be used"
            )
        if given.get("tls", "required") not in ("required", "opportunistic"):
            raise ImproperlyConfigured('tls: write "required" or "opportunistic"')
        way = {name: given.pop(name) for name in Way._fields if name in given}
        if "server" not in way and "profile" not in way:
            way["server"] = _server(given)
        for name in _OF_DJANGO:
            given.pop(name, None)
        super().__init__(**given)
        self.fail_silently = fail_silently
        self._way = Way(way.pop("server", ""), **way)

    def send_messages(self, email_messages: "Sequence[EmailMessage]") -> int:
        """Send them; how many were sent, to at least one recipient. `pillarbox_result` of each
        tells what became of its recipients. Raises ClientError, unless `fail_silently`."""
        return sum(self._send(message) for message in email_messages or ())

    def _send(self, message: "EmailMessage") -> bool:
        recipients = [_address(one) for one in message.recipients()]
        if not recipients:
            return False
        octets = message.message().as_bytes()
        result: SendResult | None = None
        try:
            with _clients.use(self._way) as client:
                result = client.send(
                    octets, sender=_address(message.from_email), recipients=recipients
                )
        except ClientError as error:
            result = error.result
            if not self.fail_silently:
                raise
            return False
        except ConfigError as error:
            raise ImproperlyConfigured(str(error)) from error
        finally:
            message.pillarbox_result = result
        return True


def _settings() -> dict[str, Any]:
    """EMAIL_*, as far as they are set."""
    if settings.EMAIL_SSL_CERTFILE or settings.EMAIL_SSL_KEYFILE:
        raise ImproperlyConfigured("EMAIL_SSL_CERTFILE: a client certificate can not be used")
    found = {
        "host": settings.EMAIL_HOST,
        "port": settings.EMAIL_PORT,
        "username": settings.EMAIL_HOST_USER,
        "password": settings.EMAIL_HOST_PASSWORD,
        "use_tls": settings.EMAIL_USE_TLS,
        "use_ssl": settings.EMAIL_USE_SSL,
        "timeout": settings.EMAIL_TIMEOUT,
    }
    return {name: value for name, value in found.items() if value is not None}


def _own_settings() -> dict[str, Any]:
    """PILLARBOX_EMAIL. Raises ImproperlyConfigured for what there is not."""
    own: dict[str, Any] = getattr(settings, SETTING, {})
    known = (*Way._fields, *_OF_DJANGO)
    if unknown := [name for name in own if name not in known]:
        raise ImproperlyConfigured(
            f"{SETTING}: there is no option {unknown[0]!r}; there are {', '.join(known)}"
        )
    return own


def _server(given: dict[str, Any]) -> str:
    """The URL for Django's options. Raises ImproperlyConfigured."""
    host = given.get("host")
    if not host:
        raise ImproperlyConfigured('say by which server: "server": "submission://HOST"')
    is_implicit = bool(given.get("use_ssl"))
    if is_implicit and given.get("use_tls"):
        raise ImproperlyConfigured("use_tls (STARTTLS) and use_ssl (TLS) exclude each other")
    port = given.get("port") or (_IMPLICIT_PORT if is_implicit else _STARTTLS_PORT)
    scheme = "smtps" if is_implicit else "submission" if given.get("use_tls") else "smtp"
    return f"{scheme}://{f'[{host}]' if ':' in str(host) else host}:{port}"


def _address(text: str) -> str:
    """The address of "Name <address>"; what has no form, or is several, is left to the client to
    refuse."""
    found = getaddresses([text])
    return found[0][1] or text if len(found) == 1 else text
