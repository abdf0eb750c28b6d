"""The queries behind store.directory."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlalchemy import Connection, RowMapping, not_, or_, select

from pillarbox.mail.dkim import SigningKey
from pillarbox.mail.envelope import Timestamp
from pillarbox.retry import RetryPolicy
from pillarbox.route import RouteTable
from pillarbox.store.hop_orders import caps_orders
from pillarbox.store.records import (
    Account,
    CredentialKind,
    Issuer,
    LoginRecord,
    PasswordCredential,
    SubjectCredential,
    Tenant,
)
from pillarbox.store.route_rows import route_of
from pillarbox.store.rows import mailbox_of
from pillarbox.store.schema_directory import (
    account,
    credential,
    dkim_key,
    domain,
    issuer,
    route,
    send_as,
    tenant,
)
from pillarbox.store.scram import CURRENT
from pillarbox.store.seal import Seal
from pillarbox.store.signing_keys import secret_context, signing_key

IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """A network that may send as an account without a login."""

    network: IpNetwork
    account: Account
    expires_at: Timestamp | None


def read_tenant(connection: Connection, tenant_id: int, seal: Seal) -> Tenant | None:
    """A tenant with its domains and routes. Raises SecretError."""
    query = select(tenant).where(tenant.c.id == tenant_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    query = select(domain.c.name, domain.c.return_path).where(domain.c.tenant_id == tenant_id)
    paths: dict[str, str | None] = dict(connection.execute(query).all())
    routes = connection.execute(select(route).where(route.c.tenant_id == tenant_id)).mappings()
    return Tenant(
        tenant_id=tenant_id,
        name=row["name"],
        domains=frozenset(paths),
        routes=RouteTable([route_of(found, seal) for found in routes], caps_orders(connection)),
        retry=RetryPolicy(
            first_seconds=row["retry_first_seconds"],
            longest_seconds=row["retry_longest_seconds"],
            give_up_seconds=row["give_up_seconds"],
            delay_notice_seconds=row["delay_notice_seconds"],
        ),
        keep_content_days=row["keep_content_days"],
        size_limit_octets=row["size_limit_octets"],
        recipient_limit=row["recipient_limit"],
        account_recipients_per_day=row["account_recipients_per_day"],
        suppress_days=row["suppress_days"],
        dkim_keys=_read_dkim_keys(connection, tenant_id, seal),
        return_paths={name: path for name, path in paths.items() if path in paths},
    )


def _read_dkim_keys(
    connection: Connection, tenant_id: int, seal: Seal
) -> dict[str, tuple[SigningKey, ...]]:
    """The keys that sign now, by domain; of a domain that with RSA first, which all verify."""
    query = (
        select(dkim_key, domain.c.name)
        .join(domain, domain.c.id == dkim_key.c.domain_id)
        .where(domain.c.tenant_id == tenant_id)
        .where(dkim_key.c.active_at.is_not(None), dkim_key.c.retired_at.is_(None))
        .order_by(dkim_key.c.algorithm.desc())
    )
    keys: dict[str, tuple[SigningKey, ...]] = {}
    for row in connection.execute(query):
        private = seal.open(row.private_sealed, secret_context(row.id))
        key = signing_key(row.name, row.selector, private)
        keys[row.name] = (*keys.get(row.name, ()), key)
    return keys


def read_account(connection: Connection, account_id: int, seal: Seal) -> Account | None:
    """An account with its tenant and grants."""
    query = select(account).where(account.c.id == account_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _account(connection, row, seal)


def read_login(connection: Connection, address_key: str, seal: Seal) -> LoginRecord | None:
    """An account that may log in, with its passwords, and its subjects of the issuer that its
    tenant has now."""
    query = (
        select(account)
        .join(tenant, tenant.c.id == account.c.tenant_id)
        .where(account.c.address_key == address_key)
        .where(account.c.disabled_at.is_(None), tenant.c.disabled_at.is_(None))
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    found = _account(connection, row, seal)
    if found is None:
        return None
    trusted = connection.execute(
        select(issuer.c.url, issuer.c.claim).where(issuer.c.tenant_id == row["tenant_id"])
    ).first()
    known = connection.execute(
        select(credential).where(credential.c.account_id == row["id"]).order_by(credential.c.id)
    ).all()
    return LoginRecord(
        found,
        tuple(
            PasswordCredential(
                one.id, one.label, one.password_hash, one.expires_at, one.scram_verifier or ""
            )
            for one in known
            if one.kind == CredentialKind.PASSWORD
        ),
        tuple(
            SubjectCredential(one.id, one.label, one.issuer, one.claim, one.subject, one.expires_at)
            for one in known
            if trusted is not None and (one.issuer, one.claim) == (trusted.url, trusted.claim)
        ),
    )


def read_issuers(connection: Connection) -> Mapping[int, Issuer]:
    """The issuers of all tenants that are switched on, by the tenant's id."""
    query = (
        select(issuer)
        .join(tenant, tenant.c.id == issuer.c.tenant_id)
        .where(tenant.c.disabled_at.is_(None))
    )
    rows = connection.execute(query).mappings()
    return {row["tenant_id"]: issuer_of(row) for row in rows}


