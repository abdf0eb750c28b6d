"""Domains that tenants say are theirs, until they have proved it by a record in DNS.

A claim gives no right at all: accounts, grants and keys know only the table of domains. Several
tenants may claim one domain, also one that another tenant has; each has a token of its own, so what
one of them published says nothing for another, nor for whoever claims it later.
"""

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from pillarbox.errors import DirectoryError
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.admin.ids import directory_id
from pillarbox.store.admin.tenants import (
    find_tenant_id,
    owner_of,
    read_domain,
    read_new_domain,
    take_domain,
)
from pillarbox.store.schema_directory import domain, domain_claim, tenant
from pillarbox.store.upsert import insert_or_update

_TOKEN_OCTETS = 16
"""Nobody guesses 128 bits."""


@dataclass(frozen=True, slots=True)
class DomainClaim:
    """A domain that a tenant says is its own, and what has to stand in DNS."""

    claim_id: int
    tenant: str
    name: str
    token: str
    created_at: Timestamp


def claim_domain(
    connection: Connection, tenant_name: str, name: str, *, now: Timestamp
) -> DomainClaim:
    """Note that a tenant says so. Raises DirectoryError."""
    key = read_new_domain(name)
    tenant_id = find_tenant_id(connection, tenant_name)
    if owner_of(connection, key) == tenant_id:
        raise DirectoryError(f"tenant {tenant_name!r} has the domain {key} already")
    token = secrets.token_hex(_TOKEN_OCTETS)
    claim = DomainClaim(directory_id(now), tenant_name, key, token, now)
    row = {
        "id": claim.claim_id,
        "tenant_id": tenant_id,
        "name": key,
        "token": token,
        "created_at": now,
    }
    claiming = insert_or_update(connection, domain_claim).values(row).on_conflict_do_nothing()
    connection.execute(claiming)
    made = select(domain_claim.c.id).where(domain_claim.c.id == claim.claim_id)
    if connection.scalar(made) is None:
        raise DirectoryError(
            f"tenant {tenant_name!r} claims {key} already: `pillarbox domain show {key}` tells the"
            " record to publish"
        )
    return claim


def prove_claim(connection: Connection, claim: DomainClaim, *, now: Timestamp) -> None:
    """Let the domain be the tenant's: its record was seen in DNS. Raises DirectoryError where
    another tenant has it, or the claim is gone; then nothing changes."""
    tenant_id = find_tenant_id(connection, claim.tenant)
    this = (domain_claim.c.id == claim.claim_id, domain_claim.c.token == claim.token)
    if connection.execute(delete(domain_claim).where(*this)).rowcount == 0:
        raise DirectoryError(f"the claim of {claim.name} was withdrawn in the meantime")
    take_domain(connection, tenant_id, claim.name, now=now, token=claim.token)


def withdraw_claim(connection: Connection, claim: DomainClaim) -> bool:
    """Forget a claim; whether it was there."""
    this = domain_claim.c.id == claim.claim_id
    return connection.execute(delete(domain_claim).where(this)).rowcount > 0


def list_claims(connection: Connection, tenant_name: str | None = None) -> list[DomainClaim]:
    """All claims, or those of one tenant, by domain and age. Raises DirectoryError for no such
    tenant."""
    query = (
        select(
            domain_claim.c.id,
            tenant.c.name,
            domain_claim.c.name,
            domain_claim.c.token,
            domain_claim.c.created_at,
        )
        .join(tenant, tenant.c.id == domain_claim.c.tenant_id)
        .order_by(domain_claim.c.name, domain_claim.c.id)
    )
    if tenant_name is not None:
        query = query.where(tenant.c.id == find_tenant_id(connection, tenant_name))
    return [DomainClaim(*row) for row in connection.execute(query)]


def touches_another(connection: Connection, tenant_name: str, name: str) -> bool:
    """Whether the domain stands above or below one of another tenant: what one of them may send as
    is what the other's readers trust."""
    key = read_domain(name)
    tenant_id = find_tenant_id(connection, tenant_name)
    above = key.split(".")
    names = [".".join(above[at:]) for at in range(1, len(above))]
    below = domain.c.name.endswith(f".{key}", autoescape=True)
    query = select(domain.c.id).where(domain.c.tenant_id != tenant_id)
    return connection.scalar(query.where(below | domain.c.name.in_(names)).limit(1)) is not None
