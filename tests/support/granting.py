"""Where refresh tokens are kept, in memory, as store.grants does it."""

import asyncio

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import Timestamp
from pillarbox.oauth.sign_in import Grant

FIRST = "refresh-0"


class MemoryGrants:
    """As GrantStore; shared by several sources it stands for the store between processes.

    `is_away` makes saving fail; `save_failed` says that it did.
    """

    def __init__(self, refresh_token: str = FIRST) -> None:
        self.tokens = {7: refresh_token} if refresh_token else {}
        self.version = 1
        self.owner = ""
        self.is_away = False
        self.save_failed = asyncio.Event()

    async def lease(self, grant_id: int, *, owner: str, lease_ms: int) -> Grant | bool:
        """See GrantStore."""
        del lease_ms
        if grant_id not in self.tokens or self.owner:
            return grant_id in self.tokens
        self.owner = owner
        return Grant(grant_id, self.tokens[grant_id], self.version)

    async def save(self, used: Grant, refresh_token: str, *, owner: str, now: Timestamp) -> None:
        """See GrantStore."""
        del now
        if self.is_away:
            self.save_failed.set()
            raise SpoolUnavailable(SpoolTrouble.AWAY, "gone")
        if used.version == self.version:
            self.tokens[used.grant_id] = refresh_token
            self.version += 1
        await self.release(used.grant_id, owner=owner)

    async def release(self, grant_id: int, *, owner: str) -> None:
        """See GrantStore."""
        del grant_id
        if self.owner == owner:
            self.owner = ""
