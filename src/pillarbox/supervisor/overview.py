"""Metrics and readiness of the whole service, asked of its workers."""

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pillarbox.app.worker_line import HOPS, METRICS, READINESS
from pillarbox.observe.exposition import add_up
from pillarbox.observe.readiness import Readiness
from pillarbox.supervisor.processes import Slot

ANSWER_SECONDS = 2.0
"""A worker that does not answer by then is left out."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the endpoint tells about all workers together."""

    slots: Sequence[Slot]
    sockets: Mapping[str, socket.socket]
    stopping: asyncio.Event

    async def metrics(self) -> bytes:
        """The sums over all workers that answer."""
        answers = await self._ask(METRICS)
        return add_up([answer for answer in answers if answer is not None])

    async def readiness(self) -> Readiness:
        """Ready as long as one worker takes mail."""
        listeners = {name: _end(bound) for name, bound in self.sockets.items()}
        if self.stopping.is_set():
            return Readiness(["draining: the service ends"], listeners)
        problems: dict[str, None] = {}
        for slot, answer in zip(self.slots, await self._ask(READINESS), strict=True):
            if answer is None:
                problems[f"worker {slot.number}: does not run, or does not answer"] = None
                continue
            found = json.loads(answer)["problems"]
            if not found:
                return Readiness([], listeners)
            problems |= dict.fromkeys(found)
        return Readiness(list(problems), listeners)

    async def hops(self, question: bytes) -> bytes:
        """What all workers answer to a question about their next hops (app.hop_report): a JSON
        object with `answers`, and how many workers are `silent`."""
        json.loads(question)
        answers = await self._ask(HOPS, question)
        found = b",".join(answer for answer in answers if answer is not None)
        return b'{"silent": %d, "answers": [%b]}' % (answers.count(None), found)

    async def _ask(self, kind: bytes, question: bytes = b"") -> list[bytes | None]:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(_answer(slot, kind, question)) for slot in self.slots]
        return [task.result() for task in asked]


async def _answer(slot: Slot, kind: bytes, question: bytes) -> bytes | None:
    line = slot.line
    return None if line is None else await line.ask(kind, ANSWER_SECONDS, question)


def _end(bound: socket.socket) -> str:
    """Address and port of a listening socket."""
    try:
        address, port = bound.getsockname()[:2]
    except OSError:
        return "closed"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
