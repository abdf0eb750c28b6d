"""Accounts, and as whom they may send beside their own address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exists, func, insert, select, update

from pillarbox.errors import AddressError, DirectoryError, NoSuchEntry
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.admin.ids import directory_id
from pillarbox.store.admin.tenants import find_tenant_id, owner_of, read_domain
from pillarbox.store.generation import Part, moved
from pillarbox.store.schema_directory import account, credential, send_as, tenant

NULL_PATH = "<>"
"""The grant to send with the null reverse-path, for mail servers that pass bounces on."""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account as administrators see it. `send_as`: what it may use beside its own address."""

    account_id: int
    tenant: str
    address: str
    send_as: tuple[str, ...]
    credentials: int
    created_at: Timestamp
    disabled_at: Timestamp | None
    recipients_per_day: int | None
    held_at: Timestamp | None
    hold_reason: str


def add_account(
    connection: Connection, address: str, *, now: Timestamp, tenant_name: str | None = None
) -> int:
    """Add an account; its id. The domain says whose it is; `tenant_name` is checked if given.

    Raises DirectoryError.
    """
    mailbox = read_address(address)
    owner = owner_of(connection, mailbox.domain_key)
    if tenant_name is not None and find_tenant_id(connection, tenant_name) != owner:
        raise _foreign_domain(mailbox.domain_key, tenant_name)
    if owner is None:
        raise DirectoryError(
            f"no tenant has the domain {mailbox.domain_key}: "
            f"add it first (`pillarbox domain add {mailbox.domain_key}`)"
        )
    if connection.scalar(select(exists().where(account.c.address_key == mailbox.key))):
        raise DirectoryError(f"there is an account {mailbox.address} already")
    account_id = directory_id(now)
    row = {
        "id": account_id,
        "tenant_id": owner,
        "address": mailbox.address,
        "address_key": mailbox.key,
        "created_at": now,
    }
    connection.execute(insert(account).values(row))
    moved(connection, Part.DIRECTORY)
    return account_id


def disable_account(connection: Connection, address: str, *, disabled_at: Timestamp | None) -> None:
    """Let nobody log in with this account from now on; None lets them again."""
    row = find_account(connection, address)
    statement = update(account).where(account.c.id == row["id"]).values(disabled_at=disabled_at)
    connection.execute(statement)
    moved(connection, Part.DIRECTORY)


def limit_account(connection: Connection, address: str, recipients_per_day: int | None) -> None:
    """Let an account send to so many recipients a day; None: as many as the tenant says."""
    if recipients_per_day is not None and recipients_per_day < 1:
        raise DirectoryError("the limit of recipients a day is at least 1, or not set at all")
    row = find_account(connection, address)
    statement = update(account).where(account.c.id == row["id"])
    connection.execute(statement.values(recipients_per_day=recipients_per_day))
    moved(connection, Part.DIRECTORY)


def remove_account(connection: Connection, address: str) -> None:
    """Remove an account with its credentials and grants. What it sent before stays in the queue
    and in the trace."""
    row = find_account(connection, address)
    connection.execute(delete(account).where(account.c.id == row["id"]))
    moved(connection, Part.DIRECTORY)


def list_accounts(
    connection: Connection, *, tenant_name: str | None = None, address: str | None = None
) -> list[AccountInfo]:
    """Accounts by address: all, those of a tenant, or the one with this address."""
    query = select(account, tenant.c.name.label("tenant_name")).join(
        tenant, tenant.c.id == account.c.tenant_id
    )
    if tenant_name is not None:
        query = query.where(tenant.c.id == find_tenant_id(connection, tenant_name))
    if address is not None:
        query = query.where(account.c.address_key == read_address(address).key)
    grants: dict[int, list[str]] = {}
    for row in connection.execute(select(send_as).order_by(send_as.c.pattern)):
        grants.setdefault(row.account_id, []).append(row.pattern)
    counted = select(credential.c.account_id, func.count()).group_by(credential.c.account_id)
    counts: dict[int, int] = dict(connection.execute(counted).all())
    return [
        AccountInfo(
            account_id=row.id,
            tenant=row.tenant_name,
            address=row.address,
            send_as=tuple(grants.get(row.id, ())),
            credentials=counts.get(row.id, 0),
            created_at=row.created_at,
            disabled_at=row.disabled_at,
            recipients_per_day=row.recipients_per_day,
            held_at=row.held_at,
            hold_reason=row.hold_reason or "",
        )
        for row in connection.execute(query.order_by(account.c.address_key))
    ]


