"""The names of next hops as people type them."""

import re

from pillarbox.cli.failures import Failure
from pillarbox.cli.names import no_such
from pillarbox.errors import DirectoryError
from pillarbox.route import hop_key
from pillarbox.store.admin.routes import list_routes
from pillarbox.store.admin.tenants import read_new_domain
from pillarbox.store.database import Database
from pillarbox.store.hop_orders import list_orders
from pillarbox.store.lanes import list_hops

_MX = "mx:"
_DOMAIN = re.compile(r"(?P<domain>[^:@]+\.[^:@]+)(?P<rest>(?::[0-9]{1,5})?(?:@.+)?)")
"""Behind the domain a port that is not 25, and the addresses that mail comes from."""


def find_hop(database: Database, name: str) -> str:
    """The next hop with this name: of a lane, a route or an order. That of a domain's MX hosts is
    `mx:DOMAIN`, or DOMAIN alone where nothing else has that name. Raises Failure."""
    known = set(database.read_now(list_hops)) | set(database.read_now(list_orders))
    for info in database.read_now(list_routes):
        known |= {hop_key(member.next_hop) for member in info.route.members}
    if name in known:
        return name
    mx = _of_a_domain(name.removeprefix(_MX))
    if mx in known or (mx and name.startswith(_MX)):
        return mx
    failure: Failure = no_such("next hop", name, known, "`pillarbox queue hops` shows all")
    raise failure


def _of_a_domain(text: str) -> str:
    """The name as mail for a domain makes it (route.hop_key), though none may have gone there yet;
    "" where that is no domain."""
    found = _DOMAIN.fullmatch(text)
    if found is None:
        return ""
    try:
        return f"{_MX}{read_new_domain(found['domain'])}{found['rest']}"
    except DirectoryError:
        return ""
