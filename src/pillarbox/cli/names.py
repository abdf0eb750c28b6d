"""Names and ids that people type: what they stand for, and what was probably meant where nothing
has that name."""

from collections.abc import Iterable
from difflib import SequenceMatcher

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.errors import DirectoryError
from pillarbox.mail.identifier import parse_id
from pillarbox.store.admin.accounts import AccountInfo, list_accounts
from pillarbox.store.admin.tenants import TenantInfo, list_tenants
from pillarbox.store.database import Database

SHOWN = 3
"""Names that an error suggests at most."""

NAMED = 8
"""Tenants that an error names of those that there are."""

_ALIKE = 0.7
"""How similar a name must be, from 0 to 1: one letter wrong in a short one."""


def near(name: str, known: Iterable[str]) -> list[str]:
    """Known names that look like this one, the most similar first."""
    likeness = {candidate: _likeness(name.casefold(), candidate.casefold()) for candidate in known}
    close = [candidate for candidate, ratio in likeness.items() if ratio >= _ALIKE]
    return sorted(close, key=lambda candidate: (-likeness[candidate], candidate))[:SHOWN]


def _likeness(typed: str, known: str) -> float:
    """From 0 to 1. Both halves of an address have to be alike: in one domain all whole addresses
    are. Without a domain only the local part counts ("printr" for printer@example.org)."""
    local, at, domain = typed.rpartition("@")
    known_local, _, known_domain = known.rpartition("@")
    if not known_local:
        return _ratio(typed, known)
    if not at:
        return _ratio(typed, known_local)
    return min(_ratio(local, known_local), _ratio(domain, known_domain))


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def no_such(kind: str, name: str, known: Iterable[str], hint: str) -> Failure:
    """There is no such thing: what was meant, or else the hint."""
    close = near(name, known)
    meant = f"; did you mean {' or '.join(close)}?" if close else f" ({hint})"
    return Failure(ExitCode.NO_SUCH, f"there is no {kind} {name!r}{meant}")


def find_tenant(database: Database, name: str | None) -> TenantInfo:
    """The tenant with this name; without a name the only one. Raises Failure."""
    tenants = database.read_now(list_tenants)
    if name is not None:
        for tenant in tenants:
            if tenant.name == name:
                return tenant
        hint = "`pillarbox tenant list` shows all"
        raise no_such("tenant", name, [tenant.name for tenant in tenants], hint)
    if not tenants:
        hint = "add one: pillarbox tenant add default"
        raise Failure(ExitCode.NO_SUCH, f"there is no tenant yet ({hint})")
    if len(tenants) > 1:
        names = ", ".join(tenant.name for tenant in tenants[:NAMED])
        if len(tenants) > NAMED:
            names += f" and {len(tenants) - NAMED} more (`pillarbox tenant list` shows all)"
        raise Failure(ExitCode.USAGE, f"there are several tenants, say --tenant NAME: {names}")
    return tenants[0]


def find_account(database: Database, address: str) -> AccountInfo:
    """The account with this address. Raises Failure."""
    try:
        found = database.read_now(lambda c: list_accounts(c, address=address))
    except DirectoryError:
        found = []  # No address at all: "printer", say. Then it is no account either.
    if found:
        return found[0]
    known = [account.address for account in database.read_now(list_accounts)]
    raise no_such("account", address, known, "`pillarbox account list` shows all")


def read_id(text: str, kind: str) -> int:
    """The number behind an id of 13 characters, in brackets or not. Raises Failure."""
    try:
        return parse_id(text.strip().strip("[]"))
    except ValueError as error:
        raise Failure(ExitCode.DATA, f"{text!r} is no {kind}: {error}") from error
