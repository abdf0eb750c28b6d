"""What a worker does beside the mail: keep its number, follow the directory, remove the old."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.observe import log as logging
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.outcome.unknown_watch import Suspicion
from pillarbox.outcome.watches import Watches
from pillarbox.policy.clock import Clock
from pillarbox.store.admin.holding import hold_account, hold_queue
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.instances import Instances
from pillarbox.store.spool import Spool
from pillarbox.store.suppressions import Suppressions, suppress_bounced

INSTANCE_LEASE_MS = 60_000
"""The number of a dead process is free again after this time at latest."""
RENEW_SECONDS = 15.0
RENEWALS_AN_HOUR = 240
REFRESH_SECONDS = 1.0
"""A change of the directory holds everywhere after this time."""
PRUNE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The loops of one worker; all run until they are cancelled. `give_up` ends the worker with a
    cause: it must begin again from what is durable. `offer_logins` looks which logins can work;
    `follow_changes` has the scheduler follow, too, before a change counts as seen."""

    database: Database
    directory: Directory
    instances: Instances
    spool: Spool
    clock: Clock
    token: str
    instance: int
    trace_days: int
    give_up: Callable[[str], None]
    watches: Watches
    suppressions: Suppressions
    offer_logins: Callable[[], Awaitable[None]]
    follow_changes: Callable[[], Awaitable[None]]

    async def follow(self) -> None:
        """Each second: changes of the directory, the state of the spool, lost log lines."""
        was_in_trouble: SpoolTrouble | None = None
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            was_in_trouble = await self.look(was_in_trouble)

    async def look(self, before: SpoolTrouble | None) -> SpoolTrouble | None:
        """One look: the trouble of the spool now, told where it is another than `before`."""
        trouble = self.database.trouble
        if trouble is not before:
            self._tell_trouble(trouble)
        metrics.LOG_LINES_DROPPED.set(logging.dropped_lines())
        try:
            await self._follow_directory()
            await self.offer_logins()
            await self._suppress()
        except SpoolUnavailable as error:
            # What is in memory stays in use.
            log.debug("directory.not_read", cause=error.cause)
        for suspicion in self.watches.unknown.take():
            await self._hold(suspicion)
        return trouble

    async def _follow_directory(self) -> None:
        """All of this process: who says that a change was seen may rely on it."""
        if await self.directory.refresh():
            await self.follow_changes()
            log.info("directory.changed", generation=self.directory.generation)

    async def _suppress(self) -> None:
        """Write down what came back as unknown, and follow what others wrote."""
        now = self.clock.timestamp()
        bounced = self.watches.bounces.take()
        if bounced:
            new = await self.database.write(lambda c: suppress_bounced(c, bounced, now=now))
            for one in new:
                tenant_id = format_id(one.tenant_id)
                log.info("recipient.suppressed", tenant_id=tenant_id, address=one.address_key)
        await self.suppressions.refresh(now)

    async def _hold(self, suspicion: Suspicion) -> None:
        """Hold an account, then what it has in the queue."""
        account_id = suspicion.account_id
        reason = (
            f"{suspicion.unknown} of {suspicion.finished} recipients within ten minutes were"
            " unknown at their servers: perhaps somebody else has the password"
        )
        now = self.clock.timestamp()
        try:
            if not await self.database.write(
                lambda c: hold_account(c, account_id, now=now, reason=reason)
            ):
                return
            await self._follow_directory()
            account = await self.directory.account(account_id)
            while await self.database.write(lambda c: hold_queue(c, account_id)):
                pass
        except SpoolUnavailable as error:
            log.error("account.not_held", account_id=format_id(account_id), cause=error.cause)
            return
        metrics.ACCOUNTS_HELD.inc()
        address = account.address.address if account is not None else ""
        log.warning("account.held", account=address, reason=reason)

    def _tell_trouble(self, trouble: SpoolTrouble | None) -> None:
        metrics.SPOOL_IN_TROUBLE.set(trouble is not None)
        if trouble is None:
            log.info("spool.takes_mail_again")
            return
        log.error("spool.in_trouble", trouble=trouble.value)
        if trouble is SpoolTrouble.BAD:
            self.give_up("a write to the spool failed")

    async def keep_number(self) -> None:
        """Renew the lease of the number that is part of every id, as long as it is ours; and forget
        each hour which lanes have rows."""
        while True:
            for _ in range(RENEWALS_AN_HOUR):
                await asyncio.sleep(RENEW_SECONDS)
                if not await self.renew():
                    return
            self.spool.forget_lanes()

    async def renew(self) -> bool:
        """Renew it once; whether it is ours as far as we know. A lost one ends the worker: another
        process may make the same ids."""
        try:
            is_ours = await self.instances.renew(token=self.token, lease_ms=INSTANCE_LEASE_MS)
        except SpoolUnavailable as error:
            log.warning("instance.not_renewed", cause=error.cause)
            return True
        if not is_ours:
            self.give_up("the number of this process was taken by another")
        return is_ours

    async def prune(self) -> None:
        """Each quarter of an hour: remove what nobody needs any more."""
        since = self.clock.timestamp()
        while True:
            await self.prune_once(since)
            await asyncio.sleep(PRUNE_SECONDS)

    async def prune_once(self, since: Timestamp) -> None:
        """Remove content without a message (of processes before `since`), old mail and old
        sessions."""
        now = self.clock.timestamp()
        try:
            removed = await self.spool.prune(now=now, trace_days=self.trace_days)
            orphans = await self.spool.collect_orphans(instance=self.instance, since=since, now=now)
        except SpoolUnavailable as error:
            log.warning("spool.not_pruned", cause=error.cause)
            return
        if orphans or removed:
            log.info("spool.pruned", orphans=orphans, removed=removed)
