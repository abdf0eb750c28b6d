"""All checks of the doctor by their id. docs/doctor.md has a line for each. Pure."""

from pillarbox.diagnosis.catalog_domain import DOMAIN_CHECKS
from pillarbox.diagnosis.catalog_message import MESSAGE_CHECKS
from pillarbox.diagnosis.catalog_service import SERVICE_CHECKS
from pillarbox.diagnosis.catalog_smtp import SMTP_CHECKS
from pillarbox.diagnosis.catalog_tls import TLS_CHECKS
from pillarbox.diagnosis.finding import Check, Finding, Severity

CHECKS: dict[str, Check] = {
    check.id: check
    for check in (
        *SMTP_CHECKS,
        *TLS_CHECKS,
        *DOMAIN_CHECKS,
        *MESSAGE_CHECKS,
        *SERVICE_CHECKS,
    )
}


def found(
    name: str,
    where: str,
    evidence: str = "",
    /,
    *,
    severity: Severity | None = None,
    **facts: object,
) -> Finding:
    """The finding of a check, its texts filled in with facts."""
    check = CHECKS[name]
    return Finding(
        id=name,
        severity=severity or check.severity,
        where=where,
        cause=check.cause.format_map(facts),
        fix=check.fix.format_map(facts),
        evidence=evidence,
    )
