"""DKIM keys of domains. A key is published first, signs from when it is made active, and is retired
when another of its algorithm takes its place; its record stays in DNS for a while then, since mail
that it signed is still on the way."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, insert, select, update

from pillarbox.errors import DirectoryError, NoSuchEntry
from pillarbox.mail.dkim import Algorithm
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.admin.ids import directory_id
from pillarbox.store.generation import Part, moved
from pillarbox.store.schema_directory import dkim_key, domain, tenant
from pillarbox.store.seal import Seal
from pillarbox.store.signing_keys import algorithm_of, public_record, secret_context

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SELECTOR = re.compile(rf"(?=.{{1,100}}\Z){_LABEL}(?:\.{_LABEL})*")
"""RFC 6376 3.1: one or more labels."""


@dataclass(frozen=True, slots=True)
class DkimKeyInfo:
    """A key as administrators see it; the private half is not in it.

    `name` is where its TXT record stands and `record` what that says. `active_at` None: it does not
    sign yet; `retired_at` None: it has no successor.
    """

    key_id: int
    tenant: str
    domain: str
    selector: str
    algorithm: Algorithm
    record: str
    created_at: Timestamp
    active_at: Timestamp | None
    retired_at: Timestamp | None

    @property
    def name(self) -> str:
        """RFC 6376 3.6.2.1."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def state(self) -> str:
        """ "new", "active" or "retired"."""
        if self.retired_at is not None:
            return "retired"
        return "new" if self.active_at is None else "active"


def add_key(
    connection: Connection,
    domain_name: str,
    selector: str,
    private: bytes,
    *,
    seal: Seal,
    now: Timestamp,
) -> DkimKeyInfo:
    """Keep a key (PKCS #8 in DER) that does not sign yet. `domain_name` is an A-label. Raises
    DirectoryError, SecretError."""
    domain_id = connection.scalar(select(domain.c.id).where(domain.c.name == domain_name))
    if domain_id is None:
        raise DirectoryError(f"there is no domain {domain_name}: add it first")
    selector = selector.lower()
    if _SELECTOR.fullmatch(selector) is None:
        raise DirectoryError(f"{selector!r} is no selector: write letters, digits and hyphens")
    if any(key.selector == selector for key in list_keys(connection, domain_name)):
        raise DirectoryError(f"{domain_name} has a key with the selector {selector}: take another")
    key_id = directory_id(now)
    row = {
        "id": key_id,
        "domain_id": domain_id,
        "selector": selector,
        "algorithm": algorithm_of(private).value,
        "private_sealed": seal.seal(private, secret_context(key_id)),
        "record": public_record(private),
        "created_at": now,
    }
    connection.execute(insert(dkim_key).values(row))
    return find_key(connection, domain_name, selector)


def activate_key(connection: Connection, key: DkimKeyInfo, *, now: Timestamp) -> None:
    """Sign with this key from now on, and no more with others of its domain and algorithm."""
    domain_id = select(dkim_key.c.domain_id).where(dkim_key.c.id == key.key_id).scalar_subquery()
    others = (
        dkim_key.c.domain_id == domain_id,
        dkim_key.c.algorithm == key.algorithm.value,
        dkim_key.c.id != key.key_id,
        dkim_key.c.active_at.is_not(None),
        dkim_key.c.retired_at.is_(None),
    )
    connection.execute(update(dkim_key).where(*others).values(retired_at=now))
    this = dkim_key.c.id == key.key_id
    connection.execute(update(dkim_key).where(this).values(active_at=now, retired_at=None))
    moved(connection, Part.DIRECTORY)


def remove_key(connection: Connection, key: DkimKeyInfo) -> None:
    """Forget a key; what it signed is verified as long as its record stands in DNS."""
    connection.execute(delete(dkim_key).where(dkim_key.c.id == key.key_id))
    moved(connection, Part.DIRECTORY)


def list_keys(connection: Connection, domain_name: str | None = None) -> list[DkimKeyInfo]:
    """All keys, or those of one domain, by domain and age."""
    query = (
        select(dkim_key, domain.c.name.label("domain"), tenant.c.name.label("tenant"))
        .join(domain, domain.c.id == dkim_key.c.domain_id)
        .join(tenant, tenant.c.id == domain.c.tenant_id)
        .order_by(domain.c.name, dkim_key.c.id)
    )
    if domain_name is not None:
        query = query.where(domain.c.name == domain_name)
    return [_info(row) for row in connection.execute(query)]


def find_key(connection: Connection, domain_name: str, selector: str) -> DkimKeyInfo:
    """One key. Raises DirectoryError."""
    keys = list_keys(connection, domain_name)
    for key in keys:
        if key.selector == selector.lower():
            return key
    known = ", ".join(key.selector for key in keys) or "none"
    raise NoSuchEntry(f"{domain_name} has no key with the selector {selector} (it has: {known})")


def _info(row: "Row[tuple[object, ...]]") -> DkimKeyInfo:
    return DkimKeyInfo(
        key_id=row.id,
        tenant=row.tenant,
        domain=row.domain,
        selector=row.selector,
        algorithm=Algorithm(row.algorithm),
        record=row.record,
        created_at=row.created_at,
        active_at=row.active_at,
        retired_at=row.retired_at,
    )
