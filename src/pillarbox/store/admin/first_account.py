"""The first tenant with its first account, so that a new service can be tried at once."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from pillarbox.mail.envelope import Timestamp
from pillarbox.store.admin.accounts import add_account, list_accounts, read_address
from pillarbox.store.admin.credentials import add_password
from pillarbox.store.admin.tenants import add_domain, add_tenant, list_tenants

TENANT = "default"
LABEL = "first start"
"""Of the credential."""


@dataclass(frozen=True, slots=True)
class FirstAccount:
    """The account to begin with. `password` is "" unless it was just made."""

    address: str
    password: str = field(default="", repr=False)


def ensure_first_account(
    connection: Connection, address: str, *, now: Timestamp
) -> FirstAccount | None:
    """In an empty directory: the tenant `default` with the domain and the account of this address.

    Else the account with this address, or the oldest one; None: there are tenants and no account.
    Raises DirectoryError.
    """
    mailbox = read_address(address)
    accounts = list_accounts(connection)
    if accounts:
        named = [found for found in accounts if read_address(found.address).key == mailbox.key]
        oldest = min(accounts, key=lambda found: found.account_id)
        return FirstAccount((named or [oldest])[0].address)
    if list_tenants(connection):
        return None
    add_tenant(connection, TENANT, now=now)
    add_domain(connection, TENANT, mailbox.domain, now=now)
    add_account(connection, mailbox.address, now=now, tenant_name=TENANT)
    made = add_password(connection, mailbox.address, LABEL, now=now)
    return FirstAccount(mailbox.address, made.password)
