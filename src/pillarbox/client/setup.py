"""What both clients are made of: arguments that were checked, and the settings of each session."""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pillarbox.client.auth import (
    PASSWORD_MECHANISMS,
    TOKEN_MECHANISMS,
    Auth,
    Keyring,
    OAuth2,
    Password,
)
from pillarbox.client.conversation import Manner
from pillarbox.client.errors import ArgumentError
from pillarbox.client.limits import Limits, checked
from pillarbox.client.options import Pool, Timeouts, Tls, Transcript
from pillarbox.client.server import Server, check_text, is_address, read_server
from pillarbox.client.session import Session
from pillarbox.client.verdicts import error_of
from pillarbox.errors import ConfigError
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.tls import ClientContexts
from pillarbox.smtp.client import ClientSettings
from pillarbox.smtp.client_login import Login, Token, secrets_of
from pillarbox.smtp.client_replies import RawReply, to_reply
from pillarbox.smtp.client_scram import Scrambling

_NONCE_OCTETS = 18


@dataclass(slots=True)
class Setup:
    """The arguments of connect(), checked. `server` None: it is to be found for `address`."""

    address: str
    server: Server | None
    auth: Password | OAuth2 | Keyring | None
    tls: Tls
    ca_file: str
    helo_name: str
    limits: Limits
    pool: Pool
    transcript: Transcript | None
    contexts: ClientContexts = field(default_factory=ClientContexts)
    salted: dict[tuple[bytes, int], bytes] = field(default_factory=dict)

    @classmethod
    def check(
        cls,
        server: str,
        *,
        auth: Auth | None,
        tls: Tls,
        ca_file: str,
        timeout: float | Timeouts | None,
        pool: Pool,
        helo_name: str,
        transcript: Transcript | None,
    ) -> "Setup":
        """Raises ArgumentError for whatever can not be used."""
        if tls not in ("required", "opportunistic"):
            raise ArgumentError(f"tls={tls!r}", fix='write "required" or "opportunistic"')
        check_text("helo_name", helo_name)
        if " " in helo_name or not helo_name.isascii():
            raise ArgumentError("helo_name is no host name", fix="write the name of this machine")
        if not isinstance(ca_file or "", str | os.PathLike):
            raise ArgumentError("ca_file= names no file", fix="give the path of a file in PEM form")
        limits = Limits.of(timeout)
        pool = checked(pool)
        if transcript is not None and not (isinstance(transcript, list) or callable(transcript)):
            raise ArgumentError("transcript= takes no lines", fix="give a list or a function")
        check_text("the server", server)
        found = None if is_address(server) else read_server(server)
        login = _checked(auth)
        return cls(server, found, login, tls, ca_file, helo_name, limits, pool, transcript)

    def manner(self, server: Server) -> Manner:
        """How sessions with a server are held. Raises TlsError."""
        return Manner(server.host, server.is_implicit, self._context(server), self.limits)

    def _context(self, server: Server) -> ssl.SSLContext:
        try:
            return self.contexts.get(verify=True, ca_file=self.ca_file)
        except ConfigError as exc:
            [problem] = exc.problems
            detail = f"{problem.path}: {problem.text}"
            failure = Failure(FailureKind.CA_FILE_UNUSABLE, detail)
            raise error_of(failure, server) from exc

    def session(self, server: Server, *, local: str, peer: str, secret: str) -> Session:
        """A session to come, between these two addresses. Raises TlsError."""
        auth = self.auth
        is_token = isinstance(auth, OAuth2)
        settings = ClientSettings(
            helo_name=self.helo_name or _literal(local),
            starttls=not server.is_implicit,
            username=auth.username if auth else "",
            password="" if is_token else secret,
            token=Token(secret, server.host, server.port) if is_token else None,
            mechanisms=_mechanisms(auth),
            scrambling=Scrambling(os.urandom(_NONCE_OCTETS).hex(), self.salted),
            opportunistic=self.tls == "opportunistic",
            clear_login=_is_this_machine(peer),
        )
        note = self.transcript.append if isinstance(self.transcript, list) else self.transcript
        if note is not None:
            settings = replace(settings, watch=_watch(note, settings.login))
        return Session(self.manner(server), settings, note)


def _checked(auth: Auth | None) -> Password | OAuth2 | Keyring | None:
    if auth is None:
        return None
    made = Password(*auth) if isinstance(auth, tuple) and len(auth) in (2, 3) else auth
    if not isinstance(made, Password | OAuth2 | Keyring):
        raise ArgumentError("auth= is no login", fix='write ("user", "password") or OAuth2(…)')
    check_text("the user name", made.username)
    if not made.username:
        raise ArgumentError("the user name is empty")
    if isinstance(made, Password):
        check_text("the password", made.password)
    known = TOKEN_MECHANISMS if isinstance(made, OAuth2) else PASSWORD_MECHANISMS
    if made.mechanism and made.mechanism not in known:
        raise ArgumentError(f"mechanism={made.mechanism!r}", fix=f"write one of {', '.join(known)}")
    return made


def _mechanisms(auth: Password | OAuth2 | Keyring | None) -> tuple[str, ...]:
    if auth is None:
        return ()
    if auth.mechanism:
        return (auth.mechanism,)
    return TOKEN_MECHANISMS if isinstance(auth, OAuth2) else PASSWORD_MECHANISMS


def _literal(address: str) -> str:
    """This host's address as a literal: a program seldom has a name that others can look up
    (RFC 5321 4.1.4)."""
    bare = address.partition("%")[0]
    return f"[IPv6:{bare}]" if ":" in bare else f"[{bare}]"


def _is_this_machine(address: str) -> bool:
    return address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")


def _watch(note: Callable[[str], object], login: Login) -> Callable[[RawReply], None]:
    hidden = secrets_of(login) if login.username else None

    def watch(raw: RawReply) -> None:
        reply = to_reply(raw, hidden)
        last = len(reply.lines) - 1
        for number, line in enumerate(reply.lines):
            mark = " " if number == last else "-"
            enhanced = f"{reply.enhanced} " if reply.enhanced else ""
            note(f"S: {reply.code}{mark}{enhanced}{line}")

    return watch
