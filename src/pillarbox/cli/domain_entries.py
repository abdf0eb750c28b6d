"""What tenants have and what they claim, as one list for people."""

from dataclasses import dataclass

from pillarbox.cli.names import no_such
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.admin.domain_claims import list_claims
from pillarbox.store.admin.tenants import DomainInfo, list_domains, read_domain
from pillarbox.store.database import Database


@dataclass(frozen=True, slots=True)
class Entry:
    """A domain that a tenant has, or claims (`proof` is "" then). `token` is what stands in DNS, or
    has to; "" where an administrator vouched. `return_path` is where its mail comes back to, "" if
    to the sender."""

    name: str
    tenant: str
    proof: str
    token: str
    created_at: Timestamp
    return_path: str = ""

    @property
    def state(self) -> str:
        """What people and programs read of it."""
        return "proved" if self.proof else "claimed"


def list_entries(database: Database) -> list[Entry]:
    """What tenants have, and what they claim, by name; who has it comes first."""

    def of_domain(domain: DomainInfo) -> Entry:
        return Entry(
            domain.name,
            domain.tenant,
            domain.proof,
            domain.token,
            domain.created_at,
            domain.return_path,
        )

    entries = [of_domain(domain) for domain in database.read_now(list_domains)]
    for claim in database.read_now(list_claims):
        entries.append(Entry(claim.name, claim.tenant, "", claim.token, claim.created_at))
    return sorted(entries, key=lambda entry: (entry.name, not entry.proof))


def find_entry(database: Database, domain: str, tenant: str | None) -> Entry:
    """The domain of a tenant; without one the domain of whoever has it, else the oldest claim.
    Raises Failure."""
    name = read_domain(domain)
    entries = list_entries(database)
    for entry in entries:
        if entry.name == name and tenant in (None, entry.tenant):
            return entry
    hint = "`pillarbox domain list` shows all"
    raise no_such("domain", name, [known.name for known in entries if known.name != name], hint)
