"""TLS as a port answered to hellos, and its certificates. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import pairwise

from pillarbox.diagnosis import hello
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.certificate import Certificate, read_certificate
from pillarbox.diagnosis.facts import Facts, TlsFacts
from pillarbox.diagnosis.finding import Finding, Severity
from pillarbox.diagnosis.hello import Hello
from pillarbox.explain.failures import FailureKind

SOON_DAYS = 14
"""By then whatever renews certificates by itself has done so; those of a few days are renewed in
their last quarter."""

_OF_CERTIFICATE = frozenset(
    {
        FailureKind.CERTIFICATE_EXPIRED,
        FailureKind.CERTIFICATE_NOT_YET_VALID,
        FailureKind.CERTIFICATE_NAME_MISMATCH,
        FailureKind.CERTIFICATE_NOT_TRUSTED,
    }
)
_DAY = 86_400
_WEAK_RSA_BITS = 2048
_WEAK_CURVE_BITS = 224
_WEAK_PRIME_BITS = 2048


def about_tls(facts: Facts) -> Iterable[Finding]:
    """Versions, suites and certificates of each port that was asked."""
    refused = {a.port for a in facts.attempts if a.failure and a.failure.kind in _OF_CERTIFICATE}
    for seen in facts.tls:
        where = f"port {seen.port}"
        yield from _of_versions(seen, where)
        yield from _of_suites(seen, where)
        yield from _of_stores(seen, where)
        if seen.port not in refused:
            yield from _of_chain(seen, facts.now, where)

    for listed in facts.suites:
        shut_out = [name for name, served in listed.clients.items() if served is False]
        if shut_out:
            names = "; ".join(shut_out)
            yield found("TLS-OLD-CLIENTS", f"port {listed.port}", names=names)


def _of_stores(seen: TlsFacts, where: str) -> Iterable[Finding]:
    chain = read_chain(seen)
    if chain and seen.system_trusts and seen.mozilla_trusts is False:
        top = chain[-1]
        yield found("TLS-CERT-NOT-MOZILLA", where, top.issuer, authority=top.issuer)


def _took(seen: TlsFacts, name: str) -> Hello | None:
    answer = seen.hellos.get(name)
    return answer if answer and answer.version else None


def _refused(seen: TlsFacts, name: str) -> bool:
    answer = seen.hellos.get(name)
    return answer is not None and not answer.version


def _of_versions(seen: TlsFacts, where: str) -> Iterable[Finding]:
    if (answer := _took(seen, "ssl3")) and answer.version == hello.SSL3:
        yield found("TLS-SSL3", where, _shown(answer))
    # A server may answer with a version that is older than the one that was offered.
    old = [
        answer
        for name, version in (("1.0", hello.TLS10), ("1.1", hello.TLS11))
        if (answer := _took(seen, name)) and answer.version == version
    ]
    new = {name for name in ("1.2", "1.3") if _took(seen, name)}
    if old and new:
        versions = " and ".join(hello.NAMES[answer.version] for answer in old)
        yield found("TLS-VERSION-OLD", where, _shown(old[0]), versions=versions)
    if "1.2" in new and _refused(seen, "1.3"):
        yield found("TLS-NO-1-3", where)
    if "1.3" in new and _refused(seen, "1.2"):
        yield found("TLS-ONLY-1-3", where)


def _of_suites(seen: TlsFacts, where: str) -> Iterable[Finding]:
    if broken := _took(seen, "broken"):
        kind = hello.BROKEN.get(broken.suite, "unknown")
        yield found("TLS-CIPHER-BROKEN", where, _shown(broken), kind=kind)
    if anonymous := _took(seen, "anonymous"):
        yield found("TLS-ANONYMOUS", where, _shown(anonymous))
    usual = _took(seen, "1.2")
    if usual and usual.suite in hello.STATIC_RSA:
        yield found("TLS-NO-FORWARD-SECRECY", where, _shown(usual))
    elif static := _took(seen, "static"):
        yield found("TLS-STATIC-RSA", where, _shown(static))
    dhe = _took(seen, "dhe")
    if dhe and 0 < dhe.prime_bits < _WEAK_PRIME_BITS:
        yield found("TLS-DH-WEAK", where, _shown(dhe), bits=dhe.prime_bits)
    if usual and usual.compresses:
        yield found("TLS-COMPRESSION", where, _shown(usual))
    if usual and not usual.renegotiates_safely:
        yield found("TLS-RENEGOTIATION", where, _shown(usual))
    if usual and not usual.binds_session:
        yield found("TLS-NO-EMS", where, _shown(usual))


def _shown(answer: Hello) -> str:
    return f"{hello.NAMES.get(answer.version, hex(answer.version))}, suite 0x{answer.suite:04x}"


def read_chain(seen: TlsFacts) -> list[Certificate]:
    """The certificates that can be read, the server's own first."""
    return [one for octets in seen.chain if (one := read_certificate(octets)) is not None]