def show_account(connection: Connection, address: str) -> AccountInfo:
    """One account. Raises DirectoryError."""
    found = list_accounts(connection, address=address)
    if not found:
        raise _no_account(address)
    return found[0]


def find_account(connection: Connection, address: str) -> "RowMapping | Mapping[str, Any]":
    """The row of the account with this address. Raises DirectoryError."""
    query = select(account).where(account.c.address_key == read_address(address).key)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise _no_account(address)
    return row


def add_send_as(connection: Connection, address: str, pattern: str) -> str:
    """Let an account send as another address, as "@domain" for every address of a domain, or as
    "<>" for the null reverse-path; the pattern as it is kept. Raises DirectoryError."""
    row = find_account(connection, address)
    local, _, name = pattern.rpartition("@")
    # A star alone would be a local part as any other.
    if local == "*" or ("@" not in pattern and "." in pattern):
        raise DirectoryError(
            f"{pattern!r} is no address: write @{name} for every address of that domain"
        )
    key, domain_name = _read_pattern(pattern)
    if domain_name and owner_of(connection, domain_name) != row["tenant_id"]:
        raise DirectoryError(
            f"the domain {domain_name} is not one of the tenant of {row['address']}: "
            "an account sends only as addresses of its own tenant"
        )
    is_it = (send_as.c.account_id == row["id"], send_as.c.pattern == key)
    if key == row["address_key"] or connection.scalar(select(exists().where(*is_it))):
        raise DirectoryError(f"{row['address']} may send as {pattern} already")
    connection.execute(insert(send_as).values(account_id=row["id"], pattern=key))
    moved(connection, Part.DIRECTORY)
    return key


def remove_send_as(connection: Connection, address: str, pattern: str) -> None:
    """Take back what add_send_as gave. Raises DirectoryError."""
    row = find_account(connection, address)
    key, _ = _read_pattern(pattern)
    is_it = (send_as.c.account_id == row["id"], send_as.c.pattern == key)
    if connection.execute(delete(send_as).where(*is_it)).rowcount == 0:
        raise NoSuchEntry(f"{row['address']} was not allowed to send as {pattern}")
    moved(connection, Part.DIRECTORY)


def _read_pattern(pattern: str) -> tuple[str, str]:
    """The pattern as it is kept, and the domain that it is about."""
    if pattern == NULL_PATH:
        return pattern, ""
    if pattern.startswith("@"):
        name = read_domain(pattern[1:])
        return f"@{name}", name
    mailbox = read_address(pattern)
    return mailbox.key, mailbox.domain_key


def read_address(address: str) -> Mailbox:
    """An address that an administrator typed. Raises DirectoryError."""
    try:
        return parse_mailbox(address)
    except AddressError as error:
        raise DirectoryError(f"{address!r} is no mail address: {error}") from error


def _no_account(address: str) -> NoSuchEntry:
    return NoSuchEntry(f"there is no account {address} (`pillarbox account list` shows all)")


def _foreign_domain(domain_name: str, tenant_name: str) -> DirectoryError:
    return DirectoryError(
        f"the domain {domain_name} is not one of tenant {tenant_name!r}: add it first "
        f"(`pillarbox domain add {domain_name} --tenant {tenant_name}`), or use another address"
    )
