"""What tests of logins by token share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.token_issuer import TokenIssuer, running_issuer


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[TokenIssuer]:
    """An issuer that answers."""
    with running_issuer(tmp_path) as running:
        yield running
