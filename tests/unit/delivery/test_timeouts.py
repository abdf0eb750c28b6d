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
