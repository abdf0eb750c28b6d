"""Who is it? Credentials become an account, or a refusal that gives nothing away.

Unknown user, wrong password, expired or switched off: the client reads the same words after the
same work, one Argon2 hash. Only where the answer is known already no hash is made: a login that
was right a moment ago, and a password that was wrong a moment ago. Both are remembered under a
keyed hash with a key of this process, and both are void as soon as anything in the directory
changes. How many guesses come as far as a hash is limited (policy.login_limits); whoever knows the
right password is not held up by the guesses of others.
"""

import asyncio
import contextlib
import hashlib
import math
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeAlias

from pillarbox.errors import AddressError, SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.login_limits import Buckets, LoginLimits, Try
from pillarbox.policy.source import source_of
from pillarbox.processors import use_any
from pillarbox.smtp.events import Credentials
from pillarbox.store.records import (
    Account,
    LoginRecord,
    PasswordCredential,
    SubjectCredential,
)

REMEMBERED = 10_000
"""Logins of each kind that are remembered."""

HASH_THREADS = 2
"""Hashes at the same time: each takes a processor and the memory of one Argon2."""

WAITING_HASHES = 256
"""More logins than this do not wait for a hash: they are told to come later."""

HASH_NICENESS = 10
"""Mail goes first: many logins at once take the time that is left."""

ALARM_SECONDS = 300.0
"""A source that guesses is reported in the log at most this often."""

_KEY_OCTETS = 32
_MAX_NAME = 320


@dataclass(frozen=True, slots=True)
class Grant:
    """A login that was right, good for one generation of the directory and until it expires."""

    account: Account
    generation: int
    expires_at: Timestamp | None


Verdict: TypeAlias = Grant | Denial

Known: TypeAlias = tuple[PasswordCredential | SubjectCredential, ...]
"""All by which an account can log in."""


class Logins(Protocol):
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


Matcher: TypeAlias = Callable[[Sequence[str], str], int | None]
"""Finds which of some hashes a password belongs to, at the price of one hash (also for no hashes
at all): its position, or None."""


InThread: TypeAlias = Callable[[Callable[[], str]], Awaitable[str]]
"""Runs what takes long in a thread for passwords."""


class Keeper(Protocol):
    """What makes further use of a password that was right (policy.scram_logins)."""

    async def keep(
        self, run: InThread, record: LoginRecord, credential: PasswordCredential, password: str
    ) -> None:
        """Keep what another mechanism needs of it."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    """A login whose result is known; without a grant it is known to be wrong."""

    generation: int
    until: float
    grant: Grant | None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Credentials in the forms in which they are counted and remembered."""

    account: str
    source: str
    digest: bytes
    credentials: Credentials


