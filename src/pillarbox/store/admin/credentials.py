"""Credentials of accounts: a password for each device or program, a network that needs none, or a
subject of the tenant's issuer, whose tokens log in.

A password is made here, or chosen, and comes back once; only its hash is kept.
"""

import ipaddress
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, exists, insert, select, update

from pillarbox.errors import DirectoryError, NoSuchEntry
from pillarbox.mail.envelope import Timestamp
from pillarbox.publish.literals import shell_literal
from pillarbox.store.admin.accounts import find_account
from pillarbox.store.admin.ids import directory_id
from pillarbox.store.generation import Part, moved
from pillarbox.store.passwords import hash_password, make_password
from pillarbox.store.records import CredentialKind
from pillarbox.store.schema_directory import account, credential, issuer
from pillarbox.store.scram import (
    CURRENT,
    UnfitPassword,
    ensure_scram_key,
    make_verifier,
    salt_for,
)

_MAX_LABEL = 64
_MAX_SUBJECT = 256

SHORTEST_PASSWORD = 12
"""Characters of a password that a person chose; one that is made has more, and by chance."""

_LONGEST_PASSWORD_OCTETS = 1024

_WIDEST = {4: 8, 6: 32}
"""The shortest prefix of a network that may send without a login, by version of IP."""


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """A credential as administrators see it. `network` is "" unless it is one; `issuer`, `claim`
    and `subject` are "" unless it is known by tokens."""

    credential_id: int
    address: str
    label: str
    kind: CredentialKind
    network: str
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    issuer: str = ""
    claim: str = ""
    subject: str = ""
    has_verifier: bool = False
    """Of a password: SCRAM can use it."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that was just made: the only time that it is known."""

    credential_id: int
    password: str = field(repr=False)


def add_password(
    connection: Connection,
    address: str,
    label: str,
    *,
    now: Timestamp,
    expires_at: Timestamp | None = None,
    chosen: str | None = None,
    with_scram: bool = False,
) -> NewPassword:
    """Give an account one more password: `chosen`, which devices may have already, or a new one.
    `with_scram`: it can be used for SCRAM at once. Raises DirectoryError.
    """
    if chosen is not None:
        _check_chosen(chosen)
    account_id = _check(connection, address, label, now=now, expires_at=expires_at)
    beside = connection.scalars(
        select(credential.c.password_hash).where(
            credential.c.account_id == account_id, credential.c.password_hash.is_not(None)
        )
    ).all()
    password = chosen or make_password()
    values = {
        "kind": CredentialKind.PASSWORD.value,
        "password_hash": hash_password(password, beside),
    }
    if with_scram:
        values["scram_verifier"] = _verifier(connection, address, password)
    credential_id = _insert(connection, account_id, label, now=now, values=values)
    _set_expiry(connection, credential_id, expires_at)
    return NewPassword(credential_id, password)


def _verifier(connection: Connection, address: str, password: str) -> str:
    key: str = find_account(connection, address)["address_key"]
    try:
        return make_verifier(password, salt_for(ensure_scram_key(connection), key))
    except UnfitPassword as error:
        raise DirectoryError(
            "the password has characters that SCRAM does not know: choose others, or set "
            "scram_sha_256 = false"
        ) from error


def add_network(
    connection: Connection,
    address: str,
    label: str,
    *,
    network: str,
    now: Timestamp,
    expires_at: Timestamp | None = None,
) -> int:
    """Let a network send as an account without a login, on listeners that allow it; the id of the
    credential. `network`: "192.0.2.17" or "192.0.2.0/24". Raises DirectoryError."""
    parsed = read_network(network)
    account_id = _check(connection, address, label, now=now, expires_at=expires_at)
    values = {"kind": CredentialKind.NETWORK.value, "network": str(parsed)}
    credential_id = _insert(connection, account_id, label, now=now, values=values)
    _set_expiry(connection, credential_id, expires_at)
    return credential_id


def add_subject(
    connection: Connection,
    address: str,
    label: str,
    *,
    subject: str,
    now: Timestamp,
    expires_at: Timestamp | None = None,
) -> int:
    """Let tokens of a subject of the tenant's issuer log an account in; the id of the credential.
    The claim is the one that the issuer is set up with now. Raises DirectoryError."""
    _check_subject(subject)
    account_id = _check(connection, address, label, now=now, expires_at=expires_at)
    row = connection.execute(
        select(issuer.c.url, issuer.c.claim)
        .join(account, account.c.tenant_id == issuer.c.tenant_id)
        .where(account.c.id == account_id)
    ).first()
    if row is None:
        raise DirectoryError(
            f"the tenant of {address} has no issuer of tokens: set one first (pillarbox issuer set)"
        )
    values = {
        "kind": CredentialKind.OAUTH2.value,
        "issuer": row.url,
        "claim": row.claim,
        "subject": subject,
    }
    credential_id = _insert(connection, account_id, label, now=now, values=values)
    _set_expiry(connection, credential_id, expires_at)
    return credential_id


@dataclass(frozen=True, slots=True)
class CredentialChanges:
    """What is to be changed of a credential; None: it stays."""

    label: str | None = None
    network: str | None = None
    subject: str | None = None


