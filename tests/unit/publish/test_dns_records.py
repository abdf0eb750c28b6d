"""publish.dns_records: lines of zone files, and what DNS says of a key."""

import dns.rdatatype
import dns.zone
import pytest
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.publish.dns_records import InDns, compare_dkim, is_proved, txt_record

RECORD = "v=DKIM1; k=rsa; p=MIIBIj+/Q=="


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=900))
def test_a_zone_file_with_the_line_has_the_text(text: str) -> None:
    """Also one of many strings, with quotes and backslashes."""
    line = txt_record("a._domainkey.example.org", text)
    zone = dns.zone.from_text(f"$TTL 60\n{line}\n", "example.org.", check_origin=False)
    [record] = zone.find_rdataset("a._domainkey", dns.rdatatype.TXT)
    assert isinstance(record, TXT)
    assert b"".join(record.strings).decode() == text


@pytest.mark.parametrize(
    ("texts", "verdict"),
    [
        ([RECORD], InDns.RIGHT),
        (["k=rsa; p=MIIBIj+/Q==;"], InDns.RIGHT),
        (["v=DKIM1;p=MIIB Ij+/ Q==;t=s"], InDns.RIGHT),
        (["v=spf1 -all", RECORD], InDns.RIGHT),
        ([], InDns.MISSING),
        (["v=spf1 -all"], InDns.MISSING),
        (["v=DKIM1; p="], InDns.REVOKED),
        (["v=DKIM1; p=AAAA"], InDns.OTHER),
        (["v=DKIM1; k=rsa; h=sha1:sha256; s=tlsrpt : email; p=MIIBIj+/Q=="], InDns.RIGHT),
        (["v=DKIM1; h=sha1; p=MIIBIj+/Q=="], InDns.UNUSABLE),
        (["v=DKIM1; s=tlsrpt; p=MIIBIj+/Q=="], InDns.UNUSABLE),
        (["v=DKIM1; k=ed25519; p=MIIBIj+/Q=="], InDns.UNUSABLE),
        ([RECORD, "v=DKIM1; p=AAAA"], InDns.SEVERAL),
    ],
)
def test_what_dns_says_of_a_key(texts: list[str], verdict: InDns) -> None:
    """RFC 6376 3.6: order, blanks and further tags do not count; what the key is for does."""
    assert compare_dkim(texts, RECORD) is verdict


def test_a_record_without_the_kind_of_its_key_is_one_of_rsa() -> None:
    """RFC 6376 3.6.1: that is the default, so nobody verifies with a key of Ed25519 then."""
    record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert compare_dkim([record.replace("k=ed25519; ", "")], record) is InDns.UNUSABLE


@pytest.mark.parametrize(
    ("texts", "proved"),
    [
        (["token=1f"], True),
        (["token=2e", "token=1f"], True),
        (['"token=1f"'], True),
        (["token=1f "], True),
        (["token=1F"], False),
        (["token=1f0"], False),
        (["xtoken=1f"], False),
        (["1f"], False),
        ([], False),
    ],
)
def test_a_domain_is_proved_by_its_token(texts: list[str], proved: bool) -> None:
    """Beside those of others, as forms of DNS providers keep it; not by anything like it."""
    assert is_proved(texts, "1f") is proved
