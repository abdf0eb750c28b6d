"""Tenants and their domains."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from pillarbox.errors import AddressError, DirectoryError, NoSuchEntry
from pillarbox.mail.address import domain_key
from pillarbox.mail.envelope import Timestamp
from pillarbox.retry import RetryPolicy
from pillarbox.store.admin.ids import directory_id
from pillarbox.store.generation import Part, moved
from pillarbox.store.schema import message
from pillarbox.store.schema_directory import account, domain, domain_claim, send_as, tenant
from pillarbox.store.upsert import insert_or_update

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What can be changed of a tenant. None: the limit of the service holds, no delay notice,
    no limit for accounts that have none of their own."""

    keep_content_days: int = 0
    retry_first_seconds: int = 60
    retry_longest_seconds: int = 14_400
    give_up_seconds: int = 172_800
    delay_notice_seconds: int | None = 14_400
    size_limit_octets: int | None = None
    recipient_limit: int | None = None
    account_recipients_per_day: int | None = None
    suppress_days: int = 30

    @property
    def retry(self) -> RetryPolicy:
        """The part that says when to try again."""
        return RetryPolicy(
            self.retry_first_seconds,
            self.retry_longest_seconds,
            self.give_up_seconds,
            self.delay_notice_seconds,
        )


@dataclass(frozen=True, slots=True)
class TenantInfo:
    """A tenant as administrators see it."""

    tenant_id: int
    name: str
    settings: TenantSettings
    domains: tuple[str, ...]
    accounts: int
    created_at: Timestamp
    disabled_at: Timestamp | None


@dataclass(frozen=True, slots=True)
class DomainInfo:
    """A domain and whose it is. `proof` is "administrator" or "dns", then with the `token` by which
    it was proved, else "". `return_path` is the domain to which its mail comes back, "" if none."""

    name: str
    tenant: str
    created_at: Timestamp
    proof: str
    token: str
    return_path: str


def add_tenant(
    connection: Connection, name: str, *, now: Timestamp, settings: TenantSettings | None = None
) -> int:
    """Add a tenant; its id. Raises DirectoryError."""
    if not _NAME.fullmatch(name):
        raise DirectoryError(
            f"{name!r} is no name for a tenant: use lower-case letters, digits, '.', '_' and '-', "
            "at most 64, with a letter or digit first and last"
        )
    if connection.scalar(select(exists().where(tenant.c.name == name))):
        raise DirectoryError(f"there is a tenant {name!r} already")
    settings = settings or TenantSettings()
    _check_settings(settings)
    tenant_id = directory_id(now)
    values = {"id": tenant_id, "name": name, "created_at": now, **asdict(settings)}
    connection.execute(insert(tenant).values(values))
    moved(connection, Part.DIRECTORY)
    return tenant_id


def change_tenant(connection: Connection, name: str, settings: TenantSettings) -> None:
    """Give a tenant other settings. Raises DirectoryError."""
    _check_settings(settings)
    tenant_id = find_tenant_id(connection, name)
    connection.execute(update(tenant).where(tenant.c.id == tenant_id).values(asdict(settings)))
    moved(connection, Part.DIRECTORY)


def disable_tenant(connection: Connection, name: str, *, disabled_at: Timestamp | None) -> None:
    """Let nobody of the tenant log in from now on; None lets them again. Queued mail goes on."""
    tenant_id = find_tenant_id(connection, name)
    statement = update(tenant).where(tenant.c.id == tenant_id).values(disabled_at=disabled_at)
    connection.execute(statement)
    moved(connection, Part.DIRECTORY)


def remove_tenant(connection: Connection, name: str) -> None:
    """Remove a tenant with its domains, accounts, credentials and routes. Raises DirectoryError
    while it has mail in the queue."""
    tenant_id = find_tenant_id(connection, name)
    has_mail = exists().where(message.c.tenant_id == tenant_id, message.c.finished_at.is_(None))
    if connection.scalar(select(has_mail)):
        raise DirectoryError(
            f"tenant {name!r} has mail in the queue: wait until it is delivered, or bounce it"
        )
    connection.execute(delete(tenant).where(tenant.c.id == tenant_id))
    moved(connection, Part.DIRECTORY)


