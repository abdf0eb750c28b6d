"""What the tests of the scripts share."""

from pathlib import Path

import pytest
from tests.support.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without Python, for an ordinary user."""
    made = Machine(tmp_path)
    made.add("id", "echo 1000")
    return made