def _of_chain(seen: TlsFacts, now: float, where: str) -> Iterable[Finding]:
    chain = read_chain(seen)
    if not chain:
        return
    leaf = chain[0]
    left = leaf.ends_at - now
    if 0 < left < min(SOON_DAYS * _DAY, (leaf.ends_at - leaf.begins_at) / 4):
        yield found(
            "TLS-CERT-ENDS-SOON", where, f"notAfter {_date(leaf.ends_at)}", days=_days(left)
        )
    if not leaf.names:
        # Libraries that still look at the subject take it.
        subject = leaf.subject
        yield found("TLS-CERT-NO-NAMES", where, subject, severity=Severity.WARN, subject=subject)
    yield from _weaknesses(chain, where)
    nameless = seen.hellos.get("nameless")
    usual = seen.hellos.get("1.2")
    if nameless and usual and nameless.certificates and usual.certificates:
        other = read_certificate(nameless.certificates[0])
        if other and other.key_der != leaf.key_der and other.names != leaf.names:
            yield found("TLS-SNI-DIFFERENT", where, " ".join(other.names), subject=other.subject)


def _weaknesses(chain: list[Certificate], where: str) -> Iterable[Finding]:
    weak = next((one for one in chain if _is_weak(one)), None)
    if weak is not None:
        yield found("TLS-CERT-KEY-WEAK", where, weak.subject, bits=weak.key_bits)
    # Nobody looks at the signature of a root.
    broken = next((o for o in chain if o.broken_signature and not o.is_self_issued), None)
    if broken is not None:
        name = broken.broken_signature
        yield found("TLS-CERT-SIGNATURE", where, broken.subject, name=name)


def _is_weak(one: Certificate) -> bool:
    return 0 < one.key_bits < (_WEAK_RSA_BITS if one.is_rsa else _WEAK_CURVE_BITS)


def certificate_finding(name: str, where: str, facts: Facts, port: int) -> Finding | None:
    """A finding about a certificate that was refused, told by the certificate itself; None where
    it was not seen."""
    seen = next((one for one in facts.tls if one.port == port), None)
    chain = read_chain(seen) if seen else []
    if not chain:
        return None
    leaf, host = chain[0], facts.target.host
    match name:
        case "TLS-CERT-EXPIRED":
            late = next((one for one in chain if one.ends_at <= facts.now), leaf)
            evidence = f"{late.subject}: notAfter {_date(late.ends_at)}"
            return found(name, where, evidence, ago=f"{_days(facts.now - late.ends_at)} days ago")
        case "TLS-CERT-NOT-YET-VALID":
            return found(name, where, f"{leaf.subject}: notBefore {_date(leaf.begins_at)}")
        case "TLS-CERT-NAME" if not leaf.names:
            return found("TLS-CERT-NO-NAMES", where, leaf.subject, subject=leaf.subject)
        case "TLS-CERT-NAME":
            return found(name, where, " ".join(leaf.names), host=host, other=_best_name(leaf))
        case "TLS-CERT-UNTRUSTED" if seen and seen.mozilla_trusts:
            return found("TLS-STORE-OLD", where, chain[-1].issuer, authority=chain[-1].issuer)
        case "TLS-CERT-UNTRUSTED":
            return _untrusted(chain, where)
    return None


def _best_name(leaf: Certificate) -> str:
    """A name of the certificate that one could connect to."""
    plain = [name for name in leaf.names if "*" not in name and not _is_address(name)]
    return plain[0] if plain else leaf.names[0]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _untrusted(chain: list[Certificate], where: str) -> Finding:
    leaf, top = chain[0], chain[-1]
    evidence = "; ".join(f"{one.subject} (issued by {one.issuer})" for one in chain)
    if not leaf.is_for_servers:
        return found("TLS-CERT-PURPOSE", where, evidence)
    if weakness := next(iter(_weaknesses(chain, where)), None):
        return weakness
    if leaf.is_self_issued:
        return found("TLS-CERT-SELF-SIGNED", where, evidence)
    if top.is_self_issued and len(chain) > 1:
        return found("TLS-CERT-PRIVATE-CA", where, evidence, authority=top.subject)
    if len(chain) == 1:
        return found("TLS-CHAIN-INCOMPLETE", where, evidence, issuer=leaf.issuer)
    links = pairwise(chain)
    if any(below.issuer_der != above.subject_der for below, above in links):
        return found("TLS-CHAIN-ORDER", where, evidence)
    return found("TLS-CERT-UNTRUSTED", where, evidence)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _days(seconds: float) -> int:
    return int(seconds // _DAY)
