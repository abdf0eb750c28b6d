"""Who wants reports on TLS: the TXT record (RFC 8460 section 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.tlsrpt.record import MAX_DESTINATIONS, destinations


def _read(*records: str) -> list[str]:
    return [str(one) for one in destinations(records)]


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("v=TLSRPTv1; rua=mailto:reports@example.com", ["mailto:reports@example.com"]),
        ("v=TLSRPTv1;rua=https://r.example.com/v1/tlsrpt;", ["https://r.example.com/v1/tlsrpt"]),
        (
            "v=TLSRPTv1 ; rua=mailto:a@example.com , https://r.example.com/x",
            ["mailto:a@example.com", "https://r.example.com/x"],
        ),
        ("v=TLSRPTv1; ext=1; rua=mailto:a%2Bb@example.com", ["mailto:a+b@example.com"]),
        ("v=TLSRPTv1; rua=mailto:a@example.com?subject=x", ["mailto:a@example.com"]),
        ("v=TLSRPTv1; rua=mailto:a@example.com,mailto:a@example.com", ["mailto:a@example.com"]),
        ("v=TLSRPTv1; rua=http://r.example.com/,ftp://x,mailto:", []),
        ("v=TLSRPTv1; rua=mailto:a%0d%0aBcc:x@example.com", []),
        ("v=TLSRPTv1; rua=https:///nowhere,https://[::1", []),
        ("v=TLSRPTv1; rua=", []),
        ("v=TLSRPTv1;", []),
        ("v=TLSRPTv1", []),
        ("v=tlsrptv1; rua=mailto:a@example.com", []),
        ("v=TLSRPTv2; rua=mailto:a@example.com", []),
        ("v=spf1 -all", []),
    ],
)
def test_records(record: str, wanted: list[str]) -> None:
    """What is no mailto: or https: is passed over, and a record that is none says nothing."""
    assert _read(record) == wanted


def test_of_several_records_none_counts() -> None:
    """RFC 8460 section 3: "If the number of resulting records is not one, senders MUST assume the
    recipient domain does not implement TLSRPT"; others at the name are not looked at."""
    one = "v=TLSRPTv1; rua=mailto:a@example.com"

    assert _read("v=spf1 -all", one) == ["mailto:a@example.com"]
    assert _read(one, one) == []


def test_a_crowd_is_cut() -> None:
    """Nobody makes us write to a thousand others."""
    many = ",".join(f"mailto:a{number}@example.com" for number in range(1000))

    assert len(_read(f"v=TLSRPTv1; rua={many}")) == MAX_DESTINATIONS


@given(st.lists(st.text(max_size=80), max_size=5), st.text(alphabet=" \t;,", max_size=3))
def test_any_record_is_survived(uris: list[str], blanks: str) -> None:
    """Whatever strangers write: addresses and URLs of ASCII come out, without line ends, and what
    comes out reads as itself."""
    found = _read(f"v=TLSRPTv1;{blanks}rua={','.join(uris)}")

    assert all(one.isascii() and one.isprintable() and " " not in one for one in found)
    assert all(one.startswith(("mailto:", "https:", "HTTPS:")) for one in map(str, found)) or any(
        one.lower().startswith("https:") for one in found
    )


@given(st.lists(st.sampled_from(["mailto:a@b.example", "https://b.example/x"]), max_size=4))
def test_good_records_come_back(uris: list[str]) -> None:
    """Each once, in their order."""
    record = f"v=TLSRPTv1; rua={','.join(uris)}"

    assert _read(record) == list(dict.fromkeys(uris))
