"""TLS for both sides: contexts, the certificate of a listener, and what a handshake came to.

TLS 1.2 and 1.3 with the cipher suites of Mozilla's "intermediate" recommendation; no compression,
no renegotiation. Files are read here; nothing here opens a connection.
"""

import os
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from pillarbox.errors import ConfigError, Problem
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.openssl import set_groups

if TYPE_CHECKING:
    # A program that sends one message begins sooner without it.
    from pathlib import Path

CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-CHACHA20-POLY1305",
    )
)
"""For TLS 1.2; those of TLS 1.3 are all good and not to be chosen. All have forward secrecy."""

TICKET_KEY_SECONDS = 24 * 3600
"""How long one context, and with it one key for session tickets, serves a listener. Who steals the
key can read all sessions that were resumed with it."""

CLIENT_CONTEXT_SECONDS = 3600
"""How long a client context is used before the trusted roots are read again."""

_DER = 2
"""X509_FILETYPE_ASN1 of OpenSSL."""

_ROOT_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep their roots, for an interpreter that was built to look elsewhere."""


def server_context(certificate: "Path", key: "Path") -> ssl.SSLContext:
    """A context for one listener. Raises ConfigError when the two files can not be used.

    Each listener needs its own: a session of one must not be resumed on another, and the keys for
    tickets belong to the context. TLS 1.3 gets no tickets: resuming saves little of its handshake,
    and two tickets are about 500 octets for each connection. TLS 1.2 keeps them because without
    tickets OpenSSL would remember the sessions in memory.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.num_tickets = 0
    try:
        # A key with a passphrase must fail here and never ask on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as exc:
        raise ConfigError([_certificate_problem(certificate, key, exc)]) from exc
    return context


