"""`pillarbox trace`: what became of a message, with every attempt."""

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.explaining import explain_answer, explanation_record
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.option_types import LINES
from pillarbox.cli.output import Json, print_facts, print_json, print_list, printable
from pillarbox.cli.suspending import print_suspensions
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.cli.waiting import HopWaits, hop_waits, why_waiting
from pillarbox.explain.replies import Explanation
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.mail.identifier import format_id, parse_id
from pillarbox.store.database import Database
from pillarbox.store.trace import (
    AttemptTrace,
    MessageTrace,
    RecipientTrace,
    ReturnTrace,
    Span,
    trace_address,
    trace_header_id,
    trace_message,
)

_DAY = 86_400_000
_WITHIN_DAY = 1000
"""A message that comes in while we look: the span ends a moment after now."""


@click.command("trace")
@click.argument("what", metavar="MESSAGE|ADDRESS")
@click.option("--days", type=click.IntRange(1), help="How far back; default: all that is kept.")
@click.option("--limit", type=LINES, default=50, show_default=True, help="Messages.")
@click.pass_obj
def command(cli: Cli, what: str, days: int | None, limit: int) -> None:
    """Show what became of a message: by its queue id, its Message-ID, or an address.

    The address is a sender or a recipient; @DOMAIN finds all of a domain. One message is shown
    with all attempts, several as a list, newest first.
    """
    kept = cli.settings().trace_days
    until = now() + _WITHIN_DAY
    span = Span(until - (days or kept) * _DAY, until)
    with cli.database() as database:
        found = _find(database, what, span, limit)
        # Of several messages no more is shown than their states.
        open_hops = {
            recipient.hop
            for message in found
            for recipient in message.recipients
            if len(found) == 1 and not recipient.state.is_final
        }
        waits = hop_waits(database, cli.settings().data_directory, open_hops, now=now())
    if cli.as_json:
        print_json([_record(message) for message in found])
    elif len(found) == 1:
        _show(found[0], waits)
    elif found:
        _list(found)
    if not found:
        text = f"nothing is known of {what!r} in the last {days or kept} days"
        raise Failure(ExitCode.NO_SUCH, f"{text} (a queue id, a Message-ID or an address)")


def _find(database: Database, what: str, span: Span, limit: int) -> list[MessageTrace]:
    """What these words mean: an id has 13 characters, a Message-ID mostly stands in brackets."""
    text = what.strip()
    if "@" not in text:
        try:
            queue_id = parse_id(text.strip("[]"))
        except ValueError as error:
            hint = "write a queue id, a Message-ID or an address"
            raise Failure(ExitCode.DATA, f"{what!r} can not be looked up ({hint})") from error
        message = database.read_now(lambda c: trace_message(c, queue_id))
        return [] if message is None else [message]
    if not text.startswith("<"):
        found = database.read_now(lambda c: trace_address(c, text, span=span, limit=limit))
        if found:
            return found
    return database.read_now(lambda c: trace_header_id(c, text, span=span, limit=limit))


def _list(messages: list[MessageTrace]) -> None:
    rows = [(message, recipient) for message in messages for recipient in message.recipients]
    print_list(
        rows,
        {
            "Message": lambda row: format_id(row[0].queue_id),
            "Received": lambda row: for_people(row[0].received_at),
            "From": lambda row: row[0].reverse_path or "<>",
            "To": lambda row: row[1].address,
            "State": lambda row: ", ".join((row[1].state.value, *_later(row[1]))),
            "Last reply": lambda row: row[1].last_reply,
        },
        empty="",
    )


def _show(message: MessageTrace, waits: HopWaits) -> None:
    moment = now()
    print_facts(
        [
            ("Message", format_id(message.queue_id)),
            ("Message-ID", message.header_id),
            ("Received", for_people(message.received_at)),
            ("From", message.reverse_path or "<>"),
            ("Account", message.account),
            ("Tenant", message.tenant),
            ("Size", f"{message.size_octets} octets"),
            ("Session", format_id(message.session_id) if message.session_id else None),
            ("Finished", for_people(message.finished_at, none="not yet")),
        ]
    )
    for recipient in message.recipients:
        state = _state(recipient, moment, waits)
        click.echo(f"\nTo {printable(recipient.address)}: {state}")
        click.echo(f"  next hop: {printable(recipient.hop) or '-'}")
        told = ""
        for attempt in recipient.attempts:
            click.echo(f"  {_attempt(attempt)}")
            found = explain_answer(attempt.reply, remote_host=attempt.remote_host)
            if found is not None and found.id != told:
                # Once, where the same comes again and again.
                told = found.id
                counted = f"[{found.id}, {found.bounce.value}]"
                click.echo(f"    cause: {found.cause}\n    fix: {found.fix} {counted}")
        for one in recipient.returned:
            _show_returned(one)
    for one in message.returned:
        click.echo("\nTo one of them:")
        _show_returned(one)
    waiting = [recipient for recipient in message.recipients if not recipient.state.is_final]
    print_suspensions((recipient.hop for recipient in waiting), waits.suspensions)
    waits.print_retry(
        (each.hop for each in waiting if each.state is not RecipientState.HELD), now=moment
    )