def change_credential(
    connection: Connection, address: str, label: str, changes: CredentialChanges
) -> None:
    """Give a credential another label, network or subject; a password stays what it is. Raises
    DirectoryError."""
    credential_id = _find(connection, address, label)
    kind: str | None = connection.scalar(
        select(credential.c.kind).where(credential.c.id == credential_id)
    )
    values: dict[str, str] = {}
    if changes.label is not None and changes.label != label:
        _check_label(connection, address, changes.label)
        values["label"] = changes.label
    if changes.network is not None:
        if kind != CredentialKind.NETWORK:
            raise DirectoryError(f"{label!r} is no network: add one beside it")
        values["network"] = str(read_network(changes.network))
    if changes.subject is not None:
        if kind != CredentialKind.OAUTH2:
            raise DirectoryError(f"{label!r} is not known by tokens: add a subject beside it")
        _check_subject(changes.subject)
        values["subject"] = changes.subject
    if values:
        is_it = credential.c.id == credential_id
        connection.execute(update(credential).where(is_it).values(values))
        moved(connection, Part.DIRECTORY)


def set_expiry(
    connection: Connection, address: str, label: str, *, expires_at: Timestamp | None
) -> None:
    """Let a credential end at another moment, or never."""
    _set_expiry(connection, _find(connection, address, label), expires_at)
    moved(connection, Part.DIRECTORY)


def remove_credential(connection: Connection, address: str, label: str) -> None:
    """Remove a credential; who uses it can not log in any more. Raises DirectoryError."""
    credential_id = _find(connection, address, label)
    connection.execute(delete(credential).where(credential.c.id == credential_id))
    moved(connection, Part.DIRECTORY)


def list_credentials(connection: Connection, address: str | None = None) -> list[CredentialInfo]:
    """All credentials, or those of one account, by address and label. Raises DirectoryError."""
    query = select(credential, account.c.address).join(
        account, account.c.id == credential.c.account_id
    )
    if address is not None:
        query = query.where(account.c.id == find_account(connection, address)["id"])
    return [
        CredentialInfo(
            credential_id=row.id,
            address=row.address,
            label=row.label,
            kind=CredentialKind(row.kind),
            network=row.network or "",
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            issuer=row.issuer or "",
            claim=row.claim or "",
            subject=row.subject or "",
            has_verifier=(row.scram_verifier or "").startswith(CURRENT),
        )
        for row in connection.execute(query.order_by(account.c.address_key, credential.c.label))
    ]


def read_network(text: str) -> "ipaddress.IPv4Network | ipaddress.IPv6Network":
    """An address range that an administrator typed. Raises DirectoryError."""
    try:
        network = ipaddress.ip_network(text.strip())
    except ValueError as error:
        hint = "write an address such as 192.0.2.17 or a range such as 192.0.2.0/24"
        raise DirectoryError(f"{text!r} is no network: {error} ({hint})") from error
    if network.prefixlen < _WIDEST[network.version]:
        raise DirectoryError(
            f"{network} is too wide: everybody in it could send without a login "
            f"(at most /{_WIDEST[network.version]})"
        )
    return network


def _check(
    connection: Connection,
    address: str,
    label: str,
    *,
    now: Timestamp,
    expires_at: Timestamp | None,
) -> int:
    """The id of the account, if it can get a credential like this."""
    account_id = _check_label(connection, address, label)
    if expires_at is not None and expires_at <= now:
        raise DirectoryError("the credential would have ended already: choose a later moment")
    return account_id


def _check_subject(subject: str) -> None:
    if not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        raise DirectoryError(f"{subject!r} is no subject: it has 1 to {_MAX_SUBJECT} characters")


def _check_label(connection: Connection, address: str, label: str) -> int:
    """The id of the account, if it can have this label."""
    if not label.strip() or len(label) > _MAX_LABEL or not label.isprintable():
        raise DirectoryError(
            f"{label!r} is no label: say in 1 to {_MAX_LABEL} characters what uses the credential, "
            "for example 'printer in the hall'"
        )
    row = find_account(connection, address)
    account_id: int = row["id"]
    is_it = (credential.c.account_id == account_id, credential.c.label == label)
    if connection.scalar(select(exists().where(*is_it))):
        raise DirectoryError(f"{row['address']} has a credential {label!r} already")
    return account_id


def _check_chosen(password: str) -> None:
    """A password that somebody chose is tried by those who guess; it needs some length."""
    if len(password) < SHORTEST_PASSWORD:
        raise DirectoryError(
            f"the password is too short: choose at least {SHORTEST_PASSWORD} characters, or let "
            "one be made"
        )
    if not password.isprintable() or len(password.encode()) > _LONGEST_PASSWORD_OCTETS:
        raise DirectoryError("the password has control characters or is too long for a login")


def _insert(
    connection: Connection,
    account_id: int,
    label: str,
    *,
    now: Timestamp,
    values: dict[str, str],
) -> int:
    credential_id = directory_id(now)
    row = {"id": credential_id, "account_id": account_id, "label": label, "created_at": now}
    connection.execute(insert(credential).values(row | values))
    moved(connection, Part.DIRECTORY)
    return credential_id


def _set_expiry(connection: Connection, credential_id: int, expires_at: Timestamp | None) -> None:
    connection.execute(
        update(credential).where(credential.c.id == credential_id).values(expires_at=expires_at)
    )


def _find(connection: Connection, address: str, label: str) -> int:
    row = find_account(connection, address)
    found: int | None = connection.scalar(
        select(credential.c.id).where(
            credential.c.account_id == row["id"], credential.c.label == label
        )
    )
    if found is None:
        raise NoSuchEntry(
            f"{row['address']} has no credential {label!r}"
            f" (`pillarbox credential list {shell_literal(row['address'])}` shows all)"
        )
    return found
