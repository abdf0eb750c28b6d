"""Turns of the processes that write to one SQLite file.

SQLite alone would look for its lock every few milliseconds, up to 100 ms late, while two busy
workers take it from each other. A lock of the kernel wakes the next one at once.
"""

import fcntl
import os
from pathlib import Path


class Turns:
    """Between `begin` and `end` no other worker writes. `file` is the database, None with
    PostgreSQL, which needs none. The command line does not wait for its turn: SQLite's own lock
    keeps it apart."""

    def __init__(self, file: Path | None) -> None:
        self._path = None if file is None else file.with_name(f"{file.name}-turns")
        self._descriptor: int | None = None

    def begin(self) -> None:
        """Wait for the turn of this process. It ends with the process, too."""
        if self._path is None:
            return
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def end(self) -> None:
        """Let others write."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the lock for good."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
