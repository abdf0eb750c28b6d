"""mta_sts: TXT records and policies as RFC 8461 writes them, and as others do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mta_sts import LONGEST_SECONDS, StsMode, StsPolicy, parse_policy, policy_id

POLICY = """version: STSv1
mode: enforce
mx: mail.example.com
mx: *.example.net
mx: backupmx.example.com
max_age: 604800
"""
"""The example of RFC 8461 section 3.2."""


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v=STSv1 ; ext=x; id = a1 ; more=y"], "a1"),
        (["v=spf1 -all", "v=STSv1; id=1"], "1"),
        ([], None),
        (["v=STSv1; id=1", "v=STSv1; id=1"], None),
        (["v=STSv2; id=1"], None),
        (["v=stsv1; id=1"], None),
        ([" v=STSv1; id=1"], None),
        (["v=STSv1 id=1"], None),
        (["v=STSv1;"], None),
        (["v=STSv1; id="], None),
        (["v=STSv1; id=a-b"], None),
        (["v=STSv1; id=" + "a" * 33], None),
        (["v=STSv1; ID=1"], None),
    ],
)
def test_id_of_the_policy(records: list[str], expected: str | None) -> None:
    """One record that begins as one, with an id of letters and digits."""
    assert policy_id(records) == expected


def test_the_example_of_the_rfc() -> None:
    """With CRLF and with LF."""
    for text in (POLICY, POLICY.replace("\n", "\r\n"), POLICY.rstrip(), POLICY + "\n\n"):
        found = parse_policy(text)

        assert found.mode is StsMode.ENFORCE
        assert found.max_age == 604_800
        assert set(found.mx) == {"mail.example.com", "*.example.net", "backupmx.example.com"}


@pytest.mark.parametrize(
    ("change", "by", "says"),
    [
        ("STSv1", "STSv2", "version"),
        ("version: STSv1\n", "", "version"),
        ("enforce", "Enforce", "mode is Enforce"),
        ("mode: enforce\n", "", "mode is missing"),
        ("max_age: 604800\n", "", "max_age"),
        ("604800", "-1", "max_age"),
        ("604800", "12345678901", "max_age"),
        ("604800", "1 day", "max_age"),
        ("*.example.net", "*", "mx names"),
        ("*.example.net", "mail.*.net", "mx names"),
        ("*.example.net", "*.*.net", "mx names"),
        ("*.example.net", "a b", "mx names"),
        ("mode: enforce", "mode enforce", "no field"),
        ("version", "<html>\nversion", "no field"),
    ],
)
def test_a_policy_that_is_not_valid_is_none(change: str, by: str, says: str) -> None:
    """As a whole: half a policy would be another one. The reason is said."""
    assert change in POLICY
    with pytest.raises(ValueError, match=says):
        parse_policy(POLICY.replace(change, by))


def test_what_is_not_known_is_ignored_and_the_first_counts() -> None:
    """RFC 8461 section 3.2; mx alone may stand several times."""
    text = "version: STSv1\nmode: testing\nmode: enforce\nnew.x: y z\nmx: A.Example.\nmax_age: 1"

    assert parse_policy(text) == StsPolicy(StsMode.TESTING, ("a.example",), 1)


def test_only_without_a_policy_there_need_be_no_host() -> None:
    """Mode none ends a policy."""
    text = "version: STSv1\nmode: none\nmax_age: 86400\n"

    assert parse_policy(text) == StsPolicy(StsMode.NONE, (), 86_400)
    with pytest.raises(ValueError, match="mx is missing"):
        parse_policy(text.replace("none", "enforce"))


def test_a_policy_holds_a_year_at_most() -> None:
    """Longer is cut."""
    found = parse_policy(POLICY.replace("604800", "9999999999"))

    assert found.max_age == LONGEST_SECONDS


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("mail.example.com", True),
        ("a.example.net", True),
        ("example.net", False),
        ("a.b.example.net", False),
        ("mail.example.com.evil.example", False),
        ("xexample.net", False),
        ("example", False),
    ],
)
def test_hosts_of_a_policy(host: str, is_allowed: bool) -> None:
    """A star is exactly one label, in front."""
    found = parse_policy(POLICY)

    assert found.allows(host) is is_allowed


@given(st.lists(st.text()))
def test_no_record_makes_trouble(records: list[str]) -> None:
    """Whatever strangers publish: an id of letters and digits, or none."""
    found = policy_id(records)

    assert found is None or (found.isascii() and found.isalnum() and len(found) <= 32)


FIELDS = st.sampled_from(["version: STSv1", "mode: enforce", "mode: none", "max_age: 1"])
LINES = st.one_of(FIELDS, st.text(), st.from_regex(r"mx: ?[*a-z0-9.-]*", fullmatch=True))


@given(st.lists(LINES), st.sampled_from(["\n", "\r\n"]))
def test_no_policy_makes_trouble(lines: list[str], end: str) -> None:
    """What is read can be written and read again."""
    try:
        found = parse_policy(end.join(lines))
    except ValueError:
        return

    assert 0 <= found.max_age <= LONGEST_SECONDS
    hosts = "".join(f"mx: {pattern}\n" for pattern in found.mx)
    again = f"version: STSv1\nmode: {found.mode}\nmax_age: {found.max_age}\n{hosts}"
    assert parse_policy(again) == found
