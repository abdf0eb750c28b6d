"""On which ways the mail of a domain leaves, by the routes of its tenant."""

from collections.abc import Iterable, Sequence

from pillarbox.app.domain_outlook import WayOut
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.oauth.clouds import CLOUDS
from pillarbox.route import Capture, Microsoft365, NextHop, Reject, Route, SmartHost


def ways_out(
    routes: Iterable[Route], domain: str, *, host_name: str, addresses: Sequence[str]
) -> list[WayOut]:
    """Each way once. Where nothing leaves yet it is this host, from these addresses."""
    hops = [route.next_hop for route in routes if _is_for(route.sender_domain, domain)]
    sending = [hop for hop in hops if not isinstance(hop, Capture | Reject)]
    here = WayOut(
        f"this host ({host_name})", f"a:{host_name.lower()}", tuple(addresses), has_return_path=True
    )
    ways = [_way(hop, here) for hop in sending] or [here]
    return list(dict.fromkeys(ways))


def _is_for(pattern: str, domain: str) -> bool:
    if pattern.startswith("*."):
        return domain.endswith(pattern[1:])
    return pattern in ("", domain)


def _way(hop: NextHop, here: WayOut) -> WayOut:
    match hop:
        case Microsoft365(cloud=cloud):
            return WayOut(CLOUDS[cloud].title, _include(CLOUDS[cloud].spf))
        case SmartHost(host=host):
            known = (p.spf[0] for p in PROVIDERS if p.spf and p.host == host.lower())
            term = _include(next(known, ""))
            return WayOut(f"smart host {host}", term, has_return_path=hop.return_path)
        case _:
            return here


def _include(name: str) -> str:
    return f"include:{name}" if name else ""