def read_networks(connection: Connection, seal: Seal) -> tuple[NetworkRecord, ...]:
    """All networks that may send without a login, the narrowest first."""
    query = (
        select(
            credential.c.id.label("credential_id"),
            credential.c.network,
            credential.c.expires_at,
            account,
        )
        .join(account, account.c.id == credential.c.account_id)
        .join(tenant, tenant.c.id == account.c.tenant_id)
        .where(credential.c.kind == CredentialKind.NETWORK.value)
        .where(account.c.disabled_at.is_(None), tenant.c.disabled_at.is_(None))
        .order_by(credential.c.id)
    )
    records: list[NetworkRecord] = []
    for row in connection.execute(query).mappings().all():
        found = _account(connection, row, seal)
        if found is not None:
            owner = replace(found, credential_id=row["credential_id"])
            network = ipaddress.ip_network(row["network"])
            records.append(NetworkRecord(network, owner, row["expires_at"]))
    records.sort(key=lambda record: record.network.prefixlen, reverse=True)
    return tuple(records)


def lacks_verifiers(connection: Connection, now: Timestamp) -> bool:
    """Whether a password that can be used to log in has no verifier for SCRAM, or an old one."""
    verifier = credential.c.scram_verifier
    missing = (
        select(credential.c.id)
        .join(account, account.c.id == credential.c.account_id)
        .join(tenant, tenant.c.id == account.c.tenant_id)
        .where(credential.c.kind == CredentialKind.PASSWORD.value)
        .where(account.c.disabled_at.is_(None), tenant.c.disabled_at.is_(None))
        .where(or_(credential.c.expires_at.is_(None), credential.c.expires_at > now))
        .where(or_(verifier.is_(None), not_(verifier.startswith(CURRENT, autoescape=True))))
    )
    return bool(connection.scalar(select(missing.exists())))


def issuer_of(row: RowMapping) -> Issuer:
    """The value of a row of `issuer`."""
    return Issuer(
        url=row["url"],
        audiences=frozenset(row["audiences"].split()),
        claim=row["claim"],
        scope=row["scope"] or "",
        ca_file=row["ca_file"] or "",
    )


def _account(
    connection: Connection, row: RowMapping | Mapping[str, Any], seal: Seal
) -> Account | None:
    owner = read_tenant(connection, row["tenant_id"], seal)
    if owner is None:
        return None
    patterns = connection.scalars(
        select(send_as.c.pattern).where(send_as.c.account_id == row["id"])
    )
    own_limit = row["recipients_per_day"]
    return Account(
        account_id=row["id"],
        tenant=owner,
        address=mailbox_of(row["address"]),
        credential_id=None,
        send_as=frozenset((row["address_key"], *patterns)),
        recipients_per_day=owner.account_recipients_per_day if own_limit is None else own_limit,
        is_held=row["held_at"] is not None,
    )
