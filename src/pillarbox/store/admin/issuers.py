"""Whose tokens the accounts of a tenant may log in with: one issuer for each tenant."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, insert, select

from pillarbox.errors import DirectoryError, NoSuchEntry
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.admin.tenants import find_tenant_id
from pillarbox.store.directory_reading import issuer_of
from pillarbox.store.generation import Part, moved
from pillarbox.store.records import Issuer
from pillarbox.store.schema_directory import issuer, tenant

CLAIMS = ("sub", "oid", "upn", "email", "appid", "azp", "client_id")
"""The claims that can name a subject."""

_MAX_URL = 512
_MAX_WORD = 256
_MAX_AUDIENCES = 16


@dataclass(frozen=True, slots=True)
class IssuerInfo:
    """The issuer of a tenant as administrators see it."""

    tenant: str
    issuer: Issuer
    created_at: Timestamp


def set_issuer(connection: Connection, tenant_name: str, wanted: Issuer, *, now: Timestamp) -> None:
    """Give a tenant an issuer, in place of the one it may have. Raises DirectoryError."""
    _check(wanted)
    tenant_id = find_tenant_id(connection, tenant_name)
    connection.execute(delete(issuer).where(issuer.c.tenant_id == tenant_id))
    connection.execute(
        insert(issuer).values(
            tenant_id=tenant_id,
            url=wanted.url,
            audiences=" ".join(sorted(wanted.audiences)),
            claim=wanted.claim,
            scope=wanted.scope or None,
            ca_file=wanted.ca_file or None,
            created_at=now,
        )
    )
    moved(connection, Part.DIRECTORY)


def remove_issuer(connection: Connection, tenant_name: str) -> None:
    """Tokens log nobody of this tenant in any more. Raises DirectoryError."""
    tenant_id = find_tenant_id(connection, tenant_name)
    done = connection.execute(delete(issuer).where(issuer.c.tenant_id == tenant_id))
    if not done.rowcount:
        raise NoSuchEntry(f"the tenant {tenant_name!r} has no issuer")
    moved(connection, Part.DIRECTORY)


def list_issuers(connection: Connection) -> list[IssuerInfo]:
    """The issuers of all tenants that have one, by the tenant's name."""
    query = (
        select(issuer, tenant.c.name.label("tenant_name"))
        .join(tenant, tenant.c.id == issuer.c.tenant_id)
        .order_by(tenant.c.name)
    )
    return [
        IssuerInfo(row["tenant_name"], issuer_of(row), row["created_at"])
        for row in connection.execute(query).mappings()
    ]


def _check(wanted: Issuer) -> None:
    _check_url(wanted.url)
    if not 0 < len(wanted.audiences) <= _MAX_AUDIENCES:
        raise DirectoryError(f"name 1 to {_MAX_AUDIENCES} audiences: what tokens for us are for")
    for word in (*wanted.audiences, *filter(None, [wanted.scope])):
        if not word.isprintable() or not word or " " in word or len(word) > _MAX_WORD:
            raise DirectoryError(f"{word!r} is no audience or scope: it is one word without blanks")
    if wanted.claim not in CLAIMS:
        raise DirectoryError(
            f"{wanted.claim!r} can not name a subject: choose one of {', '.join(CLAIMS)}"
        )


def _check_url(url: str) -> None:
    """An issuer is an https URL without query and fragment (OpenID Connect Discovery 3)."""
    hint = "write it as the issuer spells it, such as https://login.example.org/tenant"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if not host or parts.scheme != "https" or not url.isascii() or len(url) > _MAX_URL:
        raise DirectoryError(f"{url!r} is no https URL ({hint})")
    if parts.username is not None or parts.query or parts.fragment or "#" in url or "?" in url:
        raise DirectoryError(f"{url!r} has a login, query or fragment in it ({hint})")
    if any(character in url for character in " {}\\\"'") or not url.isprintable():
        raise DirectoryError(
            f"{url!r} is the pattern of many issuers: put the tenant's own id in its place ({hint})"
        )
