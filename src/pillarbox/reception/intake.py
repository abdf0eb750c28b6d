"""From complete content to a durable message: look at the header, compose the prefix, put it.

The one place where responsibility is taken (RFC 5321 4.2.5, 6.1): `done` is told `Accepted` only
after the commit. It does not know sockets or sessions, so another way of submission could use it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeAlias

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import Mailbox
from pillarbox.mail.dkim import signature_fields
from pillarbox.mail.envelope import Envelope, Recipient, RecipientState, Timestamp, TlsWish
from pillarbox.mail.header_from import parse_authors
from pillarbox.mail.identifier import IdGenerator, format_id
from pillarbox.mail.message import Addition, HeaderBlock, compose_prefix, scan_header
from pillarbox.mail.reply import Reply, reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.policy.submission import Submission
from pillarbox.reception.content import ChunkStore, IncomingContent
from pillarbox.route import Route
from pillarbox.store.records import Account
from pillarbox.values import quick

_HELD = RecipientState.HELD


class MessageStore(ChunkStore, Protocol):
    """What is asked of the spool (store.spool)."""

    def lane_of(self, route: Route) -> int:
        """The id of a route's lane."""
        ...

    def put(self, message: SpooledMessage) -> "asyncio.Future[None]":
        """Take a message; durable once the future is done."""
        ...


@quick(frozen=True, slots=True)
class Submitted:
    """A complete transaction: what was said, by whom, and the content.

    `routes` has the route of each recipient. `received_start` is the Received field up to the queue
    id (mail.message).
    """

    account: Account
    session_id: int
    envelope: Envelope
    recipients: list[Recipient]
    routes: list[Route]
    received_start: str
    content: IncomingContent


@quick(frozen=True, slots=True)
class Accepted:
    """The message is durable."""

    message: SpooledMessage

    def reply(self) -> Reply:
        """The 250 with the queue id."""
        return reply(250, "2.0.0", f"Queued as {format_id(self.message.queue_id)}")


Answer: TypeAlias = Accepted | Denial


