"""What is counted of sessions with mail hosts, for reports (RFC 8460 section 4.3). Pure.

Nothing in it tells of a message: how many sessions there were, by which policy, and what failed.
"""

from dataclasses import dataclass
from enum import StrEnum

from pillarbox.mail.envelope import Timestamp
from pillarbox.values import quick

DAY_MS = 86_400_000


class PolicyType(StrEnum):
    """Which policy was applied."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


class ResultType(StrEnum):
    """How a session failed. RFC 8460 section 4.3.1 and 4.3.2."""

    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    HOST_MISMATCH = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    """All else that went wrong between STARTTLS and the end of the handshake."""
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    STS_FETCH_ERROR = "sts-policy-fetch-error"
    STS_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"


@quick(frozen=True, slots=True)
class Policy:
    """A policy as it was applied. `lines` are those of an MTA-STS policy, or TLSA records; `mx` the
    patterns of the former."""

    kind: PolicyType
    lines: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()


NO_POLICY = Policy(PolicyType.NONE)


@quick(frozen=True, slots=True)
class TlsResult:
    """What sessions of one day had in common. `day` counts from 1970 in UTC; `failure` None: TLS
    was as the policy demands. The addresses and `reason` are those of failures."""

    day: int
    domain: str
    policy: Policy
    mx_host: str = ""
    failure: ResultType | None = None
    sending_ip: str = ""
    receiving_ip: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """So many sessions ended like this."""

    result: TlsResult
    sessions: int


def day_of(at: Timestamp) -> int:
    """The day of UTC, counted from 1970."""
    return at // DAY_MS
