"""`pillarbox tls-report`: how TLS with the mail hosts of others goes, and the reports on it."""

from datetime import UTC, datetime

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.output import Json, print_json, print_list
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.errors import AddressError
from pillarbox.mail.address import domain_key
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.store.tls_reports import ReportRecord, list_reports
from pillarbox.store.tls_results import results_of
from pillarbox.tlsrpt.results import DAY_MS, Counted, day_of

_SUCCESS = "success"


@click.group("tls-report")
def command() -> None:
    """How TLS with the mail hosts of other domains goes, and the reports that they get on it."""


@command.command("show")
@click.argument("domain", default="")
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Of UTC, like 2026-11-25; default: today. Seven days are kept.",
)
@click.pass_obj
def show(cli: Cli, domain: str, day: datetime | None) -> None:
    """Show what was counted of sessions with a domain's mail hosts, or with all."""
    number = day_of(now() if day is None else _midnight(day))
    with cli.database() as database:
        found = database.read_now(lambda c: results_of(c, number, _key(domain)))
    if cli.as_json:
        print_json([_record(one) for one in found])
        return
    is_on = bool(cli.settings().tls_reports.contact)
    hint = "" if is_on else " Nothing is, before tls_reports.contact is set."
    print_list(
        found,
        {
            "Domain": lambda one: one.result.domain,
            "Policy": lambda one: one.result.policy.kind.value,
            "Host": lambda one: one.result.mx_host,
            "Result": _result,
            "Sessions": lambda one: one.sessions,
        },
        empty=f"Nothing was counted on {_date(number)}.{hint}",
    )


@command.command("list")
@click.argument("domain", default="")
@click.pass_obj
def list_(cli: Cli, domain: str) -> None:
    """List the reports of the last days: when each is due, where it went, or why it did not."""
    with cli.database() as database:
        found = database.read_now(lambda c: list_reports(c, _key(domain)))
    if cli.as_json:
        print_json([_report(one) for one in found])
        return
    print_list(
        found,
        {
            "Day": lambda one: _date(one.day),
            "Domain": lambda one: one.domain,
            "State": lambda one: one.state.value,
            "Due": lambda one: for_people(one.due_at),
            "Attempts": lambda one: one.attempts,
            "To, or why not": lambda one: one.detail,
        },
        empty="There are no reports yet: they are made for days that are over.",
    )


def _report(one: ReportRecord) -> dict[str, Json]:
    return {
        "day": _date(one.day),
        "domain": one.domain,
        "state": one.state.value,
        "due_at": for_programs(one.due_at),
        "attempts": one.attempts,
        "message_id": format_id(one.message_id),
        "detail": one.detail or None,
    }


def _key(domain: str) -> str:
    if not domain:
        return ""
    try:
        return domain_key(domain)
    except AddressError as error:
        raise click.BadParameter(f"{domain!r} is no domain", param_hint="DOMAIN") from error


def _midnight(day: datetime) -> Timestamp:
    return round(day.replace(tzinfo=UTC).timestamp()) * 1000


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_MS // 1000, UTC).date().isoformat()


def _result(one: Counted) -> str:
    failure, reason = one.result.failure, one.result.reason
    if failure is None:
        return _SUCCESS
    return f"{failure.value} ({reason})" if reason else failure.value


def _record(one: Counted) -> dict[str, Json]:
    result = one.result
    return {
        "day": _date(result.day),
        "domain": result.domain,
        "policy_type": result.policy.kind.value,
        "policy_string": list(result.policy.lines),
        "mx_host": result.mx_host or None,
        "result": _SUCCESS if result.failure is None else result.failure.value,
        "reason": result.reason or None,
        "sending_ip": result.sending_ip or None,
        "receiving_ip": result.receiving_ip or None,
        "sessions": one.sessions,
    }
