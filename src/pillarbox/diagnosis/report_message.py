"""The way of a message and those who vouch for it, for the report. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from pillarbox.diagnosis.about_message_path import span
from pillarbox.diagnosis.message_facts import MessageFacts
from pillarbox.diagnosis.message_form import RUN_FIELD
from pillarbox.diagnosis.message_path import Hop, hops, read_date, results

Json: TypeAlias = str | int | bool | Sequence["Json"] | Mapping[str, "Json"] | None

_WIDE = 40


def way_of_message(facts: MessageFacts | None) -> str:
    """A row for each server, with the time since the one before; "" where it went no way."""
    way = hops(facts.message) if facts else ()
    if not way:
        return ""
    rows = [["hop", "server", "from", "with", "time (UTC)", "after"]]
    last: float | None = None
    for number, hop in enumerate(way, 1):
        rows.append([str(number), *_cells(hop, last)])
        last = hop.at if hop.at is not None else last
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cells(hop: Hop, last: float | None) -> list[str]:
    after = "-"
    if hop.at is not None and last is not None:
        after = span(hop.at - last) if hop.at >= last else f"-{span(last - hop.at)}"
    named = [hop.server, hop.sender, hop.protocol]
    return [*((text[:_WIDE] or "-") for text in named), _moment(hop.at), after]


def _moment(at: float | None) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" if at is not None else "-"
    except (ValueError, OverflowError, OSError):
        return "-"


def message_record(facts: MessageFacts | None) -> Json:
    """The same for programs, with the results of DKIM, SPF and the receiver."""
    if facts is None:
        return None
    message, sender = facts.message, facts.sender
    date = read_date(message.text("date"))
    return {
        "octets": len(message.octets),
        "message_id": message.text("message-id") or None,
        "date": None if date is None else round(date),
        "run": message.text(RUN_FIELD.lower()) or None,
        "author_domain": sender.author or None,
        "envelope_domain": sender.envelope or None,
        "spf": sender.spf or None,
        "signatures": [
            {"domain": one.domain, "selector": one.selector, "result": one.result.value}
            for one in facts.signatures
        ],
        "hops": [
            {
                "server": hop.server or None,
                "from": hop.sender or None,
                "with": hop.protocol or None,
                "at": None if hop.at is None else round(hop.at),
            }
            for hop in hops(message)
        ],
        "results": [
            {"server": one.server or None, "method": one.method, "result": one.result}
            for one in results(message)
        ],
    }
