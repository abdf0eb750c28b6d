"""Which logins are offered beside passwords that are sent.

EHLO comes before anybody knows the account or its tenant, so what one needs is offered to all:
tokens as soon as a tenant has an issuer; SCRAM only when every password has a verifier, since many
clients choose it by themselves and do not fall back to another when it fails.
"""

import asyncio
from dataclasses import dataclass, field

from pillarbox.errors import SpoolUnavailable
from pillarbox.observe.log import log
from pillarbox.policy.clock import timestamp
from pillarbox.policy.issuer_keys import IssuerKeys
from pillarbox.reception.listener import Reception
from pillarbox.smtp.sasl_mechanisms import SCRAM_MECHANISMS, TOKEN_MECHANISMS
from pillarbox.store.directory import Directory

KEYS_SECONDS = 5.0
"""A new issuer is asked for its keys after this time; policy.issuer_keys bounds how often."""


@dataclass(slots=True)
class Offering:
    """Follows the directory for one worker."""

    directory: Directory
    keys: IssuerKeys
    reception: Reception
    with_scram: bool = field(default=False, kw_only=True)
    _scram_since: int | None = field(default=None, init=False)
    """The generation of the directory in which SCRAM was found to work for all."""

    async def look(self) -> None:
        """Offer what can work now. Raises SpoolUnavailable."""
        issuers = await self.directory.issuers()
        tokens = TOKEN_MECHANISMS if issuers else ()
        scram = SCRAM_MECHANISMS if self.with_scram and await self._scram_works() else ()
        self.reception.offer((*tokens, *scram))

    async def _scram_works(self) -> bool:
        generation = self.directory.generation
        if self._scram_since == generation:
            return True
        if await self.directory.lacks_verifiers(timestamp()):
            self._scram_since = None
            return False
        if self._scram_since is None:
            # Other workers made verifiers that stand in no account in memory here.
            self.directory.forget_logins()
        self._scram_since = generation
        return True

    async def keep_keys(self) -> None:
        """Keep the keys of all issuers, until cancelled."""
        while True:
            try:
                await self.keys.renew_all((await self.directory.issuers()).values())
            except SpoolUnavailable as error:
                log.debug("issuers.not_read", cause=error.cause)
            await asyncio.sleep(KEYS_SECONDS)