def client_context(*, verify: bool, ca_file: str = "") -> ssl.SSLContext:
    """A context for connections to a next hop. Raises ConfigError when `ca_file` can not be used.

    With `verify` the certificate must be valid for the name that is asked for, under a root of the
    system or of `ca_file` (PEM). Without it the connection is encrypted to whoever answers.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    _load_system_roots(context)
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ValueError) as exc:
            problem = Problem(
                ca_file,
                f"no trusted certificates can be read: {_reason(exc)}",
                "name a file with the root certificate in PEM form (BEGIN CERTIFICATE)",
            )
            raise ConfigError([problem]) from exc
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    set_groups(context)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Each suite of the list is good: the client knows best which of them it computes quickly.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE


def _load_system_roots(context: ssl.SSLContext) -> None:
    paths = ssl.get_default_verify_paths()
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if context.cert_store_stats()["x509_ca"] or paths.capath:
        return
    for candidate in _ROOT_FILES:
        with suppress(FileNotFoundError):
            context.load_verify_locations(cafile=candidate)
            return


def _certificate_problem(certificate: "Path", key: "Path", exc: Exception) -> Problem:
    for path in (certificate, key):
        try:
            path.open("rb").close()
        except OSError as unreadable:
            return Problem(
                str(path),
                f"can not be read: {unreadable.strerror}",
                "name a PEM file that the service may read",
            )
    if isinstance(exc, ssl.SSLError) and exc.reason == "KEY_VALUES_MISMATCH":
        return Problem(
            str(key),
            f"is not the key of the certificate in {certificate}",
            "name the two files that were made together",
        )
    return Problem(
        f"{certificate}, {key}",
        f"can not be used as certificate and key: {_reason(exc)}",
        "both must be PEM, the certificate with its intermediates behind it, the key without "
        "a passphrase",
    )


def _reason(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError) and exc.reason:
        return exc.reason.replace("_", " ").lower()
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__


@dataclass(frozen=True, slots=True)
class _FileState:
    """What changes when a file is written again or another one takes its name."""

    inode: int
    size: int
    modified_ns: int


class ServerCertificate:
    """The certificate of one listener, read again when its files change.

    Sessions that stand keep the context they began with. One object serves one listener, because
    its context holds the keys for that listener's session tickets.
    """

    def __init__(self, certificate: "Path", key: "Path") -> None:
        """Raises ConfigError when the files can not be used."""
        self._certificate = certificate
        self._key = key
        self._seen = self._look()
        self._context = server_context(certificate, key)
        self._made_at = time.monotonic()

    @property
    def context(self) -> ssl.SSLContext:
        """The context for the next handshake."""
        return self._context

    def refresh(self) -> bool:
        """Take up changed files; whether they were. Cheap enough to be called every few seconds.

        Raises ConfigError once for each change that makes a pair that can not be used; the
        certificate before it stays in use.
        """
        seen = self._look()
        changed = seen != self._seen
        if not changed and time.monotonic() - self._made_at < TICKET_KEY_SECONDS:
            return False
        self._seen = seen
        self._made_at = time.monotonic()
        self._context = server_context(self._certificate, self._key)
        return changed

    def _look(self) -> tuple[_FileState | None, ...]:
        return tuple(_file_state(path) for path in (self._certificate, self._key))


def _file_state(path: "Path") -> _FileState | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _FileState(found.st_ino, found.st_size, found.st_mtime_ns)


class ClientContexts:
    """Client contexts by what they check: making one reads all roots of the system (10 ms).

    Those for the web are others than those for mail: httpx2 sets in them that HTTP will be spoken
    (ALPN), and a mail server may refuse a client that says so, as Exim does.
    """

    def __init__(self) -> None:
        self._contexts: dict[_Purpose, tuple[float, _Stamp | None, ssl.SSLContext]] = {}

    def get(self, *, verify: bool, ca_file: str = "", for_web: bool = False) -> ssl.SSLContext:
        """The context, at most an hour old, and by the file as it is now. Raises ConfigError as
        `client_context` does, but not while there is one that was made within the hour: a file
        that is replaced may be away, or half written, for a moment."""
        now, stamp, key = time.monotonic(), _stamp(ca_file), (verify, ca_file, for_web)
        made_at, seen, context = self._contexts.get(key, (0.0, None, None))
        held = None if now - made_at > CLIENT_CONTEXT_SECONDS else context
        if held is not None and stamp in (None, seen):
            return held
        try:
            made = client_context(verify=verify, ca_file=ca_file)
        except ConfigError:
            if held is None:
                raise
            return held
        self._contexts[key] = (now, stamp, made)
        return made


_Purpose: TypeAlias = tuple[bool, str, bool]
_Stamp: TypeAlias = tuple[int, int, int]


def _stamp(ca_file: str) -> _Stamp | None:
    """What another content of the file changes; None: there is no such file."""
    if not ca_file:
        return None
    try:
        found = os.stat(ca_file)  # noqa: PTH116 - without pathlib, see above
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def describe(connection: ssl.SSLObject | ssl.SSLSocket) -> str:
    """Version and cipher suite of a finished handshake: "TLSv1.3 TLS_AES_256_GCM_SHA384"."""
    cipher = connection.cipher()
    return f"{connection.version()} {cipher[0]}" if cipher else ""


def peer_chain(connection: ssl.SSLObject | ssl.SSLSocket) -> list[bytes]:
    """The certificates that the other side sent, its own first, in DER; nothing of them was
    verified."""
    if hasattr(connection, "get_unverified_chain"):
        return list(connection.get_unverified_chain())
    # Before Python 3.13 the method is there, but on the object behind this one alone.
    inner: Any = connection._sslobj  # type: ignore[union-attr] # noqa: SLF001
    return [each.public_bytes(_DER) for each in inner.get_unverified_chain() or ()]


class ClientTrouble(StrEnum):
    """Why the handshake with a client of ours failed; the value is for log and session record."""

    PLAIN_TEXT = "the client did not speak TLS: wrong port, or encryption off in the client"
    TOO_OLD = "the client offers nothing newer than TLS 1.1"
    NO_CIPHER = "no cipher suite in common"
    DISTRUST = "the client does not trust the certificate of this service"
    CUT = "the client cut the connection"
    TOO_SLOW = "the client took too long"
    OTHER = "the handshake failed"


_NOT_TLS = frozenset(
    {
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
_TOO_OLD = frozenset({"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW"})
_NO_CIPHER = frozenset({"NO_SHARED_CIPHER", "NO_SUITABLE_KEY_SHARE", "NO_SHARED_GROUPS"})
_DISTRUST = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)
_VERIFY_KINDS = {
    9: FailureKind.CERTIFICATE_NOT_YET_VALID,
    10: FailureKind.CERTIFICATE_EXPIRED,
    62: FailureKind.CERTIFICATE_NAME_MISMATCH,
    64: FailureKind.CERTIFICATE_NAME_MISMATCH,
}
"""X509_V_ERR_* of OpenSSL: not yet valid, has expired, hostname mismatch, IP address mismatch."""


def client_trouble(exc: Exception) -> ClientTrouble:
    """Name what ended a handshake on the server side."""
    match exc:
        case ssl.SSLError(reason=str(reason)) if reason in _NOT_TLS:
            return ClientTrouble.PLAIN_TEXT
        case ssl.SSLError(reason=str(reason)) if reason in _TOO_OLD:
            return ClientTrouble.TOO_OLD
        case ssl.SSLError(reason=str(reason)) if reason in _NO_CIPHER:
            return ClientTrouble.NO_CIPHER
        case ssl.SSLError(reason=str(reason)) if reason in _DISTRUST:
            return ClientTrouble.DISTRUST
        case TimeoutError() | ConnectionAbortedError():
            return ClientTrouble.TOO_SLOW
        case ssl.SSLEOFError() | ConnectionError():
            return ClientTrouble.CUT
        case _:
            return ClientTrouble.OTHER


def hop_failure(exc: Exception) -> Failure:
    """Name what ended a handshake with a next hop."""
    match exc:
        case ssl.SSLCertVerificationError():
            kind = _VERIFY_KINDS.get(exc.verify_code, FailureKind.CERTIFICATE_NOT_TRUSTED)
            return Failure(kind, exc.verify_message.rstrip("."))
        case ssl.SSLError(reason=str(reason)) if reason in _NOT_TLS:
            return Failure(FailureKind.NOT_TLS)
        case ssl.SSLError(reason=str(reason)) if reason in _TOO_OLD:
            return Failure(FailureKind.TLS_TOO_OLD)
        case TimeoutError() | ConnectionAbortedError():
            return Failure(FailureKind.HANDSHAKE_FAILED, "it took too long")
        case ssl.SSLEOFError() | ConnectionError():
            return Failure(FailureKind.HANDSHAKE_FAILED, "the connection was cut")
        case _:
            return Failure(FailureKind.HANDSHAKE_FAILED, _reason(exc))
