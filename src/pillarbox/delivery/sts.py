"""The MTA-STS policy of a domain: asked for, fetched, remembered (RFC 8461).

A policy that is known holds until its time is over, whatever becomes of the DNS or of the web
server that published it: who can break those must not be able to switch it off (section 5.1).
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.errors import DnsFailure
from pillarbox.mail.envelope import Timestamp
from pillarbox.mta_sts import StsPolicy, parse_policy, policy_id
from pillarbox.net.dns import DnsResolver
from pillarbox.net.fetch import FetchError
from pillarbox.net.mta_sts import fetch_policy
from pillarbox.net.reach import Reach
from pillarbox.observe.log import log
from pillarbox.store.mta_sts import KeptPolicy
from pillarbox.tlsrpt.results import Policy, PolicyType, ResultType, TlsResult

FETCH_AGAIN_SECONDS = 300.0
"""After a fetch that failed; RFC 8461 section 3.3: "at least five minutes"."""

REFRESH_MS = 86_400_000
"""A policy that did not change is fetched again once a day, so that it does not end."""

LOOK_AGAIN_MS = 300_000
"""So long it is believed that there is none in the store: another worker may fetch one."""

LEAST_SECONDS = 600
"""A policy holds at least so long: one that ends sooner would be fetched and written for each
session. RFC 8461 section 3.2 expects "weeks or greater"."""

_REMEMBERED = 10_000
_REMEMBERED_OCTETS = 8_000_000
"""Of names in policies; anybody may publish large ones."""

_NAME_OCTETS = 64
"""What Python takes for each, beside its letters."""

T = TypeVar("T")


class StsStore(Protocol):
    """Where policies are kept (store.mta_sts). Both raise SpoolUnavailable."""

    async def load(self, domain: str, *, now: Timestamp) -> KeptPolicy | None:
        """The policy of a domain that still holds."""

    async def save(self, domain: str, kept: KeptPolicy) -> None:
        """Keep a policy."""


@dataclass(frozen=True, slots=True)
class StsMeans:
    """What it works with. `reach` is how web servers are reached, by the file of further roots;
    `counts` gets to know of policies that could not be had."""

    store: StsStore
    resolver: Callable[[], DnsResolver]
    reach: Callable[[str], Reach]
    wall: Callable[[], Timestamp]
    monotonic: Callable[[], float]
    counts: TlsCounts | None = None


class StsSource:
    """One for each worker."""

    def __init__(self, means: StsMeans) -> None:
        self._means = means
        self._known: dict[str, KeptPolicy] = {}
        self._octets = 0
        """Of all that was put into `_known`, also what was replaced."""
        self._none_since: dict[str, Timestamp] = {}
        self._not_before: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def policy(self, domain: str, ca_file: str = "") -> StsPolicy | None:
        """The policy that holds for a domain now. Raises SpoolUnavailable: then nobody knows."""
        try:
            found = policy_id(await self._means.resolver().txt(f"_mta-sts.{domain}"))
        except DnsFailure:
            found = None
        kept = await self._kept(domain)
        if found is not None and not self._is_fresh(kept, found):
            kept = await self._renew(domain, found, ca_file)
        return None if kept is None else kept.policy

    def _is_fresh(self, kept: KeptPolicy | None, found: str) -> bool:
        if kept is None or kept.policy_id != found:
            return False
        age = self._means.wall() - kept.fetched_at
        return 0 <= age < min(REFRESH_MS, kept.policy.max_age * 500)

    async def _kept(self, domain: str) -> KeptPolicy | None:
        now = self._means.wall()
        kept = self._known.get(domain)
        if kept is not None and kept.expires_at > now:
            return kept
        if 0 <= now - self._none_since.get(domain, now - LOOK_AGAIN_MS) < LOOK_AGAIN_MS:
            return None
        kept = await self._means.store.load(domain, now=now)
        if kept is None:
            self._known.pop(domain, None)
            _remember(self._none_since, domain, now)
        else:
            self._know(domain, kept)
        return kept

    def _know(self, domain: str, kept: KeptPolicy) -> None:
        octets = sum(len(name) + _NAME_OCTETS for name in kept.policy.mx)
        if self._octets + octets > _REMEMBERED_OCTETS:
            self._known.clear()
            self._octets = 0
        self._octets += octets
        _remember(self._known, domain, kept)

    async def _renew(self, domain: str, found: str, ca_file: str) -> KeptPolicy | None:
        """Fetch the policy, once for all who want it now; the known one where that fails."""
        lock = self._locks.setdefault(domain, asyncio.Lock())
        try:
            async with lock:
                kept = await self._kept(domain)
                waits = self._means.monotonic() < self._not_before.get(domain, 0.0)
                if waits or self._is_fresh(kept, found):
                    return kept
                return await self._fetch(domain, found, ca_file) or kept
        finally:
            if not lock.locked():
                self._locks.pop(domain, None)

    async def _fetch(self, domain: str, found: str, ca_file: str) -> KeptPolicy | None:
        means = self._means
        fetched_at = means.wall()
        try:
            policy = await _download(domain, means.reach(ca_file))
        except FetchError as exc:
            log.info("mta_sts.fetch_failed", domain=domain, cause=str(exc))
            _remember(self._not_before, domain, means.monotonic() + FETCH_AGAIN_SECONDS)
            if means.counts is not None:
                day, kind = means.counts.today, Policy(PolicyType.STS)
                means.counts.add(TlsResult(day, domain, kind, failure=_result_of(exc)))
            return None
        held = replace(policy, max_age=max(policy.max_age, LEAST_SECONDS))
        kept = KeptPolicy(found, held, fetched_at)
        await means.store.save(domain, kept)
        self._know(domain, kept)
        log.info("mta_sts.policy", domain=domain, policy_id=found, mode=policy.mode.value)
        return kept


def _remember(found: dict[str, T], domain: str, value: T) -> None:
    if len(found) >= _REMEMBERED:
        found.clear()
    found[domain] = value


def _result_of(error: FetchError) -> ResultType:
    """RFC 8460 section 4.3.2.2."""
    match error.__cause__:
        case ssl.SSLCertVerificationError():
            return ResultType.STS_WEBPKI_INVALID
        case ValueError():
            return ResultType.STS_INVALID
        case _:
            return ResultType.STS_FETCH_ERROR


async def _download(domain: str, reach: Reach) -> StsPolicy:
    """The policy that a domain publishes. Raises FetchError."""
    text = await fetch_policy(domain, reach)
    try:
        return parse_policy(text)
    except ValueError as exc:
        raise FetchError(f"it is no valid policy: {exc}") from exc