def _state(recipient: RecipientTrace, moment: Timestamp, waits: HopWaits) -> str:
    state, due = recipient.state, recipient.next_attempt_at
    if state.is_final:
        return f"{state.value} at {for_people(recipient.finished_at)}"
    why = waits.why(recipient.hop, state, due, now=moment) or why_waiting(
        state, due, attempts=len(recipient.attempts), now=moment
    )
    return f"{state.value}: {why}"


_LATER = {
    "failed": "bounced later",
    "delayed": "reported late",
    "delivered": "reported delivered",
    "complaint": "complained",
    "auto-reply": "answered automatically",
    "other": "something came back",
}


def _later(recipient: RecipientTrace) -> list[str]:
    """What came back, in short."""
    return [_LATER.get(one.kind, one.kind) for one in recipient.returned]


def _show_returned(one: ReturnTrace) -> None:
    where = f" [{one.remote_host}]" if one.remote_host else ""
    said = f": {one.reply}" if one.reply else ""
    told = f", told by {format_id(one.report_id)}" if one.report_id else ""
    when = f"{for_people(one.received_at)}, session {format_id(one.session_id)}{told}"
    click.echo(f"  {printable(f'{_LATER.get(one.kind, one.kind)}, {when}{said}{where}')}")
    found = _explained(one)
    if found is not None:
        click.echo(f"    cause: {found.cause}")
        click.echo(f"    fix: {found.fix} [{found.id}, {found.bounce.value}]")


def _explained(one: ReturnTrace) -> Explanation | None:
    if one.kind not in {"failed", "delayed"}:
        return None
    return explain_answer(one.reply, remote_host=one.remote_host)


def _attempt(attempt: AttemptTrace) -> str:
    where = " ".join(filter(None, (attempt.remote_host, attempt.tls and f"({attempt.tls})")))
    return printable(
        f"attempt {attempt.number}, {for_people(attempt.started_at)}, {attempt.duration_ms} ms:"
        f" {attempt.state.value}: {attempt.reply}" + (f" [{where}]" if where else "")
    )


def _record(message: MessageTrace) -> Json:
    return {
        "queue_id": format_id(message.queue_id),
        "message_id": message.header_id or None,
        "tenant": message.tenant or None,
        "account": message.account or None,
        "session_id": format_id(message.session_id) if message.session_id else None,
        "received_at": for_programs(message.received_at),
        "finished_at": for_programs(message.finished_at),
        "reverse_path": message.reverse_path,
        "size_octets": message.size_octets,
        "recipients": [_recipient_record(recipient) for recipient in message.recipients],
        "returned": [_returned_record(one) for one in message.returned],
    }


def _returned_record(one: ReturnTrace) -> Json:
    return {
        "kind": one.kind,
        "received_at": for_programs(one.received_at),
        "reply": one.reply or None,
        "explanation": explanation_record(_explained(one)),
        "remote_host": one.remote_host or None,
        "session_id": format_id(one.session_id),
        "report_id": format_id(one.report_id) if one.report_id else None,
    }


def _recipient_record(recipient: RecipientTrace) -> Json:
    return {
        "number": recipient.number,
        "recipient": recipient.address,
        "state": recipient.state.value,
        "hop": recipient.hop,
        "next_attempt_at": for_programs(recipient.next_attempt_at),
        "finished_at": for_programs(recipient.finished_at),
        "last_reply": recipient.last_reply or None,
        "returned": [_returned_record(one) for one in recipient.returned],
        "attempts": [
            {
                "number": attempt.number,
                "started_at": for_programs(attempt.started_at),
                "duration_ms": attempt.duration_ms,
                "state": attempt.state.value,
                "reply": attempt.reply,
                "explanation": explanation_record(
                    explain_answer(attempt.reply, remote_host=attempt.remote_host)
                ),
                "remote_host": attempt.remote_host or None,
                "tls": attempt.tls or None,
            }
            for attempt in recipient.attempts
        ],
    }
