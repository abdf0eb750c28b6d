"""The names of next hops as people type them."""

from pillarbox.cli.failures import Failure
from pillarbox.cli.names import no_such
from pillarbox.route import hop_key
from pillarbox.store.admin.routes import list_routes
from pillarbox.store.database import Database
from pillarbox.store.hop_orders import list_orders
from pillarbox.store.lanes import list_hops

_MX = "mx:"


def find_hop(database: Database, name: str) -> str:
    """The next hop with this name: of a lane, a route or an order. That of a domain's MX hosts is
    `mx:DOMAIN`, or DOMAIN alone where nothing else has that name. Raises Failure."""
    wanted = name.lower() if name.startswith(_MX) else name
    known = set(database.read_now(list_hops)) | set(database.read_now(list_orders))
    for info in database.read_now(list_routes):
        known |= {hop_key(member.next_hop) for member in info.route.members}
    if wanted in known or (wanted.startswith(_MX) and _is_domain(wanted.removeprefix(_MX))):
        return wanted
    mx = _MX + name.lower()
    if mx in known:
        return mx
    failure: Failure = no_such("next hop", name, known, "`pillarbox queue hops` shows all")
    raise failure


def _is_domain(text: str) -> bool:
    """Nothing may have gone there yet."""
    return "." in text and " " not in text
