"""Rows of the table `route` as values."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from pillarbox.mail.identifier import format_id
from pillarbox.route import Capture, HopCaps, NextHop, Reject, Route, SmartHost, TlsMode
from pillarbox.store.seal import Seal


def secret_context(route_id: int) -> str:
    """The place for which the password of a route's smart host is sealed."""
    return f"route {format_id(route_id)}"


def route_of(row: RowMapping | Mapping[str, Any], seal: Seal | None) -> Route:
    """A row as a value, with its password opened by `seal`, or without it. Raises SecretError."""
    usual = HopCaps()
    caps = HopCaps(
        connections=row["connections"] or usual.connections,
        messages_per_connection=row["messages_per_connection"] or usual.messages_per_connection,
        messages_per_minute=row["messages_per_minute"],
        recipients_per_day=row["recipients_per_day"],
    )
    hop = _next_hop(row, seal)
    return Route(row["id"], row["sender_domain"], row["recipient_domain"], hop, caps)


def _next_hop(row: RowMapping | Mapping[str, Any], seal: Seal | None) -> NextHop:
    match row["kind"]:
        case "capture":
            return Capture()
        case "reject":
            return Reject(row["reject_text"])
        case _:
            sealed = row["password_sealed"]
            password = ""
            if sealed is not None and seal is not None:
                password = seal.open(sealed, secret_context(row["id"])).decode()
            return SmartHost(
                host=row["host"],
                port=row["port"],
                tls=TlsMode(row["tls"]),
                verify=row["verify"],
                username=row["username"] or "",
                password=password,
                ca_file=row["ca_file"] or "",
            )
