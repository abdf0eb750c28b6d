"""What was probably meant (pillarbox.cli.names)."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.storing import now_ms, open_database

from pillarbox.cli.failures import Failure
from pillarbox.cli.names import SHOWN, find_tenant, near, read_id
from pillarbox.store.admin.tenants import add_tenant

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


@pytest.mark.parametrize("count", [2, 100])
def test_some_of_many_tenants_are_named(sqlite_url: str, count: int) -> None:
    """Without --tenant: all of a few, and of thousands no page full of names."""
    database = open_database(sqlite_url)
    for number in range(count):
        database.write_now(partial(add_tenant, name=f"t{number:03}", now=now_ms()))

    with pytest.raises(Failure) as refused:
        find_tenant(database, None)
    database.close_now()

    said = str(refused.value)
    assert "--tenant NAME: t000, t001" in said
    assert len(said) < 300
    assert ("pillarbox tenant list" in said) is (count > 2)
