"""Exit codes of sysexits.h, as an error with the text for the log."""

import os

OK = os.EX_OK
UNAVAILABLE = os.EX_UNAVAILABLE
SOFTWARE = os.EX_SOFTWARE
IO_ERROR = os.EX_IOERR
NO_PERMISSION = os.EX_NOPERM
CONFIG = os.EX_CONFIG

HOPELESS = frozenset({CONFIG, NO_PERMISSION, IO_ERROR})
"""A worker that ends so will end so again: the service ends with it."""


class StartError(Exception):
    """The service can not start; `hint` says what to do, `code` is how the process ends."""

    def __init__(self, code: int, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.hint = hint
