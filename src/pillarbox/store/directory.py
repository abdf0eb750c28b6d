"""The directory as the service reads it: who may log in, and where a tenant's mail goes.

Everything that was read is kept in memory until the generation of the directory moves, so a
login or a message costs no query. Changes are made by store.admin.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Generic, TypeAlias, TypeVar

from sqlalchemy import Connection

from pillarbox.errors import AddressError
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.store import directory_reading as reading
from pillarbox.store.batch import RowsWork
from pillarbox.store.database import Database
from pillarbox.store.directory_reading import NetworkRecord
from pillarbox.store.generation import Part, generation
from pillarbox.store.records import Account, Issuer, LoginRecord, Tenant
from pillarbox.store.scram import keep_verifier
from pillarbox.store.seal import Seal
from pillarbox.store.statements import Do

KEPT = 10_000
"""Accounts and tenants of each kind that are kept in memory."""

UNKNOWN_KEPT = 1_000
"""User names that do not exist and are remembered as such; guesses must not push out the rest."""

TOUCH_MS = 60_000
"""`last_used_at` of a credential is written at most this often."""

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

K = TypeVar("K")
V = TypeVar("V")


class Directory:
    """One for each process, over its database."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal
        self.generation = 0
        """Grows with every change in the directory, once `refresh` has seen it."""
        self._logins: _Cache[str, LoginRecord] = _Cache(KEPT)
        self._unknown: _Cache[str, None] = _Cache(UNKNOWN_KEPT)
        self._accounts: _Cache[int, Account | None] = _Cache(KEPT)
        self._tenants: _Cache[int, Tenant | None] = _Cache(KEPT)
        self._networks: tuple[NetworkRecord, ...] | None = None
        self._issuers: Mapping[int, Issuer] | None = None
        self._touched: _Cache[int, Timestamp] = _Cache(KEPT)

    async def refresh(self) -> bool:
        """Look whether something was changed, by any process; forget everything if so. To be
        called about once a second. Raises SpoolUnavailable; what is in memory stays in use."""
        now = await self._database.read(lambda c: generation(c, Part.DIRECTORY))
        if now == self.generation:
            return False
        self.generation = now
        for cache in (self._logins, self._unknown, self._accounts, self._tenants):
            cache.clear()
        self._networks = None
        self._issuers = None
        return True

    async def login(self, username: str) -> LoginRecord | None:
        """The account of a user name (its address) with the hashes of its passwords; None if
        there is none, or if it or its tenant is switched off. Raises SpoolUnavailable."""
        try:
            key = parse_mailbox(username.strip()).key
        except AddressError:
            return None
        found = self._logins.get(key)
        if found is not None or key in self._unknown:
            return found
        before = self.generation
        found = await self._read(lambda c: reading.read_login(c, key, self._seal))
        if before == self.generation:
            if found is None:
                self._unknown.put(key, None)
            else:
                self._logins.put(key, found)
        return found

    async def network_accounts(self, address: str, *, now: Timestamp) -> tuple[NetworkRecord, ...]:
        """The networks around this client that may send without a login, each with its account,
        the narrowest first. `address` may be IPv4 inside IPv6. Raises SpoolUnavailable."""
        networks = self._networks
        if networks is None:
            before = self.generation
            networks = await self._read(lambda c: reading.read_networks(c, self._seal))
            if before == self.generation:
                self._networks = networks
        if not networks:
            return ()
        client = _plain(address)
        return tuple(
            record
            for record in networks
            if client in record.network and (record.expires_at is None or now < record.expires_at)
        )

    async def issuers(self) -> Mapping[int, Issuer]:
        """Whose tokens log in, by the id of the tenant. Raises SpoolUnavailable."""
        issuers = self._issuers
        if issuers is None:
            before = self.generation
            issuers = await self._read(reading.read_issuers)
            if before == self.generation:
                self._issuers = issuers
        return issuers

    async def lacks_verifiers(self, now: Timestamp) -> bool:
        """Whether somebody can not log in by SCRAM. Raises SpoolUnavailable."""
        return await self._read(lambda c: reading.lacks_verifiers(c, now))

    async def keep_verifier(self, account: Account, credential_id: int, verifier: str) -> None:
        """Put a verifier beside the hash of a password; it counts here at once, elsewhere after
        `forget_logins`. Raises SpoolUnavailable."""
        await self._database.write(lambda c: keep_verifier(c, credential_id, verifier))
        self._logins.drop(account.address.key)

    def forget_logins(self) -> None:
        """Read accounts with their passwords anew."""
        self._logins.clear()

    async def account(self, account_id: int) -> Account | None:
        """An account by its id, switched off or not; None if it was removed."""
        return await self._cached(
            self._accounts, account_id, lambda c: reading.read_account(c, account_id, self._seal)
        )

    async def tenant(self, tenant_id: int) -> Tenant | None:
        """A tenant by its id, switched off or not; None if it was removed. Raises SecretError if
        a password of its routes can not be opened."""
        return await self._cached(
            self._tenants, tenant_id, lambda c: reading.read_tenant(c, tenant_id, self._seal)
        )

    def touch(self, credential_id: int, now: Timestamp) -> None:
        """Note that a credential was used; nobody waits for it."""
        last = self._touched.get(credential_id)
        if last is not None and now - last < TOUCH_MS:
            return
        self._touched.put(credential_id, now)
        row = (now, credential_id)
        self._database.submit(RowsWork(None, rows=((Do.TOUCH_CREDENTIAL, row),)))

    async def _cached(
        self, cache: "_Cache[int, V | None]", key: int, query: Callable[[Connection], V | None]
    ) -> V | None:
        if key in cache:
            return cache.get(key)
        before = self.generation
        found = await self._read(query)
        if before == self.generation:
            # Else the answer may be older than the change.
            cache.put(key, found)
        return found

    async def _read(self, query: Callable[[Connection], V]) -> V:
        return await self._database.read(query)


class _Cache(Generic[K, V]):
    """A dictionary of bounded size that drops what was not used for the longest time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        """The value, None if there is none."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: K, value: V) -> None:
        """Keep a value."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget a value."""
        self._values.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()


def _plain(address: str) -> IpAddress:
    """The address without a zone, IPv4 as IPv4 also where it came through an IPv6 socket."""
    client = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped is not None:
        return client.ipv4_mapped
    return client
