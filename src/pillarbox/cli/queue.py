"""`pillarbox queue`: mail that waits, why, and what to do with it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import click

from pillarbox.cli import hop_orders, hops
from pillarbox.cli.context import Cli
from pillarbox.cli.explaining import explanation_record
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.hop_names import find_hop
from pillarbox.cli.names import find_tenant, read_id
from pillarbox.cli.option_types import LINES
from pillarbox.cli.output import Json, print_json, print_list
from pillarbox.cli.suspending import print_suspensions, suspension_record
from pillarbox.cli.times import duration, for_people, for_programs, now
from pillarbox.cli.waiting import HopWaits, hop_waits, why_waiting
from pillarbox.cli.windows import fill_record, full_text, fullest, read_fills
from pillarbox.delivery.usage import Fill
from pillarbox.explain.replies import explain_text
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.store import queue
from pillarbox.store.database import Database
from pillarbox.store.instances import count_living
from pillarbox.store.queue import QueueCount, QueueEntry, Selection
from pillarbox.store.suspensions import Suspension, list_suspensions

Command = TypeVar("Command", bound=Callable[..., None])

_WAITING = (RecipientState.QUEUED, RecipientState.DEFERRED, RecipientState.HELD)
_EXPLAINED = 5
"""Kinds of replies that a list explains below it."""

_NOT_RUNNING = "The service does not run, so nothing is tried: start it with pillarbox serve."

_OPTIONS = (
    click.option("--tenant", help="Only mail of this tenant."),
    click.option("--sender", metavar="ADDRESS", help="Only mail from this address; <>: reports."),
    click.option("--domain", help="Only recipients in this domain."),
    click.option("--hop", help="Only mail for this next hop, named as `queue count` does."),
    click.option(
        "--state",
        type=click.Choice([state.value for state in _WAITING]),
        help="Only recipients in this state.",
    ),
)
_BESIDE_HOP = ("queue_ids", "tenant", "sender", "domain", "state")


def _selecting(function: Command) -> Command:
    """Add the options that choose recipients, and the ids."""
    for option in reversed(_OPTIONS):
        option(function)
    click.argument("queue_ids", metavar="[ID]...", nargs=-1)(function)
    return function


@click.group("queue")
def command() -> None:
    """Mail that waits: why, and what to do with it."""


@command.command("list")
@_selecting
@click.option("--limit", type=LINES, default=200, show_default=True, help="Lines.")
@click.pass_context
def list_(ctx: click.Context, /, limit: int, **_: object) -> None:
    """List each waiting recipient with its last reply and its next attempt, oldest first."""
    cli: Cli = ctx.obj
    with cli.database() as database:
        selection = _selection(ctx, database)
        entries = database.read_now(lambda c: queue.list_queue(c, selection, limit=limit + 1))
        shown = entries[:limit]
        hops = {entry.hop for entry in shown}
        runs = database.read_now(count_living) > 0
        full = _full(database, hops)
        moment = now()
        waits = hop_waits(database, cli.settings().data_directory, hops, now=moment)
    suspensions = waits.suspensions
    why = partial(_why, waits=waits, full=full, now=moment)
    if cli.as_json:
        print_json([_record(entry, suspensions, why(entry)) for entry in shown])
        return
    print_list(
        shown,
        {
            "Message": lambda entry: format_id(entry.queue_id),
            "Received": lambda entry: for_people(entry.received_at),
            "From": lambda entry: entry.reverse_path or "<>",
            "To": lambda entry: entry.address,
            "State": lambda entry: entry.state.value,
            "Why it waits": why,
            "Last reply": lambda entry: entry.last_reply,
            "Next attempt": lambda entry: for_people(entry.next_attempt_at),
        },
        empty="Nothing waits.",
    )
    if len(entries) > limit:
        click.echo(f"There are more: see --limit, or `pillarbox queue count`. Shown: {limit}.")
    print_suspensions([entry.hop for entry in shown], suspensions)
    waits.print_retry(
        [entry.hop for entry in shown if entry.state is not RecipientState.HELD], now=moment
    )
    _print_explanations([entry.last_reply for entry in shown if entry.hop not in suspensions])
    if shown and not runs:
        click.echo(_NOT_RUNNING)


@command.command("show")
@click.argument("queue_id", metavar="ID")
@click.pass_context
def show(ctx: click.Context, queue_id: str) -> None:
    """Show one message with all its attempts, as `pillarbox trace` does."""
    from pillarbox.cli.trace import command as trace

    ctx.invoke(trace, what=queue_id, days=None, limit=1)


@command.command("count")
@click.pass_obj
def count(cli: Cli) -> None:
    """Count what waits for each next hop, and say which of them are suspended, and why."""
    moment = now()
    with cli.database() as database:
        counts = database.read_now(lambda c: queue.count_queue(c, now=moment))
        suspensions = database.read_now(list_suspensions)
        runs = database.read_now(count_living) > 0
        full = _full(database, {line.hop for line in counts})
    if cli.as_json:
        print_json(
            [
                _count_record(line, suspensions.get(line.hop), full.get(line.hop), moment)
                for line in counts
            ]
        )
        return
    print_list(
        counts,
        {
            "Next hop": lambda line: line.hop,
            "State": lambda line: line.state.value,
            "Recipients": lambda line: line.recipients,
            "Due now": lambda line: line.due,
            "Oldest": lambda line: duration((moment - line.oldest_at) / 1000),
            "Limit": lambda line: full_text(full.get(line.hop)),
        },
        empty="Nothing waits.",
    )
    print_suspensions([line.hop for line in counts], suspensions)
    if counts and not runs:
        click.echo(_NOT_RUNNING)


@command.command("retry")
@_selecting
@click.option("--all", "everything", is_flag=True, help="The whole queue.")
@click.pass_context
def retry(ctx: click.Context, /, **_: object) -> None:
    """Try mail now instead of later; with --hop alone whatever back-off that next hop has."""
    moment = now()

    def try_now(database: Database, selection: Selection) -> int:
        return database.write_now(lambda c: queue.retry(c, selection, now=moment))

    is_as_it_was = _change(ctx, "will be tried now", try_now)
    is_of_a_hop = ctx.params["hop"] and not any(ctx.params[name] for name in _BESIDE_HOP)
    if ctx.obj.as_json:
        return
    # What was due already was not changed, and is not counted.
    if is_of_a_hop:
        click.echo("Unless it is paused, the next hop is given all that is due at once.")
    elif is_as_it_was:
        click.echo(
            "What waits is due already: a next hop that could not be reached is tried now. Held "
            "mail needs `pillarbox queue release`."
        )


@command.command("hold")
@_selecting
@click.option("--all", "everything", is_flag=True, help="The whole queue.")
@click.pass_context
def hold(ctx: click.Context, /, **_: object) -> None:
    """Keep mail until it is released or bounced."""
    _change(ctx, "held", lambda d, s: d.write_now(lambda c: queue.hold(c, s)))


@command.command("release")
@_selecting
@click.option("--all", "everything", is_flag=True, help="The whole queue.")
@click.pass_context
def release(ctx: click.Context, /, **_: object) -> None:
    """Try held mail again, at once."""
    moment = now()
    _change(ctx, "released", lambda d, s: d.write_now(lambda c: queue.release(c, s, now=moment)))


@command.command("bounce")
@_selecting
@click.option("--all", "everything", is_flag=True, help="The whole queue.")
@click.pass_context
def bounce(ctx: click.Context, /, **_: object) -> None:
    """Give mail up; its senders get a report where one is due."""
    moment = now()
    _change(ctx, "will bounce", lambda d, s: d.write_now(lambda c: queue.bounce(c, s, now=moment)))


for _hop_command in (hops.command, hop_orders.pause, hop_orders.resume, hop_orders.cap):
    command.add_command(_hop_command)


def _change(ctx: click.Context, what: str, change: Callable[[Database, Selection], int]) -> bool:
    """Change all that is selected, in transactions of bounded size; whether there was any and it
    stayed as it was."""
    cli: Cli = ctx.obj
    with cli.database() as database:
        selection = _selection(ctx, database)
        if selection == Selection() and not ctx.params["everything"]:
            raise click.UsageError("say which mail: an ID, an option that selects, or --all")
        found = database.read_now(lambda c: queue.list_queue(c, selection, limit=1))
        if not found and selection.queue_ids:
            hint = "`pillarbox queue list` shows what waits, `pillarbox trace ID` what is done"
            raise Failure(ExitCode.NO_SUCH, f"nothing of that waits in the queue ({hint})")
        changed = 0
        while step := change(database, selection):
            changed += step
    if cli.as_json:
        print_json({"changed": changed})
    else:
        click.echo(f"{changed} {'recipient' if changed == 1 else 'recipients'} {what}.")
    return bool(found) and not changed


def _selection(ctx: click.Context, database: Database) -> Selection:
    """What the arguments and options choose."""
    given = ctx.params
    for name in ("tenant", "sender", "domain", "hop"):
        if given[name] == "":
            # A variable of a script that was not set. To leave it out would select more.
            raise click.UsageError(f"--{name} is empty")
    state: str | None = given["state"]
    return Selection(
        queue_ids=tuple(read_id(text, "queue id") for text in given["queue_ids"]),
        states=(RecipientState(state),) if state else (),
        hop=find_hop(database, given["hop"]) if given["hop"] else "",
        tenant=find_tenant(database, given["tenant"]).name if given["tenant"] else "",
        sender=given["sender"] or "",
        domain=(given["domain"] or "").removeprefix("@"),
    )


def _print_explanations(replies: Sequence[str]) -> None:
    """What is behind these replies, each kind once, the first of them."""
    found = {each.id: each for each in map(explain_text, dict.fromkeys(replies)) if each}
    for explanation in list(found.values())[:_EXPLAINED]:
        counted = f"{explanation.id} ({explanation.bounce.value})"
        click.echo(f"\n{counted}: {explanation.cause}\n  fix: {explanation.fix}")


def _full(database: Database, hops: set[str]) -> dict[str, Fill]:
    """Of the next hops that take no more now: the window that is full for longest."""
    found = {hop: fullest(fills) for hop, fills in read_fills(database, hops).items()}
    return {hop: fill for hop, fill in found.items() if fill is not None}


def _why(entry: QueueEntry, waits: HopWaits, full: Mapping[str, Fill], now: Timestamp) -> str:
    if entry.must_bounce:
        return "an administrator bounces it"
    due = entry.next_attempt_at
    for_hop = waits.why(entry.hop, entry.state, due, now=now)
    if for_hop:
        return for_hop
    if entry.hop in full and due is not None and due <= now:
        return full_text(full[entry.hop])
    return why_waiting(entry.state, due, attempts=entry.attempts, now=now)


def _record(entry: QueueEntry, suspensions: Mapping[str, Suspension], why: str) -> Json:
    return {
        "queue_id": format_id(entry.queue_id),
        "recipient_number": entry.number,
        "tenant": entry.tenant or None,
        "reverse_path": entry.reverse_path,
        "recipient": entry.address,
        "state": entry.state.value,
        "hop": entry.hop,
        "attempts": entry.attempts,
        "received_at": for_programs(entry.received_at),
        "next_attempt_at": for_programs(entry.next_attempt_at),
        "last_reply": entry.last_reply or None,
        "explanation": explanation_record(explain_text(entry.last_reply)),
        "why": why,
        "suspended": entry.hop in suspensions,
        "bounces": entry.must_bounce,
        "size_octets": entry.size_octets,
    }


def _count_record(
    line: QueueCount, suspension: Suspension | None, full: Fill | None, now: Timestamp
) -> Json:
    return {
        "hop": line.hop,
        "state": line.state.value,
        "recipients": line.recipients,
        "due": line.due,
        "oldest_at": for_programs(line.oldest_at),
        "suspended": suspension_record(line.hop, suspension),
        "full_window": None if full is None else fill_record(full, now),
    }
