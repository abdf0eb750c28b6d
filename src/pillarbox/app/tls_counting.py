"""What a worker counts of TLS with mail hosts goes to the store, all of a minute at once."""

import asyncio
from dataclasses import dataclass

from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.errors import SpoolUnavailable
from pillarbox.observe.log import log
from pillarbox.store.tls_results import TlsResultStore

FLUSH_SECONDS = 60.0

ROWS_AT_ONCE = 500
"""In one transaction: mail waits for it."""


@dataclass(frozen=True, slots=True)
class TlsCounting:
    """The counts of one worker on their way to the store. A worker that is killed loses those of a
    minute."""

    counts: TlsCounts
    store: TlsResultStore

    async def run(self) -> None:
        """Write again and again until it is cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what was counted; what can not be written is kept for the next time."""
        counted = self.counts.take()
        while counted:
            some, counted = counted[:ROWS_AT_ONCE], counted[ROWS_AT_ONCE:]
            try:
                await self.store.add(some)
            except SpoolUnavailable as error:
                log.debug("tls_report.not_counted", cause=error.cause)
                self.counts.put_back(some + counted)
                return
