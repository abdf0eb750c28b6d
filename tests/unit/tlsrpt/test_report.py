"""The report itself: the fields of RFC 8460 section 4.4."""

import gzip
import json

from pillarbox.tlsrpt.report import Report, Reporter
from pillarbox.tlsrpt.results import (
    NO_POLICY,
    Counted,
    Policy,
    PolicyType,
    ResultType,
    TlsResult,
)

DAY = 20_783
DOMAIN = "far.example"
REPORTER = Reporter("Exämple Ltd.", "postmaster@here.example", "here.example")
LINES = ("version: STSv1", "mode: testing", "mx: *.far.example", "max_age: 86400")
STS = Policy(PolicyType.STS, LINES, ("*.far.example",))
TLSA = Policy(PolicyType.TLSA, ("3 1 1 " + "ab" * 32,))
HOST = "mx.far.example"


def _counted(
    sessions: int, policy: Policy, failure: ResultType | None = None, *more: str
) -> Counted:
    return Counted(TlsResult(DAY, DOMAIN, policy, HOST, failure, *more), sessions)


def report(*counted: Counted) -> Report:
    """A report of the day."""
    return Report(REPORTER, DOMAIN, DAY, "0G2V@here.example", counted)


def test_a_report_has_all_that_the_rfc_asks_for() -> None:
    """One entry for each policy with its sums; what failed is told with what is known of it."""
    made = report(
        _counted(5326, STS),
        _counted(100, STS, ResultType.EXPIRED, "192.0.2.1", "198.51.100.7"),
        _counted(3, STS, ResultType.VALIDATION_FAILURE, "192.0.2.1", "198.51.100.7", "tls-refused"),
        _counted(7, TLSA),
    )

    assert json.loads(gzip.decompress(made.compressed())) == {
        "organization-name": "Exämple Ltd.",
        "date-range": {
            "start-datetime": "2026-11-26T00:00:00Z",
            "end-datetime": "2026-11-26T23:59:59Z",
        },
        "contact-info": "postmaster@here.example",
        "report-id": "0G2V@here.example",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": list(LINES),
                    "policy-domain": "far.example",
                    "mx-host": ["*.far.example"],
                },
                "summary": {
                    "total-successful-session-count": 5326,
                    "total-failure-session-count": 103,
                },
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "192.0.2.1",
                        "receiving-mx-hostname": HOST,
                        "receiving-ip": "198.51.100.7",
                        "failed-session-count": 100,
                    },
                    {
                        "result-type": "validation-failure",
                        "sending-mta-ip": "192.0.2.1",
                        "receiving-mx-hostname": HOST,
                        "receiving-ip": "198.51.100.7",
                        "failure-reason-code": "tls-refused",
                        "failed-session-count": 3,
                    },
                ],
            },
            {
                "policy": {
                    "policy-type": "tlsa",
                    "policy-string": list(TLSA.lines),
                    "policy-domain": "far.example",
                },
                "summary": {
                    "total-successful-session-count": 7,
                    "total-failure-session-count": 0,
                },
                "failure-details": [],
            },
        ],
    }


def test_without_a_policy() -> None:
    """RFC 8460 section 4.4: the literal string."""
    (entry,) = json.loads(json.dumps(report(_counted(1, NO_POLICY)).document()))["policies"]

    assert entry["policy"]["policy-type"] == "no-policy-found"
    assert entry["summary"]["total-successful-session-count"] == 1


def test_the_name_of_the_file() -> None:
    """RFC 8460 section 5.1: submitter, domain, begin and end in seconds."""
    assert report().file_name == "here.example!far.example!1795651200!1795737599.json.gz"
