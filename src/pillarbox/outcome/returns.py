"""What follows from a message that came back by a return path.

Whoever got a message knows its return address, so what comes to it is believed of that recipient
alone; and where several share an address, of those who went with him. The sender of the message is
told as if its recipient had been refused at once, by a report of our own. Of the message that came
back nothing goes on but automatic answers and what can not be read, once for each recipient.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pillarbox.explain.refusals import Refusal
from pillarbox.explain.remedies import Bounce
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.mail.message import format_date, scan_header
from pillarbox.mail.return_path import is_feedback_address, read_return_address
from pillarbox.mail.returned import Returned, ReturnKind
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.outcome.report import Letter, Reporter, report_kind
from pillarbox.outcome.return_entries import Entry, entries_of, reported
from pillarbox.outcome.settle import Judgement, Tried
from pillarbox.store.records import Tenant
from pillarbox.store.returns import ReturnedMeanwhile, ReturnRecord, Returns, Sent, TakenReturn
from pillarbox.store.suppressions import Bounced

_TRIES = 5
_PASSED_ON = frozenset({ReturnKind.AUTO_REPLY, ReturnKind.OTHER})


@dataclass(frozen=True, slots=True)
class CameBack:
    """A message that came to a return address. `octets` are its beginning, all of it where it
    `is_whole`, and `found` is what they say; `received` is the Received field for it up to the
    id."""

    octets: bytes
    found: Returned
    is_whole: bool
    has_sender: bool
    smtputf8: bool
    received: str
    session_id: int


@dataclass(frozen=True, slots=True)
class ReturnMeans:
    """What the desk works with. `offer` hands a message to the scheduler once it is durable."""

    key: bytes = field(repr=False)
    store: Returns
    reporter: Reporter
    tenant_of: Callable[[int], Awaitable[Tenant | None]]
    next_id: Callable[[Timestamp], int]
    offer: Callable[[SpooledMessage], None]
    wall: Callable[[], Timestamp]
    most_received: int


@dataclass(frozen=True, slots=True)
class _Case:
    """One message that came back, and the message that it is about."""

    came: CameBack
    sent: Sent
    tenant: Tenant
    now: Timestamp

    @property
    def found(self) -> Returned:
        """What it says."""
        return self.came.found


class ReturnDesk:
    """Takes what comes back, for one process."""

    def __init__(self, means: ReturnMeans) -> None:
        self._means = means

    async def find(self, address: Mailbox) -> Sent | None:
        """What an address belongs to; None: nobody's. Raises SpoolUnavailable."""
        tag = read_return_address(self._means.key, address)
        return None if tag is None else await self._means.store.find(tag)

    async def knows(self, address: Mailbox) -> bool:
        """Whether anything is taken at this address. Raises SpoolUnavailable."""
        if is_feedback_address(self._means.key, address):
            return True
        return await self.find(address) is not None

    async def take(self, address: Mailbox, came: CameBack) -> Refusal | None:
        """Do what follows from a message to this address; it is durable on return. None: taken.
        Raises SpoolUnavailable."""
        if is_feedback_address(self._means.key, address):
            return await self._take_feedback(came)
        return await self._take(address, came)

    async def _take_feedback(self, came: CameBack) -> Refusal | None:
        """A complaint that came by a feedback loop: the reverse-path says about which message."""
        found = came.found
        if not found.feedback:
            return Refusal.NO_REPORT
        answers = [await self._take(parse_mailbox(path), came) for path in found.paths]
        if all(answer is not None for answer in answers):
            # Of a message of long ago, or not from here. Who is refused does not send the next.
            metrics.RETURNED.labels("unknown").inc()
            log.info("complaint.unknown", session_id=format_id(came.session_id))
        return None

    async def _take(self, address: Mailbox, came: CameBack) -> Refusal | None:
        for _ in range(_TRIES):
            sent = await self.find(address)
            tenant = None
            if sent is not None:
                tenant = await self._means.tenant_of(sent.message.tenant_id)
            if sent is None or tenant is None:
                return Refusal.NO_RETURN_ADDRESS
            case = _Case(came, sent, tenant, self._means.wall())
            try:
                return await self._settle(case)
            except ReturnedMeanwhile:
                continue
        return Refusal.INTERNAL

    async def _settle(self, case: _Case) -> Refusal | None:
        entries = entries_of(case.found, case.sent)
        refusal = self._refusal(case, entries)
        if refusal is not None:
            return refusal
        known = case.sent.known
        new = [entry for entry in entries if (entry.number, entry.kind.value) not in known]
        if not new:
            metrics.RETURNED.labels("repeated").inc()
            return None
        told = await self._told(case, new)
        suppressed = await self._means.store.record(_taken(case, new, told))
        _note(case, new, told)
        for one in suppressed:
            tenant_id = format_id(one.tenant_id)
            log.info("recipient.suppressed", tenant_id=tenant_id, address=one.address_key)
        if told is not None:
            self._means.offer(told)
        return None

    def _refusal(self, case: _Case, entries: list[Entry]) -> Refusal | None:
        """Why it is not taken: what no report is would go on as it is, so it has to be harmless."""
        kinds = {entry.kind for entry in entries}
        if not kinds & _PASSED_ON or case.found.feedback:
            return None
        if not case.came.is_whole or (case.came.has_sender and ReturnKind.OTHER in kinds):
            return Refusal.NO_REPORT
        if scan_header(case.came.octets).received_fields > self._means.most_received:
            return Refusal.LOOP
        return None

    async def _told(self, case: _Case, new: list[Entry]) -> SpooledMessage | None:
        """What the sender of the message gets."""
        sent, tenant = case.sent, case.tenant
        tried = Tried(sent.message, (), (), tenant, 0, "", case.now, 0, is_attempt=False)
        if any(entry.kind in _PASSED_ON for entry in new):
            return None if case.found.feedback else self._passed_on(case, tried)
        told = tuple(filter(None, (reported(entry, sent, tenant) for entry in new)))
        if not told:
            return None
        judgement = Judgement((), told, None)
        metrics.DSNS_BY_KIND[report_kind(judgement)].inc()
        return self._means.reporter.report(tried, judgement, await self._original(case))

    async def _original(self, case: _Case) -> bytes:
        """The header of the message as far as it is still known: ours, else that in the report if
        it is of this message."""
        message = case.sent.message
        if content := await self._means.store.beginning(message):
            return message.prefix + content
        header = case.found.original.replace(b"\n", b"\r\n") + b"\r\n"
        is_its = message.header_id and scan_header(header + b"\r\n").header_id == message.header_id
        return header if is_its else message.prefix

    def _passed_on(self, case: _Case, tried: Tried) -> SpooledMessage:
        """The message that came back, to the sender of the one that it is about."""
        came = case.came
        queue_id = self._means.next_id(case.now)
        date = format_date(case.now // 1000)
        letter = Letter(
            queue_id=queue_id,
            envelope=Envelope(
                None, Body.SEVEN_BIT if came.octets.isascii() else Body.EIGHT_BIT, came.smtputf8
            ),
            prefix=f"{came.received}{format_id(queue_id)};\r\n\t{date}\r\n".encode(),
            content=came.octets,
            header_id=scan_header(came.octets).header_id or "",
        )
        return self._means.reporter.to_sender(tried, letter)


def _taken(case: _Case, new: list[Entry], told: SpooledMessage | None) -> TakenReturn:
    """All of it, for the store."""
    message = case.sent.message
    return TakenReturn(
        queue_id=message.queue_id,
        session_id=case.came.session_id,
        received_at=case.now,
        records=tuple(
            ReturnRecord(
                entry.number,
                entry.kind.value,
                str(entry.said.reply or "") or case.found.feedback,
                entry.said.remote_host,
            )
            for entry in new
        ),
        told=told,
        bounced=tuple(_suppressed(case, [e for e in new if e.bounce is Bounce.HARD])),
        complained=tuple(_suppressed(case, [e for e in new if e.kind is ReturnKind.COMPLAINT])),
    )


def _suppressed(case: _Case, entries: list[Entry]) -> list[Bounced]:
    """Addresses that the tenant does not want to send to again."""
    tenant = case.tenant
    if not tenant.suppress_days or case.sent.message.account_id is None:
        return []
    return [
        Bounced(
            tenant.tenant_id,
            entry.recipient.recipient.forward_path.key,
            str(entry.said.reply or f"complaint ({case.found.feedback})"),
            tenant.suppress_days,
        )
        for entry in entries
        if entry.recipient is not None
    ]


def _note(case: _Case, new: list[Entry], told: SpooledMessage | None) -> None:
    for entry in new:
        metrics.RETURNED.labels(entry.kind.value).inc()
        if entry.bounce is not None:
            metrics.FAILURES.labels(entry.bounce.value).inc()
    log.info(
        "message.returned",
        queue_id=format_id(case.sent.message.queue_id),
        session_id=format_id(case.came.session_id),
        tenant=case.tenant.name,
        kind=new[0].kind.value,
        recipients=len(new),
        reply=str(new[0].said.reply or ""),
        remote_host=new[0].said.remote_host,
        report_id=None if told is None else format_id(told.queue_id),
    )
