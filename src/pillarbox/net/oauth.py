"""Access tokens: asked for once, kept as long as they are good, renewed before they end.

Whoever wants a token asks with an Access; who asks for the same one at the same time waits for one
answer. Refresh tokens stand in the store: processes take turns at using one, and the next one is
durable before what came with it is used. A sign-in server that hangs holds up who waits for a token
of it, and nobody else.
"""

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from pillarbox.errors import ConfigError, SecretError, SpoolUnavailable
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.envelope import Timestamp
from pillarbox.net import oauth_issuers, oauth_microsoft
from pillarbox.net.oauth_errors import unavailable
from pillarbox.net.oauth_issuers import Issued
from pillarbox.net.tls import ClientContexts
from pillarbox.oauth.sign_in import Access, Grant
from pillarbox.observe import metrics
from pillarbox.observe.log import log

RENEW_SECONDS: Final = 600.0
"""A token is renewed so long before it ends: Microsoft's HVE refuses one that ends sooner."""

LAST_SECONDS: Final = 60.0
"""While the issuer gives no new one, an old token is used until so long before its end."""

NEW_SECONDS: Final = 60.0
"""A token that is refused when it is younger than this would be refused again."""

QUIET_SECONDS: Final = 15.0
"""After a refusal the issuer is left alone for so long: all connections of a lane want a token."""

LEASE_MS: Final = 120_000
"""Longer than all requests of one sign-in may take."""

_TURN_SECONDS: Final = 0.5
"""How often to ask whether another process is done with the refresh token."""

