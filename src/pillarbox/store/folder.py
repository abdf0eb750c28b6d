"""One service for one data folder: a lock that the service holds as long as it lives, also when it
is killed. The command line does not take it; SQLite's own locks keep both apart."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pillarbox.errors import ConfigError, Problem

_NAME = "pillarbox.lock"


class FolderLock:
    """`with FolderLock(folder):` or `acquire` and `release`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises ConfigError when another service has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            text = f"another service uses {self._path.parent}"
            hint = "stop it, or give this one a folder of its own"
            raise ConfigError([Problem("data_directory", text, hint)]) from None
        self._descriptor = descriptor

    @property
    def descriptor(self) -> int:
        """The open file: a process that inherits it holds the lock, too."""
        if self._descriptor is None:
            raise ValueError("the lock is not held")
        return self._descriptor

    def release(self) -> None:
        """Give the lock back."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.release()
