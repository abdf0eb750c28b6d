"""Sends the reports on TLS (RFC 8460) when their day is over: by one worker each, over hours.

The first worker of each machine looks once a minute. The first destination of the domain's record
that takes a report has it: a mailbox by a message of the tenant that the configured address belongs
to, a URL by POST. What fails is tried again within a day, in growing steps.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from pillarbox.app.tls_letters import NoWayForReport, TlsLetters
from pillarbox.config import Settings
from pillarbox.errors import DnsFailure, SecretError, SpoolUnavailable
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import IdGenerator, format_id
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.net.dns import DnsResolver, TextSource
from pillarbox.net.fetch import FetchError
from pillarbox.net.post import post
from pillarbox.net.reach import Reach
from pillarbox.net.tls import ClientContexts
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.spool import Spool
from pillarbox.store.tls_reports import (
    ReportRecord,
    ReportState,
    claim_report,
    end_report,
    is_in_spool,
    plan_reports,
    put_off_report,
    unplanned,
)
from pillarbox.store.tls_results import results_of
from pillarbox.tlsrpt.record import Destination, destinations, record_name
from pillarbox.tlsrpt.report import MEDIA_TYPE, Report, Reporter
from pillarbox.tlsrpt.results import DAY_MS, day_of

LOOK_SECONDS = 60.0
SETTLED_MS = 600_000
"""So long after midnight all workers have written what they counted before it."""
PLAN_MS = 900_000
"""So often it is looked for reports to be planned: it is a look at all results of some days."""
FIRST_MS = 1_800_000
SPREAD_MS = 4 * 3_600_000
"""Reports are due between these moments after midnight. RFC 8460 section 4.1: "the reports should
be delivered after some delay, perhaps several hours", so that not all come in the same minute."""
AT_ONCE = 8
"""So many are sent at a time: receivers may be slow."""
SEND_SECONDS = 120.0
LEASE_MS = 600_000
"""Longer than one takes: a report whose sender died goes to another worker then."""
FIRST_PAUSE_MS = 900_000
"""Before the second attempt; each further pause is twice as long."""
PATIENCE_MS = DAY_MS
"""RFC 8460 section 5.5: "a sender SHOULD attempt redelivery for up to 24 hours"."""


class NotSent(Exception):
    """A destination did not take the report, for now; the text says why."""


def reporting_for(
    settings: Settings,
    database: Database,
    directory: Directory,
    *,
    spool: Spool,
    ids: IdGenerator,
    offer: Callable[[SpooledMessage], None],
) -> "TlsReporting":
    """The sender of reports as it is configured. `offer` hands a message to the scheduler."""
    reports, clock = settings.tls_reports, Clock()
    sender = parse_mailbox(reports.from_address or reports.contact)
    organization = reports.organization or settings.host_name
    contexts = ClientContexts()

    def make_resolver() -> DnsResolver:
        return DnsResolver.of_servers(settings.dns_servers)

    async def hand_over(url: str, content: bytes, kind: str) -> None:
        await post(url, Reach(make_resolver(), contexts.get(verify=True)), content, kind=kind)

    return TlsReporting(
        database,
        Reporter(organization, reports.contact, sender.domain_key),
        TlsLetters(database, directory, spool, offer, sender, clock),
        make_resolver,
        hand_over,
        ids.next_id,
        clock,
    )


