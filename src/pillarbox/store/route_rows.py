"""Rows of the table `route` as values, and back."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from sqlalchemy import RowMapping

from pillarbox.mail.identifier import format_id
from pillarbox.oauth.clouds import SUBMISSION_PORT, Cloud
from pillarbox.oauth.sign_in import Access
from pillarbox.route import (
    SMTP_PORT,
    Capture,
    Counted,
    HopCaps,
    Microsoft365,
    Microsoft365Way,
    MxHosts,
    NextHop,
    OtherFrom,
    Reject,
    Route,
    SmartHost,
    TlsMode,
    Window,
)
from pillarbox.sources import pool_of, pool_text
from pillarbox.store import sign_in_rows
from pillarbox.store.seal import Seal
from pillarbox.store.sign_in_rows import sign_in_of, sign_in_values

Value: TypeAlias = str | int | bool | bytes | None


def secret_context(route_id: int) -> str:
    """The place for which the password of a route's smart host is sealed."""
    return f"route {format_id(route_id)}"


def route_of(row: RowMapping | Mapping[str, Any], seal: Seal | None) -> Route:
    """A row as a value, with its password opened by `seal`, or without it. Raises SecretError."""
    usual = HopCaps()
    caps = HopCaps(
        connections=row["connections"] or usual.connections,
        messages_per_connection=row["messages_per_connection"] or usual.messages_per_connection,
        windows=_windows_of(row["windows"]),
    )
    hop, *others = _next_hops(row, seal)
    return Route(
        row["id"],
        row["sender_domain"],
        row["recipient_domain"],
        hop,
        caps,
        tuple(each for each in others if isinstance(each, Microsoft365)),
    )


def _windows_text(windows: tuple[Window, ...]) -> str | None:
    """The windows as the column `windows`."""
    if not windows:
        return None
    return json.dumps([[window.counted.value, window.seconds, window.amount] for window in windows])


def _windows_of(text: str | None) -> tuple[Window, ...]:
    found = json.loads(text) if text else []
    return tuple(Window(Counted(counted), amount, seconds) for counted, seconds, amount in found)


def _next_hops(row: RowMapping | Mapping[str, Any], seal: Seal | None) -> list[NextHop]:
    match row["kind"]:
        case "capture":
            return [Capture()]
        case "reject":
            return [Reject(row["reject_text"])]
        case "microsoft365":
            return _mailboxes(row, seal)
        case "mx":
            sources = pool_of(row["sources"] or "")
            port, ca_file = row["port"] or SMTP_PORT, row["ca_file"] or ""
            return [MxHosts(port=port, ca_file=ca_file, sources=sources)]
        case _:
            return [_smart_host(row, seal)]


def _smart_host(row: RowMapping | Mapping[str, Any], seal: Seal | None) -> SmartHost:
    sealed = row["password_sealed"]
    password = ""
    if sealed is not None and seal is not None:
        password = seal.open(sealed, secret_context(row["id"])).decode()
    access = None
    if row["oauth_flow"] is not None:
        access = Access(sign_in_of(row, seal), row["oauth_scope"] or "")
    return SmartHost(
        host=row["host"],
        port=row["port"],
        tls=TlsMode(row["tls"]),
        verify=row["verify"],
        username=row["username"] or "",
        password=password,
        ca_file=row["ca_file"] or "",
        access=access,
        return_path=row["return_path"],
    )


def _mailboxes(row: RowMapping | Mapping[str, Any], seal: Seal | None) -> list[NextHop]:
    """One next hop for each mailbox of the pool; they share how one signs in."""
    sign_in = sign_in_of(row, seal)
    return [
        Microsoft365(
            mailbox,
            Cloud(row["cloud"]),
            sign_in,
            Microsoft365Way(row["way"]),
            host=row["host"] or "",
            port=row["port"] or SUBMISSION_PORT,
            ca_file=row["ca_file"] or "",
            senders=tuple((row["senders"] or "").split()),
            other_from=OtherFrom(row["other_from"] or OtherFrom.PASS),
            graph_url=row["graph_url"] or "",
        )
        for mailbox in row["mailboxes"].split()
    ]


EMPTY = {
    **dict.fromkeys(
        ("host", "port", "tls", "verify", "ca_file", "username", "password_sealed", "reject_text")
    ),
    **dict.fromkeys(("cloud", "way", "mailboxes", "senders", "other_from", "graph_url")),
    "sources": None,
    **sign_in_rows.EMPTY,
    "return_path": False,
}


def caps_values(caps: HopCaps) -> dict[str, Value]:
    """The columns that say what a next hop may be given."""
    return {
        "connections": caps.connections,
        "messages_per_connection": caps.messages_per_connection,
        "windows": _windows_text(caps.windows),
    }


def values_of(route: Route, seal: Seal, route_id: int) -> dict[str, Value]:
    """The columns that say where a route goes and what it may use. Raises SecretError."""
    values: dict[str, Value] = {**EMPTY, **caps_values(route.caps)}
    match route.next_hop:
        case SmartHost() as hop:
            values |= {"kind": "smarthost", **_smart_host_values(hop, seal, route_id)}
        case Microsoft365() as hop:
            mailboxes = [hop.mailbox, *(other.mailbox for other in route.others)]
            values |= {
                "kind": "microsoft365",
                "cloud": hop.cloud.value,
                "way": hop.way.value,
                "mailboxes": " ".join(mailboxes),
                "host": hop.host.lower() or None,
                "port": hop.port if hop.host else None,
                "ca_file": hop.ca_file or None,
                "senders": " ".join(hop.senders),
                "other_from": hop.other_from.value,
                "graph_url": hop.graph_url or None,
                **sign_in_values(hop.sign_in, seal, route_id),
            }
        case MxHosts(port=port, ca_file=ca_file, sources=sources):
            values |= {"kind": "mx", "port": port, "ca_file": ca_file or None}
            values["sources"] = pool_text(sources) or None
        case Capture():
            values["kind"] = "capture"
        case Reject(text=text):
            values |= {"kind": "reject", "reject_text": text}
    return values


def _smart_host_values(hop: SmartHost, seal: Seal, route_id: int) -> dict[str, Value]:
    password = hop.password.encode()
    values: dict[str, Value] = {
        "host": hop.host.lower(),
        "port": hop.port,
        "tls": hop.tls.value,
        "verify": hop.verify,
        "ca_file": hop.ca_file,
        "username": hop.username,
        "password_sealed": seal.seal(password, secret_context(route_id)) if password else None,
        "return_path": hop.return_path,
    }
    if hop.access is not None:
        values |= sign_in_values(hop.access.sign_in, seal, route_id)
        values["oauth_scope"] = hop.access.scope
    return values
