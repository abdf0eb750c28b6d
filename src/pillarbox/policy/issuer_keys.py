"""The public keys of issuers: found by OpenID Connect Discovery, kept, and renewed.

An issuer is asked at most once a minute, whatever tokens say, within ten seconds, by one task;
who waits for it meanwhile is one session, and only so many. Keys that are known keep working for
a day after the issuer was last heard of. `renew_all` keeps them fresh beside the mail, so that
usually no login waits at all.

RFC 8414 section 3 and OpenID Connect Discovery 1.0 section 4 (where the document is), RFC 7517
(JWK sets).
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from pillarbox.errors import FetchError
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.store.records import Issuer

RETRY_SECONDS = 60.0
"""An issuer is asked at most this often."""

FRESH_SECONDS = 3600.0
"""Keys that are older are fetched again."""

USABLE_SECONDS = 86_400.0
"""Keys that could not be fetched again work for so long: issuers publish new ones days before
they use them, and withdraw old ones seldom."""

FETCH_SECONDS = 10.0
"""For both documents, with the look-up of names."""

MOST_ISSUERS = 1000
MOST_KEYS = 100
MOST_WAITING = 100
"""Logins that wait for one issuer."""

AT_ONCE = 4
"""Issuers that are asked at the same time by `renew_all`."""

_MAX_KID = 256
_PUBLIC = ("kty", "n", "e", "crv", "x", "y", "alg")
"""What is read of a key; its private part, should one be there, is not."""
_MODULUS_CHARACTERS = range(342, 1368)
"""Of the modulus in base64: 2048 to 8192 bits. Shorter ones are weak, longer ones slow."""

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey
"""Never a shared secret: what is published can not be one."""


class IssuerAway(Exception):
    """The keys of an issuer can not be had now; the text is the cause."""


class Fetch(Protocol):
    """What is asked of net.issuer_documents."""

    async def fetch(
        self, url: str, *, ca_file: str = "", is_named: bool = False
    ) -> Mapping[str, Any]:
        """A JSON object. Raises FetchError."""
        ...


@dataclass(slots=True)
class _Known:
    """What is known of one issuer. Times are those of the clock's `seconds`."""

    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    fetched_at: float | None = None
    tried_at: float | None = None
    failure: str = ""
    running: "asyncio.Future[None] | None" = None
    waiting: int = 0


class IssuerKeys:
    """The keys of all issuers of one process."""

    def __init__(self, fetcher: Fetch, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def find(self, issuer: Issuer, kid: str | None) -> PublicKey | None:
        """The key of this id, or the only key where none is given; None if the issuer has none
        such. A key that is not known lets the issuer be asked. Raises IssuerAway."""
        known = self._entry(issuer)
        if self._is_usable(known):
            found = _choose(known.keys, kid)
            if found is not None or kid is None:
                return found
        if self._may_ask(known):
            await self._ask(issuer, known)
        if not self._is_usable(known):
            raise IssuerAway(known.failure or "it has not answered yet")
        return _choose(known.keys, kid)

    async def renew_all(self, issuers: Iterable[Issuer]) -> None:
        """Ask the issuers whose keys are not known or no longer fresh; one that hangs holds up
        nobody."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def renew(issuer: Issuer) -> None:
            known = self._entry(issuer)
            async with turns:
                if not self._is_fresh(known) and self._may_ask(known):
                    with contextlib.suppress(IssuerAway):
                        await self._ask(issuer, known)

        async with asyncio.TaskGroup() as tasks:
            for issuer in {(each.url, each.ca_file): each for each in issuers}.values():
                tasks.create_task(renew(issuer))

    def _entry(self, issuer: Issuer) -> _Known:
        name = (issuer.url, issuer.ca_file)
        known = self._known.setdefault(name, _Known())
        self._known.move_to_end(name)
        if len(self._known) > MOST_ISSUERS:
            self._known.popitem(last=False)
        return known

    def _is_usable(self, known: _Known) -> bool:
        return self._age(known.fetched_at) <= USABLE_SECONDS

    def _is_fresh(self, known: _Known) -> bool:
        return self._age(known.fetched_at) <= FRESH_SECONDS

    def _may_ask(self, known: _Known) -> bool:
        return known.running is not None or self._age(known.tried_at) >= RETRY_SECONDS

    def _age(self, moment: float | None) -> float:
        return float("inf") if moment is None else self._clock.seconds() - moment

    async def _ask(self, issuer: Issuer, known: _Known) -> None:
        """Fetch the keys, or wait for who does."""
        if known.running is not None:
            if known.waiting >= MOST_WAITING:
                raise IssuerAway("too many logins wait for its answer")
            known.waiting += 1
            try:
                await asyncio.shield(known.running)
            finally:
                known.waiting -= 1
            return
        known.running = asyncio.get_running_loop().create_future()
        known.tried_at = self._clock.seconds()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                known.keys = await fetch_keys(self._fetcher, issuer)
            known.fetched_at = self._clock.seconds()
            known.failure = ""
        except TimeoutError:
            known.failure = f"it did not answer within {FETCH_SECONDS:.0f} seconds"
        except FetchError as error:
            known.failure = str(error)
        finally:
            known.running.set_result(None)
            known.running = None
        if known.failure:
            log.warning("issuer.away", issuer=issuer.url, cause=known.failure)


async def fetch_keys(fetcher: Fetch, issuer: Issuer) -> Mapping[str, PublicKey]:
    """The keys of an issuer as it publishes them now, by their ids. Raises FetchError."""
    # OpenID Connect Discovery 4.1: "any terminating / MUST be removed before appending".
    where = f"{issuer.url.removesuffix('/')}/.well-known/openid-configuration"
    document = await fetcher.fetch(where, ca_file=issuer.ca_file, is_named=True)
    if document.get("issuer") != issuer.url:
        # RFC 8414 3.3: "If these values are not identical, the data contained in the response
        # MUST NOT be used."
        raise FetchError("the issuer calls itself otherwise: spell it as its own document does")
    place = document.get("jwks_uri")
    if not isinstance(place, str):
        raise FetchError("the issuer's document has no jwks_uri")
    is_named = _host(place) == _host(issuer.url)
    keys = _read_keys(await fetcher.fetch(place, ca_file=issuer.ca_file, is_named=is_named))
    if not keys:
        raise FetchError("the issuer publishes no key that can be used")
    return keys


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _read_keys(document: Mapping[str, Any]) -> Mapping[str, PublicKey]:
    """The public keys of a JWK set that are for signatures. Others are left out (RFC 7517 5)."""
    keys: dict[str, PublicKey] = {}
    entries = document.get("keys")
    for entry in entries[:MOST_KEYS] if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        kid = entry.get("kid", "")
        if not isinstance(kid, str) or len(kid) > _MAX_KID:
            continue
        key = _read_key(entry)
        if key is not None:
            keys[kid] = key
    return keys


def _read_key(entry: Mapping[str, Any]) -> PublicKey | None:
    wanted = {name: entry[name] for name in _PUBLIC if name in entry}
    if not all(isinstance(value, str) for value in wanted.values()):
        return None
    if wanted.get("kty") == "RSA" and len(wanted.get("n", "")) not in _MODULUS_CHARACTERS:
        return None
    try:
        key = JWKRegistry.import_key(wanted)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


def _choose(keys: Mapping[str, PublicKey], kid: str | None) -> PublicKey | None:
    if kid is not None:
        return keys.get(kid)
    return next(iter(keys.values())) if len(keys) == 1 else None
