"""What domains publish for their MX hosts: policies of MTA-STS, certificates for DANE."""

from datetime import UTC, datetime

from tests.support.dane_certificates import make

from pillarbox.delivery.dane import vouches
from pillarbox.diagnosis.certificate import key_of
from pillarbox.discovery.dane import TlsaRecord, usable
from pillarbox.mta_sts import LONGEST_SECONDS, StsMode, parse_policy, policy_id

HOST = "mx.far.example"
AUTHORITY = make("root", is_authority=True)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def mta_sts(octets: bytes) -> None:
    """A record has an id or none; a policy is one that can be written, or none."""
    text = octets.decode("utf-8", "replace")
    found = policy_id(text.split("\n"))
    assert found is None or (found.isascii() and found.isalnum())
    try:
        policy = parse_policy(text)
    except ValueError:
        return
    assert 0 <= policy.max_age <= LONGEST_SECONDS
    assert policy.mx or policy.mode is StsMode.NONE
    hosts = "".join(f"mx: {pattern}\n" for pattern in policy.mx)
    again = f"version: STSv1\nmode: {policy.mode}\nmax_age: {policy.max_age}\n{hosts}"
    assert parse_policy(again) == policy
    policy.allows(HOST)


def dane(octets: bytes) -> None:
    """No certificate of a stranger is vouched for by an authority that did not issue it, and none
    by a digest that is not its own."""
    key_of(octets)
    records = (AUTHORITY.tlsa(2, 0, 0), AUTHORITY.tlsa(2), AUTHORITY.tlsa(3))
    assert not vouches(usable(records), [octets, AUTHORITY.der], names=(HOST,), now=NOW)
    usage, selector, matching = octets[:3].ljust(3, b"\x01")
    raw = usable([TlsaRecord(usage, selector, matching, octets[3:])])
    vouches(raw, [AUTHORITY.der, octets], names=(HOST,), now=NOW)