class Authenticator:
    """Checks logins for one process. Ask `recall` first: it answers at once or not at all."""

    def __init__(
        self,
        directory: Logins,
        limits: LoginLimits,
        *,
        matcher: Matcher,
        cache_seconds: float,
        clock: Clock,
        keeper: Keeper | None = None,
    ) -> None:
        self._keeper = keeper
        self._directory = directory
        self._limits = limits
        self._match = matcher
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._key = secrets.token_bytes(_KEY_OCTETS)
        self._results: OrderedDict[bytes, _Known] = OrderedDict()
        self._once_right: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[Verdict]] = {}
        self._waiting = 0
        self._alarms = Buckets(1.0, ALARM_SECONDS, REMEMBERED)
        self._threads = ThreadPoolExecutor(HASH_THREADS, "password", initializer=_step_back)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def recall(self, credentials: Credentials, address: str) -> Verdict | None:
        """The answer if it is known without a look into the directory."""
        attempt = self._attempt(credentials, address)
        known = self._known(attempt.digest)
        if known is None:
            return None
        if known.grant is not None:
            metrics.LOGINS_OK.inc()
            return known.grant
        wait = self._limits.repeat(attempt.source, self._clock.seconds())
        if wait > 0:
            return self._too_many(attempt, wait)
        return _failed("the same wrong password as before")

    async def check(self, credentials: Credentials, address: str) -> Verdict:
        """Check a login that `recall` did not know."""
        attempt = self._attempt(credentials, address)
        running = self._running.get(attempt.digest)
        if running is not None:
            # Many connections of one client begin at once: one hash is enough for all of them.
            return await asyncio.shield(running)
        tried: Try | None = None
        if attempt.digest not in self._once_right:
            begun = self._limits.begin(attempt.source, attempt.account, self._clock.seconds())
            if not isinstance(begun, Try):
                return self._too_many(attempt, begun)
            tried = begun
        if self._waiting >= WAITING_HASHES:
            self._give_back(tried)
            return _unavailable("too many logins wait for their hash")
        running = asyncio.get_running_loop().create_future()
        self._running[attempt.digest] = running
        self._waiting += 1
        verdict: Verdict = _unavailable("the check was interrupted")
        try:
            verdict = await self._decide(attempt, tried)
        finally:
            self._waiting -= 1
            del self._running[attempt.digest]
            running.set_result(verdict)
        return verdict

    def is_current(self, grant: Grant) -> bool:
        """Whether the grant still holds for sure; if not, `renew` it."""
        if grant.generation != self._directory.generation:
            return False
        return grant.expires_at is None or grant.expires_at > self._clock.timestamp()

    async def renew(self, grant: Grant) -> Verdict:
        """Look whether account and credential of an open session are still good."""
        generation = self._directory.generation
        try:
            record = await self._directory.login(grant.account.address.address)
        except SpoolUnavailable as error:
            return Denial(Refusal.SPOOL_AWAY, f"the directory did not answer: {error.cause}")
        now = self._clock.timestamp()
        if record is not None:
            known: Known = (*record.credentials, *record.subjects)
            for credential in known:
                renewed = grant_of(record, credential, generation)
                is_same = credential.credential_id == grant.account.credential_id
                if is_same and (renewed.expires_at is None or renewed.expires_at > now):
                    return renewed
        return Denial(Refusal.ACCOUNT_OFF, "account or credential were switched off or expired")

    def count_failure(self, username: str, address: str, denial: Denial) -> Denial:
        """Count a login that failed by other means than a password; the denial, or that it was one
        too many."""
        tried = self.begin_try(username, address)
        if isinstance(tried, Denial):
            return tried
        metrics.LOGINS_FAILED.inc()
        return denial

    def begin_try(self, username: str, address: str) -> Try | Denial:
        """Charge a try by other means than a password that was sent."""
        attempt = self._attempt(Credentials("", username, ""), address)
        begun = self._limits.begin(attempt.source, attempt.account, self._clock.seconds())
        return begun if isinstance(begun, Try) else self._too_many(attempt, begun)

    def succeeded(self, tried: Try) -> None:
        """Such a try was right."""
        self._limits.succeeded(tried, self._clock.seconds())

    async def _decide(self, attempt: _Attempt, tried: Try | None) -> Verdict:
        generation = self._directory.generation
        try:
            record = await self._directory.login(attempt.credentials.username)
        except SpoolUnavailable as error:
            self._give_back(tried)
            return _unavailable(f"the directory did not answer: {error.cause}")
        credentials = record.credentials if record is not None else ()
        hashes = [credential.password_hash for credential in credentials]
        metrics.PASSWORD_HASHES.inc()
        position = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._match, hashes, attempt.credentials.password
        )
        now = self._clock.timestamp()
        cause = _cause(record, position, now)
        if cause or record is None or position is None:
            self._remember(attempt.digest, generation, None)
            self._once_right.pop(attempt.digest, None)
            return _failed(cause)
        grant = grant_of(record, credentials[position], generation)
        self._succeeded(attempt, tried)
        self._remember(attempt.digest, generation, grant)
        self._directory.touch(credentials[position].credential_id, now)
        metrics.LOGINS_OK.inc()
        if self._keeper is not None:
            run = partial(asyncio.get_running_loop().run_in_executor, self._threads)
            password = attempt.credentials.password
            await self._keeper.keep(run, record, credentials[position], password)
        return grant

    def _attempt(self, credentials: Credentials, address: str) -> _Attempt:
        try:
            account = parse_mailbox(credentials.username).key
        except AddressError:
            account = credentials.username[:_MAX_NAME].casefold()
        secret = f"{account}\x00{credentials.password}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(secret, digest_size=_KEY_OCTETS, key=self._key).digest()
        return _Attempt(account, source_of(address), digest, credentials)

    def _known(self, digest: bytes) -> _Known | None:
        known = self._results.get(digest)
        if known is None or known.generation != self._directory.generation:
            return None
        if known.until < self._clock.seconds():
            return None
        if known.grant is not None and not self.is_current(known.grant):
            return None
        return known

    def _remember(self, digest: bytes, generation: int, grant: Grant | None) -> None:
        until = self._clock.seconds() + self._cache_seconds
        self._results[digest] = _Known(generation, until, grant)
        self._results.move_to_end(digest)
        if len(self._results) > REMEMBERED:
            self._results.popitem(last=False)

    def _succeeded(self, attempt: _Attempt, tried: Try | None) -> None:
        if tried is not None:
            self._limits.succeeded(tried, self._clock.seconds())
        self._once_right[attempt.digest] = None
        self._once_right.move_to_end(attempt.digest)
        if len(self._once_right) > REMEMBERED:
            self._once_right.popitem(last=False)

    def _too_many(self, attempt: _Attempt, wait_seconds: float) -> Denial:
        metrics.LOGINS_FAILED.inc()
        if self._alarms.wait_seconds(attempt.source, self._clock.seconds()) == 0:
            self._alarms.add(attempt.source, self._clock.seconds())
            metrics.GUESSERS.inc()
            log.warning("login.too_many_failures", source=attempt.source, login=attempt.account)
        minutes = max(1, math.ceil(wait_seconds / 60))
        return Denial(Refusal.TOO_MANY_FAILURES, "too many wrong logins", {"minutes": minutes})

    def _give_back(self, tried: Try | None) -> None:
        if tried is not None:
            self._limits.give_back(tried, self._clock.seconds())


def _step_back() -> None:
    """Let this thread compute where and when nobody else wants to (on Linux each thread has a
    priority of its own)."""
    use_any()
    own = threading.get_native_id()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + HASH_NICENESS)


def grant_of(
    record: LoginRecord, credential: PasswordCredential | SubjectCredential, generation: int
) -> Grant:
    """What a credential that was right grants."""
    account = replace(record.account, credential_id=credential.credential_id)
    return Grant(account, generation, credential.expires_at)


def _cause(record: LoginRecord | None, position: int | None, now: Timestamp) -> str:
    """Why a login fails, for administrators; "" if it does not."""
    if record is None:
        return "no such account, or it is switched off"
    if not record.credentials:
        return "the account has no password"
    if position is None:
        return "wrong password"
    credential = record.credentials[position]
    if credential.expires_at is not None and credential.expires_at <= now:
        return f"the password {credential.label!r} has expired"
    return ""


def _failed(cause: str) -> Denial:
    metrics.LOGINS_FAILED.inc()
    return Denial(Refusal.LOGIN_FAILED, cause)


def _unavailable(cause: str) -> Denial:
    metrics.LOGINS_UNAVAILABLE.inc()
    return Denial(Refusal.LOGIN_UNAVAILABLE, cause)