_THREADS = 16


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, with the monotonic times at which it came and at which it ends."""

    value: str = field(repr=False)
    got_at: float
    ends_at: float

    def is_fresh(self, now: float) -> bool:
        """Whether it needs no renewal yet. Of a short life the second half counts as its end."""
        return self.ends_at - now > min(RENEW_SECONDS, (self.ends_at - self.got_at) / 2)


Outcome: TypeAlias = AccessToken | Failure


class GrantStore(Protocol):
    """Where refresh tokens are kept: store.grants. All methods raise SpoolUnavailable."""

    async def lease(self, grant_id: int, *, owner: str, lease_ms: int) -> Grant | bool:
        """Take one to use it; True: somebody else has it; False: there is none."""
        ...

    async def save(self, used: Grant, refresh_token: str, *, owner: str, now: Timestamp) -> None:
        """Keep the one that came in place of `used`, and end the lease."""
        ...

    async def release(self, grant_id: int, *, owner: str) -> None:
        """End the lease: the token is what it was."""
        ...


class TokenSource:
    """One for each process. `owner` names it in leases; `monotonic` is in seconds."""

    def __init__(
        self,
        grants: GrantStore,
        contexts: ClientContexts,
        *,
        owner: str,
        monotonic: Callable[[], float],
        wall: Callable[[], Timestamp],
    ) -> None:
        self._grants = grants
        self._contexts = contexts
        self._owner = owner
        self._uses = itertools.count()
        self._monotonic = monotonic
        self._wall = wall
        self._held: dict[Access, AccessToken] = {}
        self._failed: dict[Access, tuple[float, Failure]] = {}
        self._flights: dict[Access, asyncio.Task[Outcome]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sign-in")

    async def get(self, access: Access) -> Outcome:
        """A token that can be used now, or why there is none. Raises SpoolUnavailable."""
        now = self._monotonic()
        held = self._held.get(access)
        if held is not None and held.is_fresh(now):
            return held
        until, failure = self._failed.get(access, (now, None))
        if failure is None or now >= until:
            outcome = await self._fly(access)
            if isinstance(outcome, AccessToken):
                return outcome
            failure = outcome
        if held is not None and held.ends_at - self._monotonic() > LAST_SECONDS:
            return held
        return failure

    async def renew(self, access: Access, refused: AccessToken) -> Outcome | None:
        """Another token in place of one that a server refused; None where another one would fare
        no better. Raises SpoolUnavailable."""
        held = self._held.get(access)
        if held is not None and held.value != refused.value:
            return held
        if self._monotonic() - refused.got_at < NEW_SECONDS:
            return None
        self._held.pop(access, None)
        return await self.get(access)

    async def close(self) -> None:
        """Let sign-ins under way come to their end: a refresh token may hang on it."""
        while self._flights:
            await asyncio.wait(self._flights.values())
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _fly(self, access: Access) -> Outcome:
        """Ask the issuer, or wait with others who ask. Whoever gives up waiting does not stop it:
        the issuer may have taken back the old refresh token already."""
        flight = self._flights.get(access)
        if flight is None:
            flight = self._flights[access] = asyncio.create_task(self._fetch(access))
            flight.add_done_callback(lambda _: self._flights.pop(access))
        return await asyncio.shield(flight)

    async def _fetch(self, access: Access) -> Outcome:
        sign_in = access.sign_in
        issued = await self._ask(access)
        now = self._monotonic()
        if isinstance(issued, Failure):
            self._failed[access] = now + QUIET_SECONDS, issued
            metrics.SIGN_INS_FAILED.inc()
            log.warning(
                "oauth.no_token",
                issuer=sign_in.issuer,
                client_id=sign_in.client_id,
                failure=issued.kind.name,
                detail=issued.detail,
            )
            return issued
        self._failed.pop(access, None)
        self._forget_old(now)
        token = AccessToken(issued.access_token, now, now + issued.lifetime_seconds)
        self._held[access] = token
        metrics.SIGN_INS.inc()
        log.info(
            "oauth.token_got",
            issuer=sign_in.issuer,
            client_id=sign_in.client_id,
            seconds=issued.lifetime_seconds,
        )
        return token

    def _forget_old(self, now: float) -> None:
        """Routes change, and with them what their tokens are asked with."""
        for access in [one for one, token in self._held.items() if token.ends_at <= now]:
            del self._held[access]
        for access in [one for one, (until, _) in self._failed.items() if until <= now]:
            del self._failed[access]

    async def _ask(self, access: Access) -> Issued | Failure:
        if not access.sign_in.flow.is_for_a_person:
            return await self._request(access, "")
        owner = f"{self._owner} {next(self._uses)}"
        try:
            grant = await self._lease(access, owner)
        except SecretError as error:
            return Failure(FailureKind.SIGN_IN_AGAIN, str(error))
        if isinstance(grant, Failure):
            return grant
        issued = await self._request(access, grant.refresh_token)
        if isinstance(issued, Failure):
            await self._grants.release(grant.grant_id, owner=owner)
        else:
            await self._save(grant, issued.refresh_token or grant.refresh_token, owner)
        return issued

    async def _lease(self, access: Access, owner: str) -> Grant | Failure:
        """Take the refresh token, when it is our turn."""
        grant_id, issuer = access.sign_in.grant_id, access.sign_in.issuer
        give_up_at = self._monotonic() + 1.5 * LEASE_MS / 1000
        while self._monotonic() < give_up_at:
            grant = await self._grants.lease(grant_id, owner=owner, lease_ms=LEASE_MS)
            if isinstance(grant, Grant):
                return grant
            if not grant:
                return Failure(FailureKind.SIGN_IN_AGAIN, f"{issuer}: nobody has signed in")
            await asyncio.sleep(_TURN_SECONDS)
        return unavailable(issuer, "another process is signing in")

    async def _save(self, used: Grant, refresh_token: str, owner: str) -> None:
        """Make the newest refresh token durable, however long the store is away: the one before
        it may be worth nothing any more."""
        while True:
            try:
                await self._grants.save(used, refresh_token, owner=owner, now=self._wall())
            except SpoolUnavailable as error:
                log.warning("oauth.grant_not_saved", cause=error.cause)
                await asyncio.sleep(_TURN_SECONDS)
            else:
                return

    async def _request(self, access: Access, refresh_token: str) -> Issued | Failure:
        sign_in = access.sign_in
        try:
            context = self._contexts.get(verify=True, ca_file=sign_in.ca_file, for_web=True)
        except ConfigError as exc:
            return Failure(FailureKind.CA_FILE_UNUSABLE, exc.problems[0].text)
        if sign_in.is_microsoft:
            return await oauth_microsoft.ask(
                access, refresh_token, context=context, threads=self._threads
            )
        return await oauth_issuers.ask(access, refresh_token, context=context)
