"""A disk that has no room for files of content, as content_faults.c makes it seem."""

import errno
from pathlib import Path

from tests.crash.preloaded import build


class ContentFault:
    """There is none until it begins. Made before the service is started with its environment."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "fault"
        self.environment = {
            "LD_PRELOAD": str(build("content_faults.c", folder)),
            "CRASH_CONTENT_FAULT": str(self._file),
        }

    def begin(self, error: str, most_octets: int) -> None:
        """From now on no file can be longer than this: writes fail with this error."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{getattr(errno, error)} {most_octets}")
        new.replace(self._file)

    def end(self) -> None:
        """There is room again."""
        self._file.unlink()
