"""Who proves to know a password without sending it? SCRAM-SHA-256 (RFC 5802 section 3).

An account may have many passwords; they share a salt, and the proof is held against each. A user
name that nobody has, and one whose passwords have no verifier yet, get the same challenge and the
same work as all others. Proofs are counted as passwords are: before they are looked at.
"""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pillarbox.errors import AddressError, SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.policy.authenticate import Grant, InThread, grant_of
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.login_limits import Try
from pillarbox.smtp.events import ScramFirst
from pillarbox.store.records import Account, LoginRecord, PasswordCredential
from pillarbox.store.scram import (
    CURRENT,
    MECHANISM,
    UnfitPassword,
    Verifier,
    false_verifier,
    make_verifier,
    read_verifier,
    salt_for,
)

if TYPE_CHECKING:
    from scramp.core import ScramServer

ALIKE = 4
"""A proof is held against a multiple of so many verifiers, false ones among them: who has few
passwords is not told from nobody by the time that it takes."""

_MAX_NAME = 320
_NONCE_OCTETS = 18


class Accounts(Protocol):
    """What is asked of the directory (store.directory)."""

    @property
    def generation(self) -> int:
        """Grows with every change in the directory."""
        ...

    async def login(self, username: str) -> LoginRecord | None:
        """The account of this user name with its passwords."""
        ...

    def touch(self, credential_id: int, now: Timestamp) -> None:
        """Note that a credential was used."""
        ...

    async def keep_verifier(self, account: Account, credential_id: int, verifier: str) -> None:
        """Put a verifier beside the hash of a password."""
        ...


class Tries(Protocol):
    """What is asked of whoever counts logins (policy.authenticate)."""

    def begin_try(self, username: str, address: str) -> Try | Denial:
        """Charge one try: what `succeeded` gives back, or a Denial."""
        ...

    def succeeded(self, tried: Try) -> None:
        """The try was right."""
        ...


@dataclass(slots=True)
class Proving:
    """A login whose challenge was said and whose proof has not come."""

    username: str
    message: str = field(repr=False)
    nonce: str = field(repr=False)
    record: LoginRecord | None
    known: list[tuple[PasswordCredential | None, Verifier]]
    generation: int
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof that was right, with the server's own for the client."""

    grant: Grant
    signature: bytes = field(repr=False)


class ScramLogins:
    """Logins by SCRAM of one process. `key` is that of the salts (store.scram)."""

    def __init__(self, directory: Accounts, tries: Tries, key: bytes, clock: Clock) -> None:
        self._directory = directory
        self._tries = tries
        self._key = key
        self._clock = clock

    async def begin(self, first: ScramFirst) -> Proving | Denial:
        """What to ask of a client that has said who it is."""
        generation = self._directory.generation
        try:
            record = await self._directory.login(first.username)
        except SpoolUnavailable as error:
            metrics.LOGINS_UNAVAILABLE.inc()
            cause = f"the directory did not answer: {error.cause}"
            return Denial(Refusal.LOGIN_UNAVAILABLE, cause)
        known = self._verifiers(record, first.username)
        nonce = secrets.token_urlsafe(_NONCE_OCTETS)
        challenge = _challenge(known[0][1], first.message, nonce)
        if challenge is None:
            return Denial(Refusal.LOGIN_FAILED, "the first message of SCRAM is not one")
        return Proving(
            first.username, first.message, nonce, record, known, generation, challenge.encode()
        )

    def prove(self, proving: Proving, message: str, address: str) -> Proven | Denial:
        """Hold a proof against the passwords of the account."""
        tried = self._tries.begin_try(proving.username, address)
        if isinstance(tried, Denial):
            return tried
        found: tuple[PasswordCredential, str] | None = None
        for credential, verifier in proving.known:
            signature = _signature(verifier, proving, message)
            if signature is not None and credential is not None:
                found = (credential, signature)
        now = self._clock.timestamp()
        cause = _cause(proving, found, now)
        if cause or found is None or proving.record is None:
            metrics.LOGINS_FAILED.inc()
            return Denial(Refusal.LOGIN_FAILED, cause)
        self._tries.succeeded(tried)
        self._directory.touch(found[0].credential_id, now)
        metrics.LOGINS_OK.inc()
        grant = grant_of(proving.record, found[0], proving.generation)
        return Proven(grant, found[1].encode())

    def _verifiers(
        self, record: LoginRecord | None, username: str
    ) -> list[tuple[PasswordCredential | None, Verifier]]:
        """The verifiers that the challenge fits, and false ones."""
        false = false_verifier(self._key, account_key(username))
        known: list[tuple[PasswordCredential | None, Verifier]] = [
            (credential, verifier)
            for credential in (record.credentials if record is not None else ())
            if credential.scram_verifier.startswith(CURRENT)
            and (verifier := read_verifier(credential.scram_verifier)).salt == false.salt
        ]
        return known + [(None, false)] * (-len(known) % ALIKE or (0 if known else ALIKE))


