"""Which reverse-path a transaction carries where its sender's domain has a return path.

One recipient: the address is his alone, so a bounce needs to name nobody. Several in one
transaction, who are all at one next hop, share an address; one transaction for each of them would
send the content as often. The hop sends them separate reports that name them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.return_path import ReturnTag, return_address
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.store.records import Tenant


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """`tenant_of` finds a tenant by its id; None: it is gone. It may raise SpoolUnavailable."""

    key: bytes = field(repr=False)
    tenant_of: Callable[[int], Awaitable[Tenant | None]]

    async def domain_for(self, message: SpooledMessage) -> str:
        """The domain to which this message comes back; "" for its sender's own address. What has
        no sender never comes back."""
        sender = message.envelope.reverse_path
        if sender is None:
            return ""
        tenant = await self.tenant_of(message.tenant_id)
        return "" if tenant is None else tenant.return_path_for(sender.domain_key)

    def envelope(
        self, envelope: Envelope, domain: str, queue_id: int, batch: Sequence[Recipient]
    ) -> Envelope:
        """The envelope of the transaction for these recipients."""
        tag = ReturnTag(queue_id, batch[0].number, is_shared=len(batch) > 1)
        return replace(envelope, reverse_path=return_address(self.key, domain, tag))
