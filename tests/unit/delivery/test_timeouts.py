"""The time that a next hop has."""

import pytest

from pillarbox.delivery.timeouts import Timeouts
from pillarbox.smtp.client_phase import Phase


@pytest.mark.parametrize(
    ("phase", "minutes"),
    [
        (Phase.GREETING, 5),
        (Phase.HELLO, 5),
        (Phase.LOGIN, 5),
        (Phase.MAIL, 5),
        (Phase.RCPT, 5),
        (Phase.DATA, 2),
        (Phase.CONTENT, 3),
        (Phase.CONFIRMATION, 10),
        (Phase.ABANDON, 10),
    ],
)
def test_the_defaults_are_those_of_the_rfc(phase: Phase, minutes: int) -> None:
    """RFC 5321 section 4.5.3.2.1 to .6."""
    assert Timeouts().by_phase[phase] == minutes * 60


@pytest.mark.parametrize(("waited", "minutes"), [(0, 10), (299, 10), (300, 1), (1800, 1)])
def test_an_opening_has_less_time_after_one_that_hung(waited: float, minutes: int) -> None:
    """Six servers that hang take ten minutes, not half an hour."""
    assert Timeouts().opening(waited) == minutes * 60


def test_who_sets_less_has_less() -> None:
    """The short time is never longer than what is configured."""
    assert Timeouts(greeting=5, command=5).opening(30) == 10
