"""Changes constants of Pillarbox in each Python process in whose environment it is asked for
(tests.support.constants).

Only on the path of processes that a test starts.
"""

import importlib
import json
import os
import sys
import traceback


def _change(wanted: dict[str, float]) -> None:
    """A constant that is not there any more is an error, not a test of something else."""
    for path, value in wanted.items():
        name, _, constant = path.partition(":")
        module = importlib.import_module(name)
        if not hasattr(module, constant):
            raise AttributeError(f"{name} has no {constant}")
        setattr(module, constant, value)


if os.environ.get("TEST_CONSTANTS"):
    try:
        _change(json.loads(os.environ["TEST_CONSTANTS"]))
    except Exception:  # noqa: BLE001 - whatever it is, this process must not run
        # Python itself would go on after an error here, with the constants as they are.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)