def list_tenants(connection: Connection, name: str | None = None) -> list[TenantInfo]:
    """All tenants by name, or the one with this name."""
    query = select(tenant).order_by(tenant.c.name)
    if name is not None:
        query = query.where(tenant.c.name == name)
    domains: dict[int, list[str]] = {}
    for row in connection.execute(select(domain).order_by(domain.c.name)):
        domains.setdefault(row.tenant_id, []).append(row.name)
    counted = select(account.c.tenant_id, func.count()).group_by(account.c.tenant_id)
    accounts: dict[int, int] = dict(connection.execute(counted).all())
    return [
        _tenant_info(row, domains.get(row.id, ()), accounts.get(row.id, 0))
        for row in connection.execute(query)
    ]


def show_tenant(connection: Connection, name: str) -> TenantInfo:
    """One tenant. Raises DirectoryError."""
    found = list_tenants(connection, name)
    if not found:
        raise _no_tenant(name)
    return found[0]


def find_tenant_id(connection: Connection, name: str) -> int:
    """The id of the tenant with this name. Raises DirectoryError."""
    tenant_id: int | None = connection.scalar(select(tenant.c.id).where(tenant.c.name == name))
    if tenant_id is None:
        raise _no_tenant(name)
    return tenant_id


def _no_tenant(name: str) -> NoSuchEntry:
    return NoSuchEntry(f"there is no tenant {name!r} (`pillarbox tenant list` shows all)")


