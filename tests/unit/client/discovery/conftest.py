"""A small internet for each test, and a search in it."""

from collections.abc import AsyncIterator

import pytest
from tests.support.mail_world import World, open_world

from pillarbox.client.discovery import Options, discover_async
from pillarbox.discovery.answer import Discovery


class Search:
    """Searches in a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(
        self,
        target: str,
        *,
        third_parties: bool = True,
        allow_private: bool = False,
        seconds: float = 10.0,
    ) -> Discovery:
        """What is found for a target."""
        options = Options(
            third_parties=third_parties,
            allow_private=allow_private,
            timeout_seconds=seconds,
        )
        return await discover_async(target, options, network=self._world.network())


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world with nobody in it."""
    async with open_world() as made:
        yield made


@pytest.fixture
def search(world: World) -> Search:
    """A search in that world."""
    return Search(world)
