"""Names and ids that people type: what they stand for, and what was probably meant where nothing
has that name."""

from collections.abc import Iterable
from difflib import get_close_matches

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.errors import DirectoryError
from pillarbox.mail.identifier import parse_id
from pillarbox.store.admin.accounts import AccountInfo, list_accounts
from pillarbox.store.admin.tenants import TenantInfo, list_tenants
from pillarbox.store.database import Database

SHOWN = 3
"""Names that an error suggests at most."""

_ALIKE = 0.7
"""How similar a name must be, from 0 to 1: one letter wrong in a short one."""


def near(name: str, known: Iterable[str]) -> list[str]:
    """Known names that look like this one, the most similar first."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    folded = name.casefold()
    found = get_close_matches(folded, by_folded, SHOWN, _ALIKE)
    if not found:
        # "printr" for printer@example.org.
        local_parts = {candidate: candidate.partition("@")[0] for candidate in by_folded}
        close = get_close_matches(folded, local_parts.values(), SHOWN, _ALIKE)
        found = [candidate for candidate, local in local_parts.items() if local in close]
    return [by_folded[candidate] for candidate in found[:SHOWN]]


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
        names = ", ".join(tenant.name for tenant in tenants)
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
