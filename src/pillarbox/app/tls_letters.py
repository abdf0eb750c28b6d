"""Reports on TLS by mail: messages of the tenant to which the domain of their sender belongs, by
its routes and signed with its keys."""

from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Envelope, Notify, Recipient, TlsWish
from pillarbox.mail.identifier import format_id
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.policy.clock import Clock
from pillarbox.route import Reject, route_domain
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.records import Tenant
from pillarbox.store.spool import Spool
from pillarbox.store.tls_reports import tenant_of
from pillarbox.tlsrpt.letter import Letter
from pillarbox.tlsrpt.report import Report


class NoWayForReport(Exception):
    """The configuration has no way for a report by mail; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class TlsLetters:
    """Puts reports into the spool. `offer` hands a message that is there to the scheduler."""

    database: Database
    directory: Directory
    spool: Spool
    offer: Callable[[SpooledMessage], None]
    sender: Mailbox
    clock: Clock

    async def send(self, report: Report, to: Mailbox, message_id: int) -> None:
        """Make the message with this id durable. Raises NoWayForReport, SecretError,
        SpoolUnavailable."""
        tenant = await self._tenant()
        domain = self.sender.domain_key
        route = tenant.routes.choose(domain, route_domain(to.domain))
        if route is None or isinstance(route.next_hop, Reject):
            raise NoWayForReport(f"tenant {tenant.name!r} has no route to {to.domain}")
        now = self.clock.timestamp()
        name = format_id(message_id)
        header_id = f"<{name}@{report.reporter.submitter}>"
        letter = Letter(report, self.sender, (to,), header_id, f"tlsrpt-{name}")
        content = letter.content(tenant.keys_for(domain), now // 1000)
        lane_id = self.spool.lane_of(route.member(message_id, self.sender))
        # Nobody is told where it does not arrive: it is tried for as long as any mail, and the next
        # day has a report of its own.
        recipient = Recipient(0, to, Notify.NEVER)
        message = SpooledMessage(
            queue_id=message_id,
            tenant_id=tenant.tenant_id,
            account_id=None,
            credential_id=None,
            session_id=None,
            received_at=now,
            # RFC 8460 section 3: "sending MTAs MUST deliver reports despite any TLS-related
            # failures and SHOULD NOT include this SMTP session in the next report".
            envelope=Envelope(self.sender, tls_wish=TlsWish.OPTIONAL),
            prefix=b"",
            size_octets=len(content),
            chunks=0,
            content=content,
            recipients=[SpooledRecipient(recipient, lane_id, now)],
            header_id=header_id,
        )
        await self.spool.put(message)
        self.offer(message)

    async def _tenant(self) -> Tenant:
        name = self.sender.domain_key
        tenant_id = await self.database.read(lambda c: tenant_of(c, name))
        tenant = None if tenant_id is None else await self.directory.tenant(tenant_id)
        if tenant is None:
            raise NoWayForReport(
                f"no tenant has the domain {name}: add it, or set tls_reports.from_address"
            )
        return tenant
