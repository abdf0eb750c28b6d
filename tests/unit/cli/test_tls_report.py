"""`pillarbox tls-report`: what was counted."""

from tests.support.storing import now_ms
from tests.unit.cli.conftest import Service

from pillarbox.store.tls_reports import (
    ReportState,
    end_report,
    list_reports,
    plan_reports,
)
from pillarbox.store.tls_results import add_results
from pillarbox.tlsrpt.results import (
    DAY_MS,
    NO_POLICY,
    Counted,
    Policy,
    PolicyType,
    ResultType,
    TlsResult,
    day_of,
)

EX_USAGE = 64
HOUR_MS = 3_600_000
STS = Policy(PolicyType.STS, ("version: STSv1", "mode: testing"), ("*.far.example",))


def _count(service: Service, day: int) -> None:
    bad = ResultType.VALIDATION_FAILURE
    counted = [
        Counted(TlsResult(day, "far.example", STS, "mx.far.example"), 12),
        Counted(
            TlsResult(day, "far.example", STS, "mx.far.example", bad, "192.0.2.1", "", "not-tls"), 3
        ),
        Counted(TlsResult(day, "other.example", NO_POLICY, "mx.other.example"), 1),
        Counted(TlsResult(day - 1, "old.example", NO_POLICY, "mx.old.example"), 1),
    ]
    service.database.write_now(lambda c: add_results(c, counted))


def test_what_was_counted_today(service: Service) -> None:
    """For people and for programs, of all domains and of one in any spelling."""
    today = day_of(now_ms())
    _count(service, today)

    table = service.do("tls-report", "show").splitlines()
    assert table[0].split() == ["DOMAIN", "POLICY", "HOST", "RESULT", "SESSIONS"]
    assert len(table) == 4
    assert "validation-failure (not-tls)" in table[2]

    found = service.json("tls-report", "show", "FAR.example")
    assert [(one["result"], one["sessions"]) for one in found] == [
        ("success", 12),
        ("validation-failure", 3),
    ]
    assert found[1]["sending_ip"] == "192.0.2.1"
    assert found[0]["policy_string"] == ["version: STSv1", "mode: testing"]


def test_another_day(service: Service) -> None:
    """Days are those of UTC."""
    _count(service, day_of(1_795_680_000_000))

    (old,) = service.json("tls-report", "show", "--day", "2026-11-25")
    assert (old["domain"], old["day"]) == ("old.example", "2026-11-25")
    assert service.run("tls-report", "show", "--day", "yesterday").exit_code == EX_USAGE
    assert service.run("tls-report", "show", "no domain").exit_code == EX_USAGE


def test_reports_and_what_became_of_them(service: Service) -> None:
    """The newest day first; of one domain or of all."""
    assert "days that are over" in service.do("tls-report", "list")
    today = day_of(now_ms())
    _count(service, today - 1)
    database, due = service.database, (today + 1) * DAY_MS + HOUR_MS
    planned = [(today - 1, name, due, 1 << 40) for name in ("far.example", "other.example")]
    database.write_now(lambda c: plan_reports(c, planned))
    report = database.read_now(lambda c: list_reports(c, "far.example"))[0]
    database.write_now(lambda c: end_report(c, report, ReportState.SENT, "https://r.example/"))

    table = service.do("tls-report", "list").splitlines()
    assert [line.split()[1] for line in table[1:3]] == ["far.example", "other.example"]
    assert table[1].endswith("https://r.example/")
    (found,) = service.json("tls-report", "list", "other.example")
    assert (found["state"], found["attempts"], found["detail"]) == ("waiting", 0, None)
    assert found["due_at"].endswith("T01:00:00.000Z")


def test_nothing_was_counted(service: Service) -> None:
    """It says what turns it on, where it is off."""
    assert "tls_reports.contact" in service.do("tls-report", "show")
    with service.config_file.open("a") as file:
        file.write('\n[tls_reports]\ncontact = "postmaster@example.org"\n')

    assert "tls_reports" not in service.do("tls-report", "show")
