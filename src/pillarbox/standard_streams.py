"""Standard input, output and error, where whoever started this program has closed them.

Python has None in their place then, and the next file or socket that is opened takes their number:
what is written for the terminal could end in it.
"""

import os
import sys

_NUMBERS = (0, 1, 2)


def open_closed_streams() -> None:
    """Let those that are closed lead to /dev/null, for this process and for those it starts."""
    for number in _NUMBERS:
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
