"""DKIM keys follow the DNS: a new one signs once its record is there, an old one is forgotten."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.errors import DnsFailure, SpoolUnavailable
from pillarbox.net.dns import TextSource
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.publish.dns_records import InDns, compare_dkim
from pillarbox.store.admin.dkim_keys import DkimKeyInfo, activate_key, list_keys, remove_key
from pillarbox.store.database import Database

LOOK_SECONDS = 300.0
"""How often DNS is asked for the records of new keys."""

RETIRED_MS = 7 * 86_400_000
"""Mail is delivered, forwarded and looked at again for days after it was signed."""


@dataclass(slots=True)
class KeyWatch:
    """The watch of one process over its database. `make_resolver` raises DnsFailure where the
    machine has no DNS server."""

    database: Database
    make_resolver: Callable[[], TextSource]
    clock: Clock
    _resolver: TextSource | None = None

    async def run(self) -> None:
        """Look again and again until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """One look at all keys."""
        try:
            for key in await self.database.read(list_keys):
                if key.state == "new":
                    await self._activate_if_published(key)
                elif key.retired_at is not None:
                    await self._forget_if_old(key, key.retired_at)
        except SpoolUnavailable as error:
            log.debug("dkim.not_looked", cause=error.cause)

    async def _activate_if_published(self, key: DkimKeyInfo) -> None:
        try:
            resolver = self._resolver = self._resolver or self.make_resolver()
            found = compare_dkim(await resolver.txt(key.name), key.record)
        except DnsFailure as error:
            log.debug("dkim.not_looked_up", name=key.name, cause=str(error))
            return
        if found is InDns.RIGHT:
            now = self.clock.timestamp()
            await self.database.write(lambda c: activate_key(c, key, now=now))
            log.info("dkim.activated", domain=key.domain, selector=key.selector)

    async def _forget_if_old(self, key: DkimKeyInfo, retired_at: int) -> None:
        if self.clock.timestamp() - retired_at < RETIRED_MS:
            return
        await self.database.write(lambda c: remove_key(c, key))
        log.info("dkim.forgotten", domain=key.domain, selector=key.selector, record=key.name)
