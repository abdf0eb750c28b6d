"""The pytest plugin: the fixtures `smtp_server` and `m365_server`.

pytest imports this module in every run of everybody who has Pillarbox installed, so it imports
nothing but pytest; the servers are imported when a test asks for one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from pillarbox.testing.m365_server import M365Server
    from pillarbox.testing.smtp_server import SmtpServer


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    config.addinivalue_line(
        "markers",
        "smtp_server(**options): how the server of the fixture smtp_server behaves, say"
        " require_login=True (pillarbox.testing)",
    )
    config.addinivalue_line(
        "markers",
        "m365_server(**switches): how the Microsoft 365 of the fixture m365_server is set up, say"
        ' smtp_auth="off" (pillarbox.testing)',
    )


@pytest.fixture(scope="session")
def pillarbox_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the authority and certificate of all SMTP servers of this run."""
    return tmp_path_factory.mktemp("pillarbox-certificates")


@pytest.fixture
def smtp_server(
    request: pytest.FixtureRequest, pillarbox_certificates: Path
) -> "Iterator[SmtpServer]":
    """A real SMTP server of this test alone: see pillarbox.testing.SmtpServer."""
    try:
        from pillarbox.testing.smtp_server import SmtpServer
    except ModuleNotFoundError as error:
        _fail(error)
    mark = request.node.get_closest_marker("smtp_server")
    options = mark.kwargs if mark else {}
    with SmtpServer(folder=pillarbox_certificates, **options) as server:
        yield server


@pytest.fixture
def m365_server(request: pytest.FixtureRequest) -> "Iterator[M365Server]":
    """A Microsoft 365 of this test alone: see pillarbox.testing.M365Server."""
    try:
        from pillarbox.testing.m365_server import M365Server
    except ModuleNotFoundError as error:
        _fail(error)
    mark = request.node.get_closest_marker("m365_server")
    with M365Server(switches=mark.kwargs if mark else {}) as server:
        yield server


def _fail(error: ModuleNotFoundError) -> NoReturn:
    if (error.name or "").partition(".")[0] == "pillarbox":
        raise error
    hint = 'pip install "pillarbox[testing]"'
    pytest.fail(f"{error.name} is missing, which this fixture needs: {hint}", pytrace=False)
