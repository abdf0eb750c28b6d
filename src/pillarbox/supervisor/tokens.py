"""Which tokens workers of this data folder own lanes under, kept in a file: a service that was
killed as a whole left nobody who could say it. Together with the lock of the folder, which every
worker inherits, it is certain that those in the file are dead.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

FILE_NAME = "worker-tokens"


class TokenFile:
    """The file in the data folder. What it says is only worth a faster start: leases end by
    themselves, so nothing is synced."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def read(self) -> list[str]:
        """The tokens of the service before this one."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return self._path.read_text(encoding="ascii").split()
        return []

    def write(self, tokens: Iterable[str]) -> None:
        """Keep the tokens of this service."""
        beside = self._path.with_name(f"{FILE_NAME}.new")
        with contextlib.suppress(OSError):
            beside.write_text("".join(f"{token}\n" for token in tokens), encoding="ascii")
            beside.replace(self._path)
