"""Both clients, and TLS for servers of tests."""

from collections.abc import Iterator

import pytest
from tests.support.issuer import Issuer
from tests.support.sending import Certified, Face


@pytest.fixture(params=[False, True], ids=["blocking", "async"])
def face(request: pytest.FixtureRequest) -> Face:
    """The blocking client, and the asynchronous one."""
    return Face(is_async=request.param)


@pytest.fixture(scope="session")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """A server's side of TLS."""
    return Certified(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def issuer(certified: Certified) -> Iterator[Issuer]:
    """A sign-in server."""
    with Issuer(certified.certificate, certified.key) as server:
        yield server