def _tenant_info(
    row: "Row[tuple[object, ...]]", domains: Sequence[str], accounts: int
) -> TenantInfo:
    settings = TenantSettings(
        **{name: getattr(row, name) for name in TenantSettings.__dataclass_fields__}
    )
    return TenantInfo(
        tenant_id=row.id,
        name=row.name,
        settings=settings,
        domains=tuple(domains),
        accounts=accounts,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def _check_settings(settings: TenantSettings) -> None:
    if settings.keep_content_days < 0:
        raise DirectoryError("content is kept for 0 days or more")
    if settings.suppress_days < 0:
        raise DirectoryError("addresses are suppressed for 0 days or more")
    if not 1 <= settings.retry_first_seconds <= settings.retry_longest_seconds:
        raise DirectoryError("the first pause is at least 1 second and at most the longest pause")
    if settings.give_up_seconds < 1:
        raise DirectoryError("the time until mail is given up is at least 1 second")
    for value, what in (
        (settings.delay_notice_seconds, "the time until a delay notice"),
        (settings.size_limit_octets, "the size limit"),
        (settings.recipient_limit, "the limit of recipients"),
        (settings.account_recipients_per_day, "the limit of recipients a day"),
    ):
        if value is not None and value < 1:
            raise DirectoryError(f"{what} is at least 1, or not set at all")


def add_domain(connection: Connection, tenant_name: str, name: str, *, now: Timestamp) -> str:
    """Give a domain to a tenant because an administrator says so; the name as it is kept. Raises
    DirectoryError."""
    key = read_new_domain(name)
    tenant_id = find_tenant_id(connection, tenant_name)
    take_domain(connection, tenant_id, key, now=now)
    is_claim = (domain_claim.c.tenant_id == tenant_id, domain_claim.c.name == key)
    connection.execute(delete(domain_claim).where(*is_claim))
    return key


def take_domain(
    connection: Connection, tenant_id: int, key: str, *, now: Timestamp, token: str = ""
) -> None:
    """Let a domain be a tenant's, by the token that stood in DNS or by an administrator's word. Of
    several who take it at once the first one has it; for the rest it raises DirectoryError."""
    row = {"id": directory_id(now), "tenant_id": tenant_id, "name": key, "created_at": now}
    row |= {"proof": "dns", "token": token} if token else {"proof": "administrator"}
    connection.execute(insert_or_update(connection, domain).values(row).on_conflict_do_nothing())
    found = connection.execute(select(domain).where(domain.c.name == key)).one()
    if found.id != row["id"]:
        if found.tenant_id == tenant_id:
            raise DirectoryError(f"the tenant has the domain {key} already")
        # Who else has it is nobody's business.
        raise DirectoryError(f"the domain {key} is not free")
    moved(connection, Part.DIRECTORY)


def remove_domain(connection: Connection, tenant_name: str, name: str) -> None:
    """Take a domain from a tenant, with the grants that name it. Raises DirectoryError while an
    account has an address in it."""
    key = read_domain(name)
    tenant_id = find_tenant_id(connection, tenant_name)
    if owner_of(connection, key, for_change=True) != tenant_id:
        raise NoSuchEntry(f"tenant {tenant_name!r} has no domain {key}")
    _check_empty(connection, key)
    connection.execute(delete(domain).where(domain.c.name == key))
    _remove_traces(connection, key)
    moved(connection, Part.DIRECTORY)


def move_domain(connection: Connection, name: str, tenant_name: str) -> None:
    """Give a domain to another tenant, with its DKIM keys and without the grants that name it: an
    administrator says so. Raises DirectoryError while an account has an address in it."""
    key = read_domain(name)
    tenant_id = find_tenant_id(connection, tenant_name)
    if owner_of(connection, key, for_change=True) in (tenant_id, None):
        raise DirectoryError(f"{key} is the domain of {tenant_name!r} already, or of nobody")
    _check_empty(connection, key)
    values = {"tenant_id": tenant_id, "proof": "administrator", "token": None}
    values |= {"mailboxes": None, "return_path": None}
    connection.execute(update(domain).where(domain.c.name == key).values(values))
    is_claim = (domain_claim.c.tenant_id == tenant_id, domain_claim.c.name == key)
    connection.execute(delete(domain_claim).where(*is_claim))
    _remove_traces(connection, key)
    moved(connection, Part.DIRECTORY)


def owner_of(connection: Connection, key: str, *, for_change: bool = False) -> int | None:
    """The id of the tenant that has a domain. Until the end of the transaction nobody takes it
    away: who adds an account in it and who removes it wait for each other (on SQLite one writes at
    a time anyway)."""
    query = select(domain.c.tenant_id).where(domain.c.name == key)
    owner: int | None = connection.scalar(query.with_for_update(read=not for_change))
    return owner


def _check_empty(connection: Connection, key: str) -> None:
    in_domain = account.c.address_key.endswith(f"@{key}", autoescape=True)
    address: str | None = connection.scalar(select(account.c.address).where(in_domain).limit(1))
    if address is not None:
        raise DirectoryError(f"{address} is in the domain {key}: remove that account first")


def _remove_traces(connection: Connection, key: str) -> None:
    """The grants that name a domain, and its use as a return path."""
    connection.execute(
        delete(send_as).where(send_as.c.pattern.endswith(f"@{key}", autoescape=True))
    )
    is_path = domain.c.return_path == key
    connection.execute(update(domain).where(is_path).values(return_path=None))


def set_return_path(connection: Connection, tenant_name: str, name: str, path: str | None) -> None:
    """Let what is sent from a domain come back to another domain of the same tenant, or to itself;
    None: to the sender. Raises DirectoryError."""
    tenant_id = find_tenant_id(connection, tenant_name)
    key = read_domain(name)
    path_key = None if path is None else read_domain(path)
    for one in filter(None, (key, path_key)):
        if owner_of(connection, one, for_change=True) != tenant_id:
            raise DirectoryError(
                f"tenant {tenant_name!r} has no domain {one} (add it: pillarbox domain add {one})"
            )
    is_it = domain.c.name == key
    connection.execute(update(domain).where(is_it).values(return_path=path_key))
    moved(connection, Part.DIRECTORY)


def list_domains(connection: Connection, tenant_name: str | None = None) -> list[DomainInfo]:
    """All domains, or those of one tenant, by name. Raises DirectoryError for no such tenant."""
    query = (
        select(
            domain.c.name,
            tenant.c.name,
            domain.c.created_at,
            domain.c.proof,
            func.coalesce(domain.c.token, ""),
            func.coalesce(domain.c.return_path, ""),
        )
        .join(tenant, tenant.c.id == domain.c.tenant_id)
        .order_by(domain.c.name)
    )
    if tenant_name is not None:
        query = query.where(tenant.c.id == find_tenant_id(connection, tenant_name))
    return [DomainInfo(*row) for row in connection.execute(query)]


def read_domain(name: str) -> str:
    """A domain as it is kept: a lower-case A-label. Raises DirectoryError."""
    try:
        key = domain_key(name)
    except AddressError as error:
        raise DirectoryError(f"{name!r} is no domain: {error}") from error
    if key.startswith("["):
        raise DirectoryError(f"{name} is an address, not a domain: write a name")
    return key


def read_new_domain(name: str) -> str:
    """The same of one that somebody says is his. Raises DirectoryError."""
    key = read_domain(name)
    if key.rpartition(".")[2].isdigit():
        raise DirectoryError(f"{name!r} is no domain: what ends in a number is read as an address")
    return key