class Intake:
    """Takes messages for one process. `on_accepted` hands them to the scheduler."""

    def __init__(
        self,
        spool: MessageStore,
        rules: Submission,
        *,
        ids: IdGenerator,
        host_name: str,
        on_accepted: Callable[[SpooledMessage], None],
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._rules = rules
        self._ids = ids
        self._host_name = host_name
        self._on_accepted = on_accepted
        self._clock = clock

    def submit(self, submitted: Submitted, done: Callable[[Answer], None]) -> None:
        """Judge a message and make it durable; `done` is told at once or after the commit."""
        content = submitted.content
        begun = self._clock.seconds()
        message = self._prepare(submitted)
        if isinstance(message, SpooledMessage):
            try:
                future = self._spool.put(message)
            except SpoolUnavailable as error:
                message = unavailable(error)
            else:
                future.add_done_callback(partial(self._committed, message, content, begun, done))
                return
        content.discard()
        done(message)

    def _prepare(self, submitted: Submitted) -> SpooledMessage | Denial:
        content = submitted.content
        if content.failure is not None:
            return unavailable(content.failure)
        beginning = content.beginning()
        if beginning is None:
            return self._rules.header_too_large()
        account = submitted.account
        header = scan_header(beginning)
        envelope = submitted.envelope
        if header.is_tls_optional:
            envelope = _tagged(envelope)
        sender, queue_id = envelope.reverse_path, content.queue_id
        routes = [r.member(queue_id, sender) if r.others else r for r in submitted.routes]
        author = sender or account.address
        denial = self._rules.on_message(account, header)
        denial = denial or self._rules.on_mailboxes(header, author, routes)
        if denial is not None:
            return denial
        now = self._clock.timestamp()
        prefix, header_id = self._compose(submitted, header, author, now)
        return SpooledMessage(
            queue_id=content.queue_id,
            tenant_id=account.tenant.tenant_id,
            account_id=account.account_id,
            credential_id=account.credential_id,
            session_id=submitted.session_id,
            received_at=now,
            envelope=envelope,
            prefix=prefix,
            size_octets=len(prefix) + content.size,
            chunks=content.chunks,
            content=content.inline(),
            recipients=self._spooled(submitted, routes, now),
            header_id=header_id,
        )

    def _compose(
        self, submitted: Submitted, header: HeaderBlock, author: Mailbox, now: Timestamp
    ) -> tuple[bytes, str]:
        """What goes before the content, signatures first, and the Message-ID."""
        content = submitted.content
        prefix, header_id = compose_prefix(
            header,
            Addition(
                submitted.received_start, content.queue_id, now, self._host_name, author.address
            ),
        )
        if content.body_hash is not None:
            keys = submitted.account.tenant.keys_for(_author_domain(header, author))
            fields = prefix + (content.beginning() or b"")[: header.size_octets]
            digest = content.body_hash.digest()
            prefix = signature_fields(keys, fields, digest, now // 1000) + prefix
        return prefix, header_id

    def _spooled(
        self, submitted: Submitted, routes: list[Route], now: Timestamp
    ) -> list[SpooledRecipient]:
        """The recipients as the queue gets them; those of an account that is held wait there."""
        lanes = map(self._spool.lane_of, routes)
        pairs = zip(submitted.recipients, lanes, strict=True)
        if submitted.account.is_held:
            held = RecipientState.HELD
            return [SpooledRecipient(recipient, lane, None, held) for recipient, lane in pairs]
        return [SpooledRecipient(recipient, lane, now) for recipient, lane in pairs]

    def _committed(
        self,
        message: SpooledMessage,
        content: IncomingContent,
        begun: float,
        done: Callable[[Answer], None],
        future: "asyncio.Future[None]",
    ) -> None:
        """The group commit has ended, one way or the other."""
        if future.cancelled():
            # The service is being torn down: nobody knows whether the message is durable.
            content.release()
            return
        error = future.exception()
        if error is not None:
            content.discard()
            if not isinstance(error, SpoolUnavailable):
                log.error("intake.put_failed", queue_id=format_id(message.queue_id), exc_info=error)
                error = SpoolUnavailable(SpoolTrouble.AWAY, "the message could not be put")
            done(unavailable(error))
            return
        content.release()
        metrics.ACCEPTED.value += 1
        metrics.ACCEPTED_OCTETS.value += message.size_octets
        metrics.ACCEPT_SECONDS.observe(self._clock.seconds() - begun)
        path = message.envelope.reverse_path
        log.info(
            "message.accepted",
            queue_id=format_id(message.queue_id),
            session_id=format_id(message.session_id or 0),
            tenant_id=format_id(message.tenant_id),
            reverse_path="" if path is None else path.address,
            recipients=len(message.recipients),
            size_octets=message.size_octets,
            header_id=message.header_id,
        )
        self._hand_on(message)
        done(Accepted(message))

    def _hand_on(self, message: SpooledMessage) -> None:
        """To the scheduler, unless it waits for a person."""
        if message.recipients[0].state is _HELD:
            return
        try:
            self._on_accepted(message)
        except Exception:
            # It is durable all the same, and will be found in the store.
            log.exception("intake.offer_failed", queue_id=format_id(message.queue_id))


def _tagged(envelope: Envelope) -> Envelope:
    """RFC 8689 section 4.1: a server "MUST tag that message with the option specified in the
    TLS-Required header field", which "MUST be ignored" beside REQUIRETLS."""
    if envelope.tls_wish is TlsWish.NONE:
        return replace(envelope, tls_wish=TlsWish.OPTIONAL)
    return envelope


def _author_domain(header: HeaderBlock, author: Mailbox) -> str:
    """The domain that DMARC looks at. Of several authors the first: DMARC knows of one only."""
    if header.from_fields:
        author = parse_authors(header.from_fields[0])[0]
    return author.domain_key


def unavailable(error: SpoolUnavailable) -> Denial:
    """The refusal that stands for what is wrong with the spool."""
    return in_trouble(error.trouble, error.cause)


def in_trouble(trouble: SpoolTrouble, cause: str = "") -> Denial:
    """452 where there is no room, 451 where the database is away or bad."""
    refusal = Refusal.SPOOL_FULL if trouble is SpoolTrouble.FULL else Refusal.SPOOL_AWAY
    return Denial(refusal, cause or f"the spool is {trouble.value}")
