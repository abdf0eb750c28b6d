"""Records to publish, and policies (pillarbox.diagnosis.records, about_domain)."""

import pytest
from tests.gallery.domains import DOMAINS
from tests.gallery.visit import visit

from pillarbox.diagnosis.findings import findings
from pillarbox.diagnosis.records import report_domains


@pytest.mark.parametrize(
    ("exhibit", "line"),
    [
        ("no SPF", 'corp.com. IN TXT "v=spf1 mx ~all"'),
        ("two SPF records", 'corp.com. IN TXT "v=spf1 a mx ~all"'),
        ("SPF for everybody", 'corp.com. IN TXT "v=spf1 mx ~all"'),
        (
            "SPF without the provider",
            'corp.com. IN TXT "v=spf1 mx include:spf.protection.outlook.com -all"',
        ),
        ("SPF without this address", 'corp.com. IN TXT "v=spf1 mx ip4:11.9.9.9 -all"'),
        (
            "no DMARC",
            '_dmarc.corp.com. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc@corp.com"',
        ),
        ("DMARC reports to strangers", 'corp.com._report._dmarc.other.com. IN TXT "v=DMARC1"'),
    ],
)
async def test_fix_is_a_line_for_the_zone(exhibit: str, line: str) -> None:
    """What is there is kept, what is missing is put in; it can be copied as it is."""
    [shown] = [one for one in DOMAINS if one.name == exhibit]

    first = findings(await visit(shown))[0]

    assert line in first.fix


def test_takers_of_reports_are_read() -> None:
    """Sizes and other schemes are passed over."""
    policy = "v=DMARC1; rua=mailto:a@b.com!10m, https://c.com/x ,mailto:d@E.com"

    assert report_domains(policy) == ["b.com", "e.com"]
