"""The content of one message while it comes in, in bounded memory.

Small content stays in memory until the message is put. What grows beyond INLINE_OCTETS goes to the
store in chunks, one at a time, and reading waits when the store is slower than the client. All
sessions of a process share one budget; when it is used up, everybody stores what he has, and
nobody reads until there is room again. So nobody waits for memory that somebody who also waits
holds.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.dkim_body import ContentHash
from pillarbox.mail.message import MAX_NAME_OCTETS, find_header_end, is_open
from pillarbox.mail.spooled import CHUNK_OCTETS, INLINE_OCTETS
from pillarbox.observe.log import log

_END_OF_HEADER = b"\r\n\r\n"

_ROOM_AGAIN = 0.75
"""Reading goes on when this part of the budget is in use: not at every octet."""

_MAX_BLOCKS = 64
"""Then they are made one: an object for every few octets takes many times their size, and clients
can send content in crumbs."""

_HEADS = 0.25
"""The part of the budget that header blocks may take besides, whose content is in the store."""


class ChunkStore(Protocol):
    """What is asked of the spool (store.spool)."""

    async def store_chunk(self, queue_id: int, number: int, octets: bytes) -> None:
        """Store one chunk, durable on return."""
        ...

    async def discard_chunks(self, queue_id: int) -> None:
        """Remove the chunks of a message that will not come."""
        ...


class MemoryBudget:
    """Octets of content in memory, of all sessions of a process together."""

    def __init__(self, limit_octets: int) -> None:
        self._limit = limit_octets
        self._room_again = int(limit_octets * _ROOM_AGAIN)
        self._heads_limit = int(limit_octets * _HEADS)
        self._contents: set[IncomingContent] = set()
        self.in_use = 0
        self.heads_in_use = 0
        self.is_exceeded = False

    def take(self, content: "IncomingContent", octets: int) -> None:
        """Content came in."""
        self._contents.add(content)
        self.in_use += octets
        if self.in_use > self._limit and not self.is_exceeded:
            self.is_exceeded = True
            for one in tuple(self._contents):
                one.make_room()

    def give(self, octets: int) -> None:
        """Content went to the store, or nowhere."""
        self.in_use -= octets
        if self.is_exceeded and self.in_use <= self._room_again:
            self.is_exceeded = False
            for content in tuple(self._contents):
                content.on_change()

    def take_head(self, octets: int) -> bool:
        """Keep octets of a header block beside what is stored, or give them back (negative).
        False: there is no room."""
        if octets > 0 and self.heads_in_use + octets > self._heads_limit:
            return False
        self.heads_in_use += octets
        return True

    def forget(self, content: "IncomingContent") -> None:
        """This content is complete or gone."""
        self._contents.discard(content)


class IncomingContent:
    """The content of one message. `on_change` is called when `is_blocked` may have changed, and
    when `finish` has come to its end. `body_hash` for DKIM is there where it `is_hashed`."""

    __slots__ = (
        "_blocks",
        "_budget",
        "_ended",
        "_gathered",
        "_head",
        "_head_charged",
        "_head_is_whole",
        "_head_limit",
        "_is_dropped",
        "_spawn",
        "_store",
        "_storing",
        "body_hash",
        "chunks",
        "failure",
        "on_change",
        "queue_id",
        "size",
    )

    def __init__(
        self,
        queue_id: int,
        store: ChunkStore,
        *,
        budget: MemoryBudget,
        head_limit: int,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        is_hashed: bool = False,
    ) -> None:
        self.queue_id = queue_id
        self.body_hash = ContentHash(head_limit) if is_hashed else None
        self.size = 0
        self.chunks = 0
        self.failure: SpoolUnavailable | None = None
        self.on_change: Callable[[], None] = _nothing
        self._store = store
        self._budget = budget
        self._spawn = spawn
        self._head_limit = head_limit
        self._head: bytes | None = b""
        self._head_charged = 0
        self._head_is_whole = False
        self._blocks: list[bytes] = []
        self._gathered = 0
        self._storing = False
        self._ended = False
        self._is_dropped = False

    @property
    def is_blocked(self) -> bool:
        """Whether reading must wait."""
        if self._budget.is_exceeded:
            return True
        return self._storing and self._gathered > CHUNK_OCTETS

    @property
    def is_ready(self) -> bool:
        """Whether all content is where it belongs: in memory if small, else in the store."""
        return not self._storing and (self.chunks == 0 or not self._blocks)

    def take(self, octets: bytes) -> None:
        """One more block."""
        count = len(octets)
        self.size += count
        if self.failure is not None or self._is_dropped:
            return
        if self.body_hash is not None:
            self.body_hash.take(octets)
        blocks = self._blocks
        blocks.append(octets)
        if len(blocks) > _MAX_BLOCKS:
            self._blocks = [b"".join(blocks)]
        self._gathered += count
        budget = self._budget
        budget.take(self, count)
        if self._gathered > INLINE_OCTETS or self.chunks or budget.is_exceeded:
            self._store_if_needed()

    def make_room(self) -> None:
        """Memory is short: store what there is, and stop reading."""
        self._store_if_needed()
        self.on_change()

    def finish(self) -> bool:
        """All blocks are here. Whether it `is_ready` at once; else `on_change` follows."""
        self._ended = True
        self._budget.forget(self)
        if self._gathered <= INLINE_OCTETS and not (self.chunks or self._storing):
            return True
        self._store_if_needed()
        return self.is_ready

    def inline(self) -> bytes | None:
        """Content that never went to the store; None if it did."""
        if self.chunks:
            return None
        blocks = self._blocks
        if len(blocks) != 1:
            self._blocks = blocks = [b"".join(blocks)]
        return blocks[0]

    def beginning(self) -> bytes | None:
        """Octets from the start of the content in which the whole header block is, or more than a
        header block may have; None where it is known to be too large."""
        if self.chunks:
            return self._head
        content = self.inline()
        most = self._head_limit + len(_END_OF_HEADER)
        return content if content is None or len(content) <= most else content[:most]

    def release(self) -> None:
        """The message is durable, or refused: give the memory back."""
        if not self._ended:
            self._budget.forget(self)
        self._budget.give(self._gathered)
        self._gathered = 0
        self._blocks = []
        if self._head_charged or self.chunks:
            self._drop_head()

    def discard(self) -> None:
        """The message will not come: remove what was stored."""
        if self._is_dropped:
            return
        self._is_dropped = True
        self.on_change = _nothing
        self.release()
        if self.chunks and not self._storing:
            self._spawn(self._discard_chunks())

    def _wants_storing(self) -> bool:
        if self._is_dropped or self.failure is not None or not self._gathered:
            return False
        if self._ended:
            return self.chunks > 0 or self._gathered > INLINE_OCTETS
        most = CHUNK_OCTETS if self.chunks else INLINE_OCTETS
        return self._gathered > most or self._budget.is_exceeded

    def _store_if_needed(self) -> None:
        if not self._storing and self._wants_storing():
            self._storing = True
            self._spawn(self._store_chunks())

    async def _store_chunks(self) -> None:
        try:
            while self._wants_storing():
                chunk = self._cut()
                try:
                    await self._store.store_chunk(self.queue_id, self.chunks, chunk)
                    self.chunks += 1
                finally:
                    self._budget.give(len(chunk))
                self.on_change()
        except SpoolUnavailable as error:
            self.failure = error
        except Exception:
            log.exception("reception.chunk_failed")
            self.failure = SpoolUnavailable(SpoolTrouble.AWAY, "a chunk could not be stored")
        finally:
            self._storing = False
        if self.failure is not None:
            self.release()
        if self._is_dropped or self.failure is not None:
            await self._discard_chunks()
        self.on_change()

    def _cut(self) -> bytes:
        """Take the next chunk out of the memory; while the header lasts, keep a copy of it."""
        taken = octets = 0
        while octets < CHUNK_OCTETS and taken < len(self._blocks):
            octets += len(self._blocks[taken])
            taken += 1
        gathered = self._blocks[0] if taken == 1 else b"".join(self._blocks[:taken])
        chunk, rest = gathered[:CHUNK_OCTETS], gathered[CHUNK_OCTETS:]
        self._blocks[:taken] = [rest] if rest else []
        self._gathered -= len(chunk)
        if self._head is not None and not self._head_is_whole:
            self._head = self._grow_head(self._head, chunk)
        return chunk

    def _grow_head(self, before: bytes, chunk: bytes) -> bytes | None:
        head = before + chunk
        # Where memory is short, a chunk may be the first letters of a name.
        end = -1 if is_open(head) else find_header_end(head, 0 if is_open(before) else len(before))
        if end >= 0:
            self._head_is_whole = True
            # With the empty line behind it, which says that the block is complete; where there is
            # none, as much as may show why.
            head = head[: end + 2 if end else MAX_NAME_OCTETS]
        elif len(head) > self._head_limit:
            self._drop_head()
            return None
        if not self._budget.take_head(len(head) - self._head_charged):
            self.failure = SpoolUnavailable(SpoolTrouble.FULL, "too many large header blocks")
            self._drop_head()
            return None
        self._head_charged = len(head)
        return head

    def _drop_head(self) -> None:
        self._budget.take_head(-self._head_charged)
        self._head_charged = 0
        self._head = None

    async def _discard_chunks(self) -> None:
        try:
            await self._store.discard_chunks(self.queue_id)
        except Exception:
            log.warning("reception.chunks_left", exc_info=True)


def _nothing() -> None:
    """Nobody has to be told."""
