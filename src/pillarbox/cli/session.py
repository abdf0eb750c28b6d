"""`pillarbox session`: why a login or a connection failed, by the id that the client was shown."""

import re

import click

from pillarbox.cli.advice import advise
from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.names import read_id
from pillarbox.cli.option_types import LINES
from pillarbox.cli.output import Json, print_facts, print_json, print_list, printable
from pillarbox.cli.times import for_people, for_programs
from pillarbox.explain.refusals import UNSPOKEN, Refusal
from pillarbox.mail.identifier import format_id, time_of
from pillarbox.store.records import SessionRecord
from pillarbox.store.sessions import failed_sessions, find_session

_PLACE = re.compile(r"\{\w+\}")


class SessionGroup(click.Group):
    """`session ID` means `session show ID`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Put `show` before an id."""
        if args and args[0] not in self.commands:
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group("session", cls=SessionGroup)
def command() -> None:
    """Why a login or a connection failed.

    Every refusal ends with the id of its session in brackets: `pillarbox session ID` tells what
    stands behind it and what to change.
    """


@command.command("list")
@click.option("--limit", type=LINES, default=50, show_default=True, help="Lines.")
@click.pass_obj
def list_(cli: Cli, limit: int) -> None:
    """List the sessions that failed last, newest first."""
    with cli.database() as database:
        sessions = database.read_now(lambda c: failed_sessions(c, limit=limit))
    if cli.as_json:
        print_json([_record(session) for session in sessions])
        return
    print_list(
        sessions,
        {
            "Session": lambda session: format_id(session.session_id),
            "Began": lambda session: for_people(session.started_at),
            "From": lambda session: session.remote_address,
            "Listener": lambda session: session.listener,
            "Login": lambda session: session.login,
            "Refused": lambda session: session.refusals,
            "Cause": lambda session: session.cause,
        },
        empty="No session failed lately.",
    )


@command.command("show")
@click.argument("session_id", metavar="ID")
@click.pass_obj
def show(cli: Cli, session_id: str) -> None:
    """Tell why one session failed and what to change."""
    number = read_id(session_id, "id of a session")
    with cli.database() as database:
        session = database.read_now(lambda c: find_session(c, number))
        if session is None:
            raise _unknown(cli, number)
        told = [(refusal, advise(database, session, refusal)) for refusal in _refusals(session)]
    if cli.as_json:
        advice = [text for _, text in told if text]
        print_json({**_record(session), "advice": advice})
        return
    print_facts(
        [
            ("Session", format_id(session.session_id)),
            ("Began", for_people(session.started_at)),
            ("Client", session.remote_address),
            ("Listener", session.listener),
            ("EHLO name", session.helo),
            ("Login", session.login),
            ("Encryption", session.tls or "none"),
            ("Cause", session.cause),
        ]
    )
    for refusal, advice_text in told:
        _print_refusal(refusal, advice_text)


def _print_refusal(refusal: Refusal, advice: str) -> None:
    """What the client read, what is behind it, and what to do about it here."""
    told = refusal.value
    click.echo(f"\n{refusal.name}: {told.code} {told.enhanced}")
    told_whom = "In short           " if refusal in UNSPOKEN else "The client was told"
    click.echo(f"  {told_whom}  {_PLACE.sub('…', told.text)}")
    click.echo(f"  What is behind it    {told.cause_hint}")
    if advice:
        click.echo(f"  What to do here      {printable(advice)}")


def _unknown(cli: Cli, session_id: int) -> Failure:
    """There is no record of this session."""
    days = cli.settings().trace_days
    return Failure(
        ExitCode.NO_SUCH,
        f"no failed session {format_id(session_id)} is known: it began at"
        f" {for_people(time_of(session_id))}, failed ones are kept for {days} days, and sessions"
        " without a refusal are not recorded",
    )


def _refusals(session: SessionRecord) -> list[Refusal]:
    """The refusals of a session that this version knows, in the order in which they came."""
    return [Refusal[name] for name in session.refusals.split() if name in Refusal.__members__]


def _record(session: SessionRecord) -> dict[str, Json]:
    return {
        "session_id": format_id(session.session_id),
        "started_at": for_programs(session.started_at),
        "listener": session.listener,
        "remote_address": session.remote_address,
        "helo": session.helo or None,
        "login": session.login or None,
        "tls": session.tls or None,
        "cause": session.cause or None,
        "refusals": [
            {
                "name": refusal.name,
                "code": refusal.value.code,
                "enhanced": refusal.value.enhanced,
                "text": _PLACE.sub("…", refusal.value.text),
                "hint": refusal.value.cause_hint,
            }
            for refusal in _refusals(session)
        ],
    }