class VerifierKeeper:
    """Makes the verifier of a password that has none when it was used by PLAIN or LOGIN."""

    def __init__(self, directory: Accounts, key: bytes) -> None:
        self._directory = directory
        self._key = key

    async def keep(
        self,
        run: InThread,
        record: LoginRecord,
        credential: PasswordCredential,
        password: str,
    ) -> None:
        """Make and keep it if it is missing; `run` does so in a thread. Nothing depends on it: what
        fails is done at another login."""
        if credential.scram_verifier.startswith(CURRENT):
            return
        salt = salt_for(self._key, record.account.address.key)
        try:
            verifier = await run(lambda: make_verifier(password, salt))
            await self._directory.keep_verifier(record.account, credential.credential_id, verifier)
        except UnfitPassword:
            log.info("login.unfit_for_scram", account=record.account.address.address)
        except SpoolUnavailable as error:
            log.debug("login.verifier_not_kept", cause=error.cause)


def account_key(username: str) -> str:
    """The name by which the salt of an account follows: as the store has it."""
    try:
        return parse_mailbox(username.strip()).key
    except AddressError:
        return username[:_MAX_NAME].casefold()


def _server(verifier: Verifier, message: str, nonce: str) -> "ScramServer":
    """The state of an exchange whose first message was read. Raises ScramException."""
    # It takes 2 MiB of each worker, and most services have SCRAM switched off.
    from scramp import ScramMechanism

    keys = (verifier.salt, verifier.stored_key, verifier.server_key, verifier.iterations)
    server = ScramMechanism(MECHANISM).make_server(lambda _: keys, s_nonce=nonce)
    server.set_client_first(message)
    return server


def _challenge(verifier: Verifier, message: str, nonce: str) -> str | None:
    """The server's first message; None where the client's is not one."""
    from scramp import ScramException

    try:
        return str(_server(verifier, message, nonce).get_server_first())
    except ScramException:
        return None


def _signature(verifier: Verifier, proving: Proving, message: str) -> str | None:
    """What the server says to a proof that is right; None to one that is not."""
    from scramp import ScramException

    try:
        server = _server(verifier, proving.message, proving.nonce)
        server.get_server_first()
        server.set_client_final(message)
        return str(server.get_server_final())
    except ScramException:
        return None


def _cause(proving: Proving, found: tuple[PasswordCredential, str] | None, now: Timestamp) -> str:
    """Why a proof fails, for administrators; "" if it does not."""
    if proving.record is None:
        return "no such account, or it is switched off"
    if not any(credential is not None for credential, _ in proving.known):
        return "no password of the account has a verifier for SCRAM yet: log in once by PLAIN"
    if found is None:
        return "wrong password"
    expires_at = found[0].expires_at
    if expires_at is not None and expires_at <= now:
        return f"the password {found[0].label!r} has expired"
    return ""
