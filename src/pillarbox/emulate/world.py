"""All that the servers of the emulator share: who there is, how things stand, what arrived."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pillarbox.emulate.config import App, EmulatorConfig, Mailbox, Tenant
from pillarbox.emulate.faults import Faults
from pillarbox.emulate.messages import MailboxStatistics, Messages
from pillarbox.emulate.switches import Switches
from pillarbox.emulate.tokens import Signer
from pillarbox.emulate.windows import Pace, Window

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Owner:
    """A mailbox and its tenant."""

    tenant: Tenant
    mailbox: Mailbox

    @property
    def targets(self) -> tuple[str, ...]:
        """What a switch may be set for, the narrowest first."""
        return (self.mailbox.address, self.tenant.id, *self.tenant.domains)


class World:
    """The state of one emulator. `clock` gives the time of day in seconds."""

    def __init__(self, config: EmulatorConfig, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.limits = config.limits
        self.switches = Switches(config.switches)
        self.faults = Faults(config.seed)
        self.messages = Messages(config.limits.kept_messages, config.limits.kept_octets)
        self.signer = Signer()
        self.graph_audiences: frozenset[str] = frozenset()
        """The emulator's own Graph, once it listens; a token may be for it as for the real one."""
        self.clock = clock
        self._owners = {
            address: Owner(tenant, mailbox)
            for tenant in config.tenants
            for mailbox in tenant.mailboxes
            for address in (mailbox.address, *mailbox.aliases)
        }
        self.forget()

    def forget(self) -> None:
        """Begin anew with messages, statistics and limits; sessions that stand count from zero."""
        self.messages.clear()
        limits = self.limits
        self.statistics: dict[str, MailboxStatistics] = defaultdict(MailboxStatistics)
        self.paces = defaultdict[str, Pace](lambda: Pace(limits.messages, limits.messages_seconds))
        self.recipients = defaultdict[str, Window](
            lambda: Window(limits.recipients_a_day, DAY_SECONDS)
        )
        self._externals: dict[str, Window] = {}
        self.onmicrosoft = defaultdict[str, Window](
            lambda: Window(limits.onmicrosoft_recipients, DAY_SECONDS)
        )

    def now(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def owner(self, address: str) -> Owner | None:
        """Whose address this is, alias or primary."""
        return self._owners.get(address.lower())

    def owner_of_primary(self, address: str) -> Owner | None:
        """The same for the primary address alone, with which users sign in."""
        owner = self.owner(address)
        return owner if owner and owner.mailbox.address == address.lower() else None

    def tenant(self, name: str) -> Tenant | None:
        """By id or domain."""
        name = name.lower()
        return next(
            (t for t in self.config.tenants if name == t.id.lower() or name in t.domains), None
        )

    def app(self, tenant: Tenant, client_id: str) -> App | None:
        """An app of a tenant, unless the switch has taken it away."""
        app = next((app for app in tenant.apps if app.client_id == client_id), None)
        missing = self.switches.is_at("app", "missing", (client_id, tenant.id, *tenant.domains))
        return None if missing else app

    def externals(self, tenant: Tenant) -> Window:
        """The external recipients of a tenant: 500 x licences^0.7 + 9500 in 24 hours."""
        if tenant.id not in self._externals:
            limit = int(500 * tenant.licences**0.7 + 9500)
            self._externals[tenant.id] = Window(limit, DAY_SECONDS)
        return self._externals[tenant.id]
