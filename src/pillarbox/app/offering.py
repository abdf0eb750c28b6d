"""Which logins are offered beside passwords: tokens, as soon as a tenant has an issuer. EHLO comes
before anybody knows the tenant, so what one of them needs is offered to all."""

import asyncio
from dataclasses import dataclass

from pillarbox.errors import SpoolUnavailable
from pillarbox.observe.log import log
from pillarbox.policy.issuer_keys import IssuerKeys
from pillarbox.reception.listener import Reception
from pillarbox.smtp.sasl_mechanisms import TOKEN_MECHANISMS
from pillarbox.store.directory import Directory

KEYS_SECONDS = 5.0
"""A new issuer is asked for its keys after this time; policy.issuer_keys bounds how often."""


@dataclass(frozen=True, slots=True)
class Offering:
    """Follows the directory for one worker."""

    directory: Directory
    keys: IssuerKeys
    reception: Reception

    async def look(self) -> None:
        """Offer what can work now. Raises SpoolUnavailable."""
        issuers = await self.directory.issuers()
        self.reception.offer(TOKEN_MECHANISMS if issuers else ())

    async def keep_keys(self) -> None:
        """Keep the keys of all issuers, until cancelled."""
        while True:
            try:
                await self.keys.renew_all((await self.directory.issuers()).values())
            except SpoolUnavailable as error:
                log.debug("issuers.not_read", cause=error.cause)
            await asyncio.sleep(KEYS_SECONDS)
