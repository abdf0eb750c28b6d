"""Makes a mutant of each Python process in whose environment it is asked for (tests.crash.mutants).

Only on the path of processes that a crash test starts.
"""

import os
import sys
import traceback

if os.environ.get("CRASH_MUTANT"):
    try:
        from tests.crash.mutants import Mutant, become

        become(Mutant(os.environ["CRASH_MUTANT"]))
    except Exception:  # noqa: BLE001 - whatever it is, this process must not run
        # Python itself would go on after an error here, as what is to be caught.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)
