"""How TLS with MX hosts went, in the words of reports (RFC 8460 section 4.3).

What is counted is a session, not a message: one that was opened, or that failed for want of TLS.
"""

from dataclasses import dataclass

from pillarbox.delivery.mx_security import Demand, Level, MxWay
from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.envelope import TlsWish
from pillarbox.mta_sts import StsPolicy
from pillarbox.tlsrpt.results import NO_POLICY, Policy, PolicyType, ResultType, TlsResult

_RESULTS = {
    FailureKind.TLS_MISSING: ResultType.STARTTLS_NOT_SUPPORTED,
    FailureKind.CERTIFICATE_NAME_MISMATCH: ResultType.HOST_MISMATCH,
    FailureKind.CERTIFICATE_EXPIRED: ResultType.EXPIRED,
    FailureKind.CERTIFICATE_NOT_TRUSTED: ResultType.NOT_TRUSTED,
    FailureKind.DANE_LOOKUP_FAILED: ResultType.DNSSEC_INVALID,
    **dict.fromkeys(
        (
            *(FailureKind.TLS_REFUSED, FailureKind.TLS_INJECTED, FailureKind.NOT_TLS),
            *(FailureKind.TLS_TOO_OLD, FailureKind.HANDSHAKE_FAILED, FailureKind.DANE_FAILED),
            *(FailureKind.CERTIFICATE_NOT_YET_VALID, FailureKind.MTA_STS_FAILED),
        ),
        ResultType.VALIDATION_FAILURE,
    ),
}
"""All other failures say nothing of TLS."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One host in one session. `demand` None: it could not be found out, or the host may not be
    used. `ends` are the addresses of this end and of the host, where there was a connection."""

    way: MxWay
    demand: Demand | None
    host: str
    ends: tuple[str, str] = ("", "")


class TlsResults:
    """Tells the counts of a worker what became of a session."""

    def __init__(self, counts: TlsCounts) -> None:
        self._counts = counts

    def opened(self, seen: Seen, *, is_encrypted: bool) -> None:
        """A session was opened as it was demanded."""
        if seen.demand is not None and seen.demand.level is Level.ENCRYPTED:
            # There are TLSA records, and none can be used.
            self._count(seen, ResultType.TLSA_INVALID)
        else:
            self._count(seen, None if is_encrypted else ResultType.STARTTLS_NOT_SUPPORTED)

    def failed(self, seen: Seen, failure: Failure) -> None:
        """There is no session, or none as the policy demands."""
        result = _RESULTS.get(failure.kind)
        if result is not None:
            is_vague = result is ResultType.VALIDATION_FAILURE
            reason = failure.kind.name.lower().replace("_", "-") if is_vague else ""
            self._count(seen, result, reason)

    def _count(self, seen: Seen, failure: ResultType | None, reason: str = "") -> None:
        if seen.way.wish is not TlsWish.NONE:
            # It is the sender's wish that was obeyed, and not the policy of the domain.
            return
        ends = ("", "") if failure is None else seen.ends
        domain, policy = seen.way.hop.domain, _policy(seen, failure)
        day = self._counts.today
        self._counts.add(TlsResult(day, domain, policy, seen.host, failure, *ends, reason))


def _policy(seen: Seen, failure: ResultType | None) -> Policy:
    """The policy that was applied, or would have been."""
    demand = seen.demand
    if failure is ResultType.DNSSEC_INVALID:
        return Policy(PolicyType.TLSA)
    if demand is not None and demand.level in {Level.DANE, Level.ENCRYPTED}:
        return Policy(PolicyType.TLSA, tuple(map(str, demand.records)))
    return _sts(seen.way.policy)


def _sts(policy: StsPolicy | None) -> Policy:
    if policy is None:
        return NO_POLICY
    lines = (
        "version: STSv1",
        f"mode: {policy.mode.value}",
        *(f"mx: {pattern}" for pattern in policy.mx),
        f"max_age: {policy.max_age}",
    )
    return Policy(PolicyType.STS, lines, policy.mx)
