"""Both clients, and TLS for servers of tests."""

from pathlib import Path

import pytest
from tests.support.sending import Certified, Face


@pytest.fixture(params=[False, True], ids=["blocking", "async"])
def face(request: pytest.FixtureRequest) -> Face:
    """The blocking client, and the asynchronous one."""
    return Face(is_async=request.param)


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    """A server's side of TLS."""
    return Certified(tmp_path)
