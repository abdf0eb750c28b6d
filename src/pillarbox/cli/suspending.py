"""How suspended next hops are shown."""

from collections.abc import Iterable, Mapping

import click

from pillarbox.cli.output import Json, print_facts
from pillarbox.cli.times import duration, for_people, for_programs, now
from pillarbox.store.suspensions import Suspension


def suspension_facts(suspension: Suspension) -> list[tuple[str, str]]:
    """Since when, by which reply, and what helps."""
    since = suspension.since_at
    ago = duration(max(now() - since, 0) / 1000)
    return [
        ("Suspended", f"since {for_people(since)} ({ago}); mail waits, single attempts probe"),
        ("By the reply", suspension.reply),
        ("Cause", suspension.cause),
        ("Fix", suspension.fix),
        ("Explanation", f"{suspension.explanation} ({suspension.remedy})"),
    ]


def suspension_record(hop: str, suspension: Suspension | None) -> Json:
    """The same for programs; None: it takes mail."""
    if suspension is None:
        return None
    return {
        "hop": hop,
        "since_at": for_programs(suspension.since_at),
        "reply": suspension.reply,
        "explanation": suspension.explanation,
        "class": suspension.remedy,
        "cause": suspension.cause,
        "fix": suspension.fix,
    }


def print_suspensions(hops: Iterable[str], suspensions: Mapping[str, Suspension]) -> None:
    """A block for each of these next hops that is suspended."""
    for hop in dict.fromkeys(hops):
        suspension = suspensions.get(hop)
        if suspension is not None:
            click.echo()
            print_facts([("Next hop", hop), *suspension_facts(suspension)])
