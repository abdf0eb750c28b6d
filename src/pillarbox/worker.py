"""The entry of a worker process: `python -m pillarbox.worker ORDER`, started by the supervisor.

The order says which sockets are inherited and under which token the worker owns lanes. A worker
that is ready writes one line to the status pipe; it ends when the life pipe closes, because then
its supervisor is gone.
"""

import os
import sys

from pillarbox.app.life import run_worker
from pillarbox.app.order import WorkerOrder
from pillarbox.config import load
from pillarbox.errors import ConfigError
from pillarbox.observe import log as logging
from pillarbox.observe.log import log


def main() -> int:
    """Run one worker until it is told to end; the exit code is one of sysexits.h."""
    order = WorkerOrder.from_text(sys.argv[1])
    try:
        settings = load(order.config_path)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_CONFIG
    logging.configure(settings.log.level, settings.log.format)
    try:
        return run_worker(order, settings)
    except Exception:
        log.exception("worker.crashed")
        return os.EX_SOFTWARE
    finally:
        logging.close()


if __name__ == "__main__":
    sys.exit(main())
