"""How routes are shown, to people and to programs; never their secrets."""

from collections.abc import Mapping

from pillarbox.app.ending_watch import endings_of
from pillarbox.cli.output import Cell, Json
from pillarbox.cli.suspending import suspension_record
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.cli.windows import window_text
from pillarbox.mail.identifier import format_id
from pillarbox.net.key_pair import certificate_end
from pillarbox.oauth.sign_in import Access, SignIn
from pillarbox.route import (
    DAY_SECONDS,
    MINUTE_SECONDS,
    SMTP_PORT,
    Capture,
    Counted,
    Microsoft365,
    MxHosts,
    Reject,
    Route,
    SmartHost,
    hop_key,
)
from pillarbox.sources import Source
from pillarbox.store.admin.routes import RouteInfo
from pillarbox.store.grants import GrantFacts
from pillarbox.store.suspensions import Suspension


def shown_hop(route: Route) -> str:
    """Where a route goes, in one line."""
    match route.next_hop:
        case SmartHost(host=host, port=port, tls=tls, username=username):
            login = f"{username} at " if username else ""
            name = f"[{host}]" if ":" in host else host
            unverified = "" if route.next_hop.verify else ", certificate not verified"
            return f"{login}{name}:{port} ({tls.value}{unverified})"
        case Microsoft365() as hop:
            way = f", {hop.way.value}" if hop.way.is_graph else ""
            return f"Microsoft 365 by {', '.join(mailboxes_of(route))} ({hop.cloud.value}{way})"
        case MxHosts(port=port, sources=sources):
            from_ = f" from {', '.join(map(_source_text, sources))}" if sources else ""
            at = "" if port == SMTP_PORT else f" (port {port})"
            return f"MX hosts of the recipient{at}{from_}"
        case Capture():
            return "capture"
        case Reject(text=text):
            return f"reject: {text}"


def _source_text(source: Source) -> str:
    return source.address if source.weight == 1 else f"{source.address} (weight {source.weight})"


def mailboxes_of(route: Route) -> list[str]:
    """The mailboxes of Microsoft 365 that a route sends by."""
    return [m.next_hop.mailbox for m in route.members if isinstance(m.next_hop, Microsoft365)]


def shown_limits(route: Route) -> str:
    """What a next hop is given; for each mailbox of a pool."""
    if not isinstance(route.next_hop, SmartHost | Microsoft365 | MxHosts):
        return ""
    caps = route.caps
    parts = [f"{caps.connections} connections"]
    parts += [window_text(window) for window in caps.windows]
    return ", ".join(parts)


def suspended_hop(info: RouteInfo, suspensions: Mapping[str, Suspension]) -> str:
    """The first of its next hops that is suspended, as lanes name it; "" if all take mail."""
    hops = [hop_key(member.next_hop) for member in info.route.members]
    return next((hop for hop in hops if hop in suspensions), "")


def route_record(
    info: RouteInfo, suspensions: Mapping[str, Suspension] | None = None
) -> dict[str, Json]:
    """A route for programs."""
    suspensions = suspensions or {}
    suspended = suspended_hop(info, suspensions)
    route = info.route
    return {
        "id": format_id(route.route_id),
        "tenant": info.tenant,
        "from": route.sender_domain,
        "to": route.recipient_domain,
        "next_hop": _hop_record(route),
        "connections": route.caps.connections,
        "messages_per_connection": route.caps.messages_per_connection,
        "messages_per_minute": route.caps.amount(Counted.MESSAGES, MINUTE_SECONDS),
        "recipients_per_day": route.caps.amount(Counted.RECIPIENTS, DAY_SECONDS),
        "windows": [
            {"counted": w.counted.value, "amount": w.amount, "seconds": w.seconds}
            for w in route.caps.windows
        ],
        "suspended": suspension_record(suspended, suspensions.get(suspended)),
        "created_at": for_programs(info.created_at),
    }


def _hop_record(route: Route) -> dict[str, Json]:
    match route.next_hop:
        case SmartHost() as hop:
            return {
                "kind": "smarthost",
                "host": hop.host,
                "port": hop.port,
                "tls": hop.tls.value,
                "verify": hop.verify,
                "username": hop.username or None,
                "ca_file": hop.ca_file or None,
                "return_path": hop.return_path,
                "sign_in": None if hop.access is None else _access_record(hop.access),
            }
        case Microsoft365() as hop:
            return {
                "kind": "microsoft365",
                "mailboxes": mailboxes_of(route),
                "cloud": hop.cloud.value,
                "way": hop.way.value,
                "may_send_as": list(hop.senders),
                "other_from": hop.other_from.value,
                "host": hop.smtp_host,
                "port": hop.port,
                "graph_url": hop.graph_root if hop.way.is_graph else None,
                "ca_file": hop.ca_file or None,
                "sign_in": _access_record(hop.access),
            }
        case MxHosts(port=port, ca_file=ca_file, sources=sources):
            pool: list[Json] = [{"address": one.address, "weight": one.weight} for one in sources]
            return {"kind": "mx", "port": port, "ca_file": ca_file or None, "sources": pool}
        case Capture():
            return {"kind": "capture"}
        case Reject(text=text):
            return {"kind": "reject", "text": text}


def _access_record(access: Access) -> dict[str, Json]:
    sign_in = access.sign_in
    return {
        "flow": sign_in.flow.value,
        "issuer": sign_in.issuer,
        "client_id": sign_in.client_id,
        "scope": access.scope,
    }


def sign_in_facts(sign_in: SignIn, grant: GrantFacts | None) -> list[tuple[str, Cell]]:
    """For people: how it signs in, and what may end."""
    facts: list[tuple[str, Cell]] = [
        ("Sign-in", f"{sign_in.flow.value} at {sign_in.issuer}"),
        ("Client id", sign_in.client_id),
    ]
    if sign_in.secret_ends_at is not None:
        facts.append(("Secret ends", for_people(sign_in.secret_ends_at)))
    if sign_in.certificate:
        facts.append(("Certificate ends", for_people(certificate_end(sign_in.certificate))))
    if sign_in.flow.is_for_a_person:
        facts.append(
            ("Signed in", "nobody yet" if grant is None else for_people(grant.signed_in_at))
        )
        facts.append(("Grant used", "" if grant is None else for_people(grant.used_at)))
    return facts + [("WARNING", str(ending)) for ending in endings_of(sign_in, grant, now())]
