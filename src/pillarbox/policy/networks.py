"""Who may send without a login: clients inside the network of a credential, on listeners that
allow it.

The narrowest network around the client decides. Where two accounts have the same network nobody
can say whose mail it would be, so the client has to log in.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from pillarbox.errors import SpoolUnavailable
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.envelope import Timestamp
from pillarbox.policy.authenticate import Grant, Verdict
from pillarbox.policy.clock import Clock
from pillarbox.policy.denial import Denial
from pillarbox.store.directory_reading import NetworkRecord


class Networks(Protocol):
    """What is asked of the directory (store.directory)."""

    @property
    def generation(self) -> int:
        """Grows with every change in the directory."""
        ...

    async def network_accounts(self, address: str, *, now: Timestamp) -> Sequence[NetworkRecord]:
        """The networks around a client, the narrowest first."""
        ...

    def touch(self, credential_id: int, now: Timestamp) -> None:
        """Note that a credential was used."""
        ...


REMEMBERED = 10_000
"""Addresses whose account is known."""


class NetworkLogins:
    """Finds the account of a client by its address. Ask `recall` first: it answers at once."""

    def __init__(self, directory: Networks, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._known: OrderedDict[str, Grant] = OrderedDict()

    def recall(self, address: str) -> Grant | None:
        """The grant of a client that was found before, None if `find` has to look."""
        grant = self._known.get(address)
        if grant is None or grant.generation != self._directory.generation:
            return None
        now = self._clock.timestamp()
        if grant.expires_at is not None and grant.expires_at <= now:
            return None
        self._used(grant, now)
        return grant

    async def find(self, address: str) -> Grant | Denial | None:
        """The account as which a client at this address may send; None if it has to log in.

        A denial where the directory does not answer: a device that has no login would take the
        demand for one as final.
        """
        verdict = await self._look(address)
        if not isinstance(verdict, Grant):
            return verdict
        self._known[address] = verdict
        self._known.move_to_end(address)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        self._used(verdict, self._clock.timestamp())
        return verdict

    def _used(self, grant: Grant, now: Timestamp) -> None:
        if grant.account.credential_id is not None:
            self._directory.touch(grant.account.credential_id, now)

    async def renew(self, grant: Grant, address: str) -> Verdict:
        """Look whether an open session may still send as this account."""
        verdict = await self._look(address)
        if isinstance(verdict, Denial):
            return verdict
        if verdict is None or verdict.account.credential_id != grant.account.credential_id:
            return Denial(Refusal.ACCOUNT_OFF, "the network may no longer send as this account")
        return verdict

    async def _look(self, address: str) -> Grant | Denial | None:
        generation = self._directory.generation
        now = self._clock.timestamp()
        try:
            found = await self._directory.network_accounts(address, now=now)
        except SpoolUnavailable as error:
            return Denial(Refusal.SPOOL_AWAY, f"the directory did not answer: {error.cause}")
        if not found:
            return None
        first = found[0]
        if any(
            other.network == first.network and other.account.account_id != first.account.account_id
            for other in found[1:]
        ):
            return None
        return Grant(first.account, generation, first.expires_at)