@dataclass(slots=True)
class TlsReporting:
    """The sender of reports of one process. `post` hands octets of a media type to a URL, or raises
    FetchError; `next_id` makes ids of messages."""

    database: Database
    reporter: Reporter
    letters: TlsLetters
    make_resolver: Callable[[], TextSource]
    post: Callable[[str, bytes, str], Awaitable[None]]
    next_id: Callable[[Timestamp], int]
    clock: Clock
    _planned_at: Timestamp = -PLAN_MS

    async def run(self) -> None:
        """Look again and again until it is cancelled."""
        while True:
            try:
                await self.look()
            except SpoolUnavailable as error:
                log.debug("tls_report.not_looked", cause=error.cause)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Plan the reports on days that are over, and send those that are due. Raises
        SpoolUnavailable."""
        now = self.clock.timestamp()
        if not 0 <= now - self._planned_at < PLAN_MS:
            await self._plan(now)
            self._planned_at = now
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._send_due())

    async def _plan(self, now: Timestamp) -> None:
        today = day_of(now - SETTLED_MS)
        while found := await self.database.read(lambda c: unplanned(c, today)):
            planned = [
                (day, domain, self.due_at(day, domain), self.next_id(now)) for day, domain in found
            ]
            await self.database.write(partial(plan_reports, planned=planned))

    def due_at(self, day: int, domain: str) -> Timestamp:
        """When a report is to be sent: another moment for each domain and reporter."""
        who = f"{day} {domain} {self.reporter.submitter}".encode()
        part = int.from_bytes(hashlib.blake2b(who, digest_size=4).digest()) / 2**32
        return (day + 1) * DAY_MS + FIRST_MS + int(part * (SPREAD_MS - FIRST_MS))

    async def _send_due(self) -> None:
        """One after the other. What is claimed when the store goes away is due again later."""
        try:
            while (record := await self._claim()) is not None:
                await self._send(record)
        except SpoolUnavailable as error:
            log.debug("tls_report.not_sent", cause=error.cause)

    async def _claim(self) -> ReportRecord | None:
        now = self.clock.timestamp()
        return await self.database.write(partial(claim_report, now=now, lease_ms=LEASE_MS))

    async def _send(self, record: ReportRecord) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                state, detail = await self._deliver(record)
        except NotSent as error:
            await self._put_off(record, str(error))
            return
        except TimeoutError:
            await self._put_off(record, "it took too long")
            return
        except SpoolUnavailable:
            raise
        except Exception:
            # Nothing about one domain keeps the reports to all others back.
            log.exception("tls_report.broken", domain=record.domain)
            await self._put_off(record, "an error of this service; its log has the details")
            return
        await self.database.write(lambda c: end_report(c, record, state, detail))
        if state is ReportState.SENT:
            log.info("tls_report.sent", domain=record.domain, to=detail)

    async def _deliver(self, record: ReportRecord) -> tuple[ReportState, str]:
        """Hand it to the first destination that takes it. Raises NotSent."""
        message_id = record.message_id
        if await self.database.read(lambda c: is_in_spool(c, message_id)):
            return ReportState.SENT, f"message {format_id(message_id)}"
        try:
            texts = await self.make_resolver().txt(record_name(record.domain))
        except DnsFailure as error:
            raise NotSent(str(error)) from error
        wanted = destinations(texts)
        if not wanted:
            return ReportState.UNWANTED, "no record asks for it"
        counted = await self.database.read(lambda c: results_of(c, record.day, record.domain))
        report_id = f"{format_id(message_id)}@{self.reporter.submitter}"
        report = Report(self.reporter, record.domain, record.day, report_id, counted)
        failures = []
        for destination in wanted:
            try:
                return ReportState.SENT, await self._hand_over(report, destination, record)
            except NotSent as error:
                failures.append(f"{destination}: {error}")
        raise NotSent("; ".join(failures))

    async def _hand_over(
        self, report: Report, destination: Destination, record: ReportRecord
    ) -> str:
        if destination.mailbox is not None:
            try:
                await self.letters.send(report, destination.mailbox, record.message_id)
            except (SecretError, NoWayForReport) as error:
                raise NotSent(str(error)) from error
            return f"{destination}, message {format_id(record.message_id)}"
        try:
            await self.post(destination.url, report.compressed(), MEDIA_TYPE)
        except (FetchError, DnsFailure) as error:
            raise NotSent(str(error)) from error
        return str(destination)

    async def _put_off(self, record: ReportRecord, cause: str) -> None:
        at = self.clock.timestamp() + FIRST_PAUSE_MS * 2 ** min(record.attempts - 1, 10)
        if at > self.due_at(record.day, record.domain) + PATIENCE_MS:
            state = ReportState.FAILED
            await self.database.write(lambda c: end_report(c, record, state, cause))
            log.warning("tls_report.failed", domain=record.domain, cause=cause)
            return
        await self.database.write(lambda c: put_off_report(c, record, at, cause))
        log.info("tls_report.put_off", domain=record.domain, cause=cause)
