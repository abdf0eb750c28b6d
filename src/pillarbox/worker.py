"""The entry of a worker process: `python -m pillarbox.worker ORDER`, started by the supervisor.

The order says which sockets are inherited and under which token the worker owns lanes. A worker
that is ready writes one line to the status pipe; it ends when the life pipe closes, because then
its supervisor is gone.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pillarbox.config import load
from pillarbox.errors import ConfigError
from pillarbox.observe import log as logging
from pillarbox.observe.log import log

READY = b"ready\n"
"""What a worker writes to the status pipe when all listeners take connections."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What a supervisor tells a worker.

    `sockets` are the descriptors of the listening sockets by the names of the listeners. `token`
    owns lanes and the instance number in the store; `dead_tokens` are those of workers that died
    without giving theirs back.
    """

    config_file: str
    number: int
    token: str
    dead_tokens: tuple[str, ...]
    sockets: dict[str, int]
    life_descriptor: int
    status_descriptor: int

    def to_text(self) -> str:
        """The order as one argument of the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "dead_tokens": tuple(fields["dead_tokens"])})

    @property
    def config_path(self) -> Path | None:
        """None: the environment alone configures."""
        return Path(self.config_file) if self.config_file else None


def main() -> int:
    """Run one worker until it is told to end; the exit code is one of sysexits.h."""
    order = WorkerOrder.from_text(sys.argv[1])
    try:
        settings = load(order.config_path)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_CONFIG
    logging.configure(settings.log.level, settings.log.format)
    # Only now: the supervisor imports this module too and stays small without the service.
    from pillarbox import app

    try:
        return app.run(order, settings)
    except Exception:
        log.exception("worker.crashed")
        return os.EX_SOFTWARE
    finally:
        logging.close()


if __name__ == "__main__":
    sys.exit(main())
