"""What a supervisor tells a worker, and what the worker says when it is ready."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pillarbox.route import LanePlan

READY = b"ready\n"
"""What a worker writes to the status pipe when all listeners take connections."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What a supervisor tells a worker, which is `number` (from 0) of `workers`.

    `sockets` are the descriptors of the listening sockets by the names of the listeners. `token`
    owns lanes and the instance number in the store; `dead_tokens` are those of workers that died
    without giving theirs back.
    """

    config_file: str
    number: int
    workers: int
    token: str
    dead_tokens: tuple[str, ...]
    sockets: dict[str, int]
    life_descriptor: int
    status_descriptor: int
    line_descriptor: int

    def to_text(self) -> str:
        """The order as one argument of the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "dead_tokens": tuple(fields["dead_tokens"])})

    @property
    def plan(self) -> LanePlan:
        """Which lanes this worker puts mail into."""
        return LanePlan(self.number, self.workers)

    @property
    def config_path(self) -> Path | None:
        """None: the environment alone configures."""
        return Path(self.config_file) if self.config_file else None
