"""What was probably meant (pillarbox.cli.names)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.cli.failures import Failure
from pillarbox.cli.names import SHOWN, near, read_id

KNOWN = ["app@example.org", "printer@example.org", "printer@example.net", "scanner@example.org"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("printr@example.org", ["printer@example.org", "printer@example.net"]),
        ("Printer", ["printer@example.net", "printer@example.org"]),
        ("scanner@example.com", ["scanner@example.org"]),
        ("ap@example.org", ["app@example.org"]),
        ("somebody@example.org", []),
        ("", []),
    ],
)
def test_similar_addresses(typed: str, meant: list[str]) -> None:
    """Both halves have to be alike: neighbours in one domain are not."""
    assert near(typed, KNOWN) == meant


@given(st.text(), st.lists(st.text(), max_size=8))
def test_suggestions_are_few_and_known(typed: str, known: list[str]) -> None:
    """Whatever is typed."""
    found = near(typed, known)

    assert len(found) <= SHOWN
    assert set(found) <= set(known)


@pytest.mark.parametrize("typed", ["zzz", "U000000000000", "Z" * 13])
def test_what_is_no_id_is_named_once(typed: str) -> None:
    """With the reason behind it."""
    with pytest.raises(Failure) as refused:
        read_id(typed, "queue id")

    assert str(refused.value).startswith(f"'{typed}' is no queue id: ")
    assert str(refused.value).count(typed) == 1
