"""Looks at the service once a day, as `doctor --self` does, and logs what is new. One worker of a
machine does it; what was found stands in the store, so nothing is told twice after a restart."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.envelope import Timestamp
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.store.database import Database
from pillarbox.store.self_looks import KnownFinding, SelfLook, last_look, record_look

FIRST_SECONDS = 600.0
"""After a start there is other work."""
LOOK_SECONDS = 1800.0
DAY_MS = 86_400_000

SEVERITIES = ("fail", "warn")
"""What is told; things worth knowing are for those who ask."""


@dataclass(frozen=True, slots=True)
class SelfWatch:
    """The loop; it runs until it is cancelled. `look_at_service` makes one look, at the
    moment that it is given."""

    database: Database
    clock: Clock
    node: str
    look_at_service: Callable[[Timestamp], Awaitable[SelfLook]]

    async def run(self) -> None:
        """Look once a day, restarts included."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            await self.look_if_due()
            await asyncio.sleep(LOOK_SECONDS)

    async def look_if_due(self) -> None:
        """A look, where the last one was a day ago."""
        try:
            before = await self.database.read(lambda c: last_look(c, self.node))
            now = self.clock.timestamp()
            # A clock that was set back must not keep it from looking.
            if not 0 <= now - before.looked_at < DAY_MS:
                await self._look(before)
        except SpoolUnavailable as error:
            log.debug("doctor.not_looked", cause=error.cause)
        except Exception as error:  # noqa: BLE001 - mail must not suffer from a look at it
            log.error("doctor.not_looked", cause=f"{type(error).__name__}: {error}")

    async def _look(self, before: SelfLook) -> None:
        known = {(one.finding, one.place): one for one in before.findings}
        look = await self.look_at_service(self.clock.timestamp())
        found = {
            key: replace(one, since_at=known[key].since_at) if key in known else one
            for one in look.findings
            if (key := (one.finding, one.place))
        }
        for key, new in found.items():
            if key not in known:
                _tell(new)
        for key, old in known.items():
            if key not in found:
                log.info("doctor.mended", id=old.finding, where=old.place)
        address = look.address or before.address
        kept = SelfLook(look.looked_at, address, tuple(found.values()))
        await self.database.write(lambda c: record_look(c, self.node, kept))
        for severity in SEVERITIES:
            count = sum(one.severity == severity for one in found.values())
            metrics.SELF_FINDINGS.labels(severity).set(count)


def _tell(new: KnownFinding) -> None:
    tell = log.error if new.severity == SEVERITIES[0] else log.warning
    tell("doctor.found", id=new.finding, where=new.place, cause=new.cause, fix=new.fix)
