"""Sessions and open files: there are never more of the first than there is room for."""

import resource

import pytest

from pillarbox.app.descriptors import fit_sessions, web_connections, within_open_files
from pillarbox.config import Delivery, Limits, Publishing


@pytest.mark.parametrize(
    ("descriptors", "sessions"),
    [(65_536, 10_000), (5000, 4352), (1024, 620), (128, 39), (60, 1)],
)
def test_sessions_fit_into_the_open_files(descriptors: int, sessions: int) -> None:
    """What delivery and the service itself need is left for them."""
    fitting = fit_sessions(Limits(), connections=500, descriptors=descriptors)

    assert fitting.sessions == sessions


@pytest.mark.parametrize(
    ("descriptors", "web", "sessions"),
    [(65_536, 100, 10_000), (5000, 100, 4252), (1024, 100, 520), (128, 12, 29), (60, 6, 1)],
)
def test_the_web_has_its_share_of_the_open_files(descriptors: int, web: int, sessions: int) -> None:
    """Who asks for settings for clients takes no file that a session counts on."""
    connections = web_connections(descriptors)
    fitting = fit_sessions(Limits(), connections=500, web=connections, descriptors=descriptors)

    assert (connections, fitting.sessions) == (web, sessions)


def test_without_a_limit_of_files_sessions_stay() -> None:
    """A system that counts no files."""
    limits = Limits()

    assert fit_sessions(limits, connections=500, descriptors=resource.RLIM_INFINITY) is limits
    assert web_connections(resource.RLIM_INFINITY) == 100


def test_the_process_takes_all_the_files_that_it_may_have() -> None:
    """Systems start services with 1024, and let them ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
        within_open_files(Limits(), Delivery(), Publishing())

        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
