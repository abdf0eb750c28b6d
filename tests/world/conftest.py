"""The world of these tests."""

from collections.abc import Iterator

import pytest
from tests.world.dane_cases import describe_cases
from tests.world.domains import describe
from tests.world.sts_cases import describe_sts_cases
from tests.world.world import World, open_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All of it, started once."""
    folder = tmp_path_factory.mktemp("world")
    # The mail hosts are other users.
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o755)
    with open_world(folder, describe, describe_cases, describe_sts_cases) as opened:
        yield opened
