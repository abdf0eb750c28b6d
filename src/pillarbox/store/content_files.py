"""Files for content that is larger than a chunk: one for each message, in a folder beside SQLite's
database, named by the queue id.

SQLite would write such content twice, to its log and from there to the database, while no other
process can write, and its file would never shrink again.
"""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.files import sync_folder
from pillarbox.mail.identifier import format_id, parse_id
from pillarbox.mail.spooled import CHUNK_OCTETS

_SUFFIX = "-content"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class ContentFiles:
    """The files beside one database. Every method blocks, and raises SpoolUnavailable: what failed
    concerns this one message, so nothing else has to stop, not even after a failed sync."""

    def __init__(self, database_file: Path) -> None:
        self._folder = database_file.with_name(database_file.name + _SUFFIX)
        self._has_folder = False

    def append(self, queue_id: int, number: int, octets: bytes) -> None:
        """Write octets behind what the file has; `number` 0 makes it. Durable on return."""
        try:
            if number == 0:
                self._begin(queue_id, octets)
            else:
                self._write(queue_id, os.O_APPEND, octets)
        except OSError as error:
            raise _unavailable(error) from error

    def _begin(self, queue_id: int, octets: bytes) -> None:
        flags = os.O_CREAT | os.O_EXCL
        if not self._has_folder:
            self._make_folder()
        try:
            self._write(queue_id, flags, octets)
        except FileNotFoundError:
            # Somebody has removed it.
            self._make_folder()
            self._write(queue_id, flags, octets)
        sync_folder(self._folder)

    def _make_folder(self) -> None:
        """Synced also if it is there: who made it may be about to, or was killed before."""
        self._has_folder = False
        self._folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(self._folder.parent)
        self._has_folder = True

    def _write(self, queue_id: int, flags: int, octets: bytes) -> None:
        flags |= os.O_WRONLY | os.O_CLOEXEC
        descriptor = os.open(self._path(queue_id), flags, 0o600)
        try:
            left = memoryview(octets)
            while left:
                left = left[os.write(descriptor, left) :]
            # Before it is closed: who opens a file later may not be told what went wrong before.
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def chunks(self, queue_id: int) -> int:
        """In how many pieces of CHUNK_OCTETS the content is read."""
        try:
            return -(-self._path(queue_id).stat().st_size // CHUNK_OCTETS)
        except OSError as error:
            raise _unavailable(error) from error

    def read(self, queue_id: int, number: int) -> bytes | None:
        """One chunk; None if there is none."""
        try:
            descriptor = os.open(self._path(queue_id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(error) from error
        try:
            return os.pread(descriptor, CHUNK_OCTETS, number * CHUNK_OCTETS) or None
        except OSError as error:
            raise _unavailable(error) from error
        finally:
            os.close(descriptor)

    def remove(self, queue_ids: Iterable[int]) -> None:
        """Remove the files of these messages, as far as there are any."""
        try:
            for queue_id in queue_ids:
                with suppress(FileNotFoundError):
                    self._path(queue_id).unlink()
        except OSError as error:
            raise _unavailable(error) from error

    def queue_ids(self) -> list[int]:
        """The messages that have a file."""
        try:
            names = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable(error) from error
        found = []
        for name in names:
            # What else lies there is not ours.
            with suppress(ValueError):
                found.append(parse_id(name))
        return found

    def _path(self, queue_id: int) -> Path:
        return self._folder / format_id(queue_id)


def _unavailable(error: OSError) -> SpoolUnavailable:
    kind = SpoolTrouble.FULL if error.errno in _NO_ROOM else SpoolTrouble.AWAY
    return SpoolUnavailable(kind, f"the content of a message: {error.strerror}")
