"""Sessions and open files: there are never more of the first than there is room for."""

import resource

import pytest

from pillarbox.app.descriptors import fit_sessions, within_open_files
from pillarbox.config import Delivery, Limits


@pytest.mark.parametrize(
    ("descriptors", "sessions"),
    [(65_536, 10_000), (5000, 4352), (1024, 620), (128, 39), (60, 1)],
)
def test_sessions_fit_into_the_open_files(descriptors: int, sessions: int) -> None:
    """What delivery and the service itself need is left for them."""
    fitting = fit_sessions(Limits(), connections=500, descriptors=descriptors)

    assert fitting.sessions == sessions


def test_without_a_limit_of_files_sessions_stay() -> None:
    """A system that counts no files."""
    limits = Limits()

    assert fit_sessions(limits, connections=500, descriptors=resource.RLIM_INFINITY) is limits


def test_the_process_takes_all_the_files_that_it_may_have() -> None:
    """Systems start services with 1024, and let them ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
        within_open_files(Limits(), Delivery())

        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
