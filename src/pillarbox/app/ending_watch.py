"""Warns of client secrets, certificates and grants that end soon: in the log, once for each stage,
and in the metrics. One worker does it for all."""

import asyncio
from dataclasses import dataclass, field

from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.identifier import format_id
from pillarbox.net.key_pair import certificate_end
from pillarbox.oauth.endings import STAGES_DAYS, UNUSED_DAYS, Ending, What, endings
from pillarbox.oauth.sign_in import SignIn
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.store.admin.routes import RouteInfo, list_sign_ins
from pillarbox.store.database import Database
from pillarbox.store.grants import GrantFacts

LOOK_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class EndingWatch:
    """The loop; it runs until it is cancelled."""

    database: Database
    clock: Clock
    _told: dict[tuple[int, What], int] = field(default_factory=dict)

    async def run(self) -> None:
        """Look each hour."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """One look."""
        try:
            sign_ins = await self.database.read(list_sign_ins)
        except SpoolUnavailable as error:
            log.debug("oauth.endings_not_read", cause=error.cause)
            return
        now = self.clock.timestamp()
        found = [
            (info, ending)
            for info, grant in sign_ins
            if info.route.sign_in is not None
            for ending in endings_of(info.route.sign_in, grant, now)
        ]
        counts = dict.fromkeys((0, *STAGES_DAYS, UNUSED_DAYS), 0)
        for info, ending in found:
            counts[ending.stage] += 1
            self._tell(info, ending)
        for stage, count in counts.items():
            metrics.SIGN_INS_ENDING.labels(str(stage)).set(count)

    def _tell(self, info: RouteInfo, ending: Ending) -> None:
        """Once for each stage."""
        key = info.route.route_id, ending.what
        if self._told.get(key) == ending.stage:
            return
        self._told[key] = ending.stage
        log.warning(
            "oauth.ends_soon",
            tenant=info.tenant,
            route=format_id(info.route.route_id),
            what=ending.what.value,
            days=ending.days,
            text=str(ending),
        )


def endings_of(sign_in: SignIn, grant: GrantFacts | None, now: int) -> list[Ending]:
    """What of a sign-in deserves a warning now."""
    try:
        certificate_ends_at = certificate_end(sign_in.certificate) if sign_in.certificate else None
    except ValueError:
        certificate_ends_at = None
    return endings(
        secret_ends_at=sign_in.secret_ends_at,
        certificate_ends_at=certificate_ends_at,
        grant_used_at=None if grant is None else grant.used_at,
        now=now,
    )
