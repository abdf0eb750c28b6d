"""The report on one day of a domain: JSON of RFC 8460 section 4.4, compressed. Pure."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pillarbox.tlsrpt.results import DAY_MS, Counted, Policy, PolicyType, TlsResult

MEDIA_TYPE = "application/tlsrpt+gzip"

_DAY_SECONDS = DAY_MS // 1000


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: `submitter` is the domain that the reports come from."""

    organization: str
    contact: str
    submitter: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report is made from. `report_id` is like "name@domain"."""

    reporter: Reporter
    domain: str
    day: int
    report_id: str
    counted: Sequence[Counted]

    @property
    def begins(self) -> int:
        """The first second of the day, since 1970."""
        return self.day * _DAY_SECONDS

    @property
    def ends(self) -> int:
        """The last second of it."""
        return self.begins + _DAY_SECONDS - 1

    @property
    def file_name(self) -> str:
        """RFC 8460 section 5.1; the submitter first, and nothing that a file system would mind."""
        return f"{self.reporter.submitter}!{self.domain}!{self.begins}!{self.ends}.json.gz"

    def compressed(self) -> bytes:
        """The report as it is sent."""
        return gzip.compress(json.dumps(self.document()).encode(), mtime=0)

    def document(self) -> dict[str, object]:
        """The JSON as values."""
        by_policy: dict[Policy, list[Counted]] = {}
        for one in self.counted:
            by_policy.setdefault(one.result.policy, []).append(one)
        return {
            "organization-name": self.reporter.organization,
            "date-range": {
                "start-datetime": _moment(self.begins),
                "end-datetime": _moment(self.ends),
            },
            "contact-info": self.reporter.contact,
            "report-id": self.report_id,
            "policies": [self._policy(policy, counted) for policy, counted in by_policy.items()],
        }

    def _policy(self, policy: Policy, counted: list[Counted]) -> dict[str, object]:
        failures = [one for one in counted if one.result.failure is not None]
        failed = sum(one.sessions for one in failures)
        about: dict[str, object] = {
            "policy-type": policy.kind.value,
            "policy-string": list(policy.lines),
            "policy-domain": self.domain,
        }
        if policy.kind is PolicyType.STS:
            about["mx-host"] = list(policy.mx)
        return {
            "policy": about,
            "summary": {
                "total-successful-session-count": sum(one.sessions for one in counted) - failed,
                "total-failure-session-count": failed,
            },
            "failure-details": [_failure(one.result, one.sessions) for one in failures],
        }


def _failure(result: TlsResult, sessions: int) -> dict[str, object]:
    """What is not known is left out."""
    details = {
        "result-type": result.failure.value if result.failure is not None else "",
        "sending-mta-ip": result.sending_ip,
        "receiving-mx-hostname": result.mx_host,
        "receiving-ip": result.receiving_ip,
        "failure-reason-code": result.reason,
    }
    known = {name: value for name, value in details.items() if value}
    return {**known, "failed-session-count": sessions}


def _moment(seconds: int) -> str:
    """A date and time of RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
