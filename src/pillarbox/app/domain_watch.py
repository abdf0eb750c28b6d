"""Domains that tenants claim become theirs once the DNS has the record that proves it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.errors import DirectoryError, DnsFailure, SpoolUnavailable
from pillarbox.net.dns import TextSource
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.publish.dns_records import is_proved, ownership_record
from pillarbox.store.admin.domain_claims import (
    DomainClaim,
    list_claims,
    prove_claim,
    withdraw_claim,
)
from pillarbox.store.database import Database

LOOK_SECONDS = 300.0
"""How often DNS is asked for the records of claims."""

CLAIM_MS = 30 * 86_400_000
"""A claim that was not proved in this time is forgotten: nobody asks the DNS for ever."""


@dataclass(slots=True)
class DomainWatch:
    """The watch of one process over its database. `make_resolver` raises DnsFailure where the
    machine has no DNS server."""

    database: Database
    make_resolver: Callable[[], TextSource]
    clock: Clock
    _resolver: TextSource | None = None
    _contested: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Look again and again until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """One look at all claims."""
        try:
            claims = await self.database.read(list_claims)
            self._contested &= {claim.claim_id for claim in claims}
            for claim in claims:
                if await self._is_in_dns(claim):
                    await self._prove(claim)
                elif self.clock.timestamp() - claim.created_at >= CLAIM_MS:
                    await self._forget(claim)
        except SpoolUnavailable as error:
            log.debug("domain.not_looked", cause=error.cause)

    async def _is_in_dns(self, claim: DomainClaim) -> bool:
        name, _ = ownership_record(claim.name, claim.token)
        try:
            resolver = self._resolver = self._resolver or self.make_resolver()
            return is_proved(await resolver.txt(name), claim.token)
        except DnsFailure as error:
            log.debug("domain.not_looked_up", name=name, cause=str(error))
            return False

    async def _prove(self, claim: DomainClaim) -> None:
        now = self.clock.timestamp()
        try:
            await self.database.write(lambda c: prove_claim(c, claim, now=now))
        except DirectoryError as error:
            if claim.claim_id not in self._contested:
                self._contested.add(claim.claim_id)
                log.warning(
                    "domain.proved_by_another",
                    domain=claim.name,
                    tenant=claim.tenant,
                    cause=str(error),
                )
            return
        log.info("domain.proved", domain=claim.name, tenant=claim.tenant)

    async def _forget(self, claim: DomainClaim) -> None:
        if await self.database.write(lambda c: withdraw_claim(c, claim)):
            log.info("domain.claim_forgotten", domain=claim.name, tenant=claim.tenant)
