"""Ids: they grow, they say when they were made, and people can type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.identifier import (
    EPOCH,
    ID_DIGITS,
    INSTANCES,
    IdGenerator,
    format_id,
    parse_id,
    time_of,
)

NOW = EPOCH + 200_000_000_000

identifiers = st.integers(0, (1 << 63) - 1)


@given(st.lists(st.integers(-5, 5), max_size=50), st.integers(0, INSTANCES - 1))
def test_ids_only_grow(steps: list[int], instance: int) -> None:
    """Also when the clock stands still or is set back."""
    generator = IdGenerator(instance)
    now = NOW
    made = []
    for step in steps:
        now += step
        made.append(generator.next_id(now))

    assert made == sorted(set(made))


def test_more_ids_than_a_millisecond_holds() -> None:
    """4,096 and more in one millisecond stay unique and in order."""
    generator = IdGenerator(1)

    made = [generator.next_id(NOW) for _ in range(10_000)]

    assert made == sorted(set(made))
    assert time_of(made[-1]) == NOW + 2


def test_ids_of_two_instances_differ() -> None:
    """The number of the process is part of the id."""
    assert IdGenerator(0).next_id(NOW) != IdGenerator(1).next_id(NOW)


@pytest.mark.parametrize("instance", [-1, INSTANCES])
def test_instances_out_of_range(instance: int) -> None:
    """There are 1,024 numbers for processes."""
    with pytest.raises(ValueError, match="instance"):
        IdGenerator(instance)


def test_time_of_an_id() -> None:
    """An id says when it was made, to the millisecond."""
    assert time_of(IdGenerator(3).next_id(NOW)) == NOW


@given(identifiers)
def test_texts_round_trip(identifier: int) -> None:
    """What is shown can be read back, in any case and with the letters that people confuse."""
    text = format_id(identifier)

    assert len(text) == ID_DIGITS
    assert parse_id(text) == identifier
    assert parse_id(text.lower().replace("0", "o").replace("1", "l")) == identifier


@given(identifiers, identifiers)
def test_texts_sort_as_ids(one: int, other: int) -> None:
    """The order of texts is the order of ids."""
    assert (format_id(one) < format_id(other)) == (one < other)


@pytest.mark.parametrize("text", ["", "0" * 12, "0" * 14, "0" * 12 + "U", "Z" * 13, "0" * 12 + "é"])
def test_texts_that_are_no_ids(text: str) -> None:
    """Wrong length, wrong letters, or a number that no id has."""
    with pytest.raises(ValueError, match="id"):
        parse_id(text)
