"""One service and one emulator for all tests of this folder."""

from collections.abc import Iterator

import pytest
from tests.e2e.microsoft365.bridge import Bridge, prepared


@pytest.fixture(scope="package")
def running_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """What all tests use."""
    with prepared(tmp_path_factory.mktemp("bridge")) as bridge:
        yield bridge


@pytest.fixture
def bridge(running_bridge: Bridge) -> Iterator[Bridge]:
    """The same without what earlier tests ordered and sent."""
    running_bridge.begin_anew()
    yield running_bridge
    running_bridge.emulator.world.faults.clear()
