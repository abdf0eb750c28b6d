"""Messages, tenants and attempts for tests of queueing, delivery and outcomes."""

from itertools import count

from pillarbox.delivery.attempt import Attempt
from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Envelope, Notify, Recipient
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.retry import RetryPolicy
from pillarbox.route import NextHop, Route, RouteTable, SmartHost, TlsMode, hop_key, lane_id
from pillarbox.store.records import Tenant

NOW = 1_700_000_000_000
CONTENT = b"Subject: Hello\r\nMessage-ID: <1@here.example>\r\n\r\nBody\r\n"
HOP = SmartHost("smtp.far.example", 25, TlsMode.NONE)
LANE = lane_id(hop_key(HOP))

_ids = count(1)


def make_tenant(
    *routes: Route,
    tenant_id: int = 1,
    retry: RetryPolicy | None = None,
    keep_content_days: int = 0,
) -> Tenant:
    """A tenant; without routes all its mail goes to HOP."""
    return Tenant(
        tenant_id=tenant_id,
        name=f"tenant-{tenant_id}",
        domains=frozenset({"here.example"}),
        routes=RouteTable(routes or (Route(1, "", "", HOP),)),
        retry=retry or RetryPolicy(),
        keep_content_days=keep_content_days,
    )


def make_message(
    *addresses: str,
    queue_id: int | None = None,
    tenant_id: int = 1,
    credential_id: int | None = 7,
    envelope: Envelope | None = None,
    received_at: int = NOW,
    content: bytes = CONTENT,
    size_octets: int | None = None,
    notify: Notify = Notify.DEFAULT,
    lane: int = LANE,
) -> SpooledMessage:
    """A message as reception hands it to the scheduler."""
    recipients = [
        SpooledRecipient(Recipient(number, parse_mailbox(address), notify), lane, received_at)
        for number, address in enumerate(addresses or ("bob@far.example",))
    ]
    return SpooledMessage(
        queue_id=next(_ids) if queue_id is None else queue_id,
        tenant_id=tenant_id,
        account_id=3,
        credential_id=credential_id,
        session_id=None,
        received_at=received_at,
        envelope=envelope or Envelope(parse_mailbox("ann@here.example")),
        prefix=b"Received: here\r\n",
        size_octets=len(content) + 16 if size_octets is None else size_octets,
        chunks=1,
        content=content,
        recipients=recipients,
        header_id="<1@here.example>",
    )


def make_attempt(
    message: SpooledMessage | None = None,
    *,
    tenant: Tenant | None = None,
    next_hop: NextHop = HOP,
) -> Attempt:
    """An attempt at a message for all its recipients, of which the store has nothing."""
    message = message or make_message()
    tenant = tenant or make_tenant(tenant_id=message.tenant_id)
    return Attempt(message, message.recipients, tenant, next_hop, _no_chunk)


async def _no_chunk(queue_id: int, number: int) -> bytes:
    raise SpoolUnavailable(SpoolTrouble.AWAY, f"no chunk {number} of {queue_id}")
