"""store.folder: one service for one data folder."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.errors import ConfigError
from pillarbox.store.folder import FolderLock

HOLDER = """
import sys
from pathlib import Path
from pillarbox.store.folder import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_service_is_refused(tmp_path: Path) -> None:
    """It says what to do about it."""
    with FolderLock(tmp_path), pytest.raises(ConfigError, match="another service"):
        FolderLock(tmp_path).acquire()


def test_the_folder_is_free_after_a_release(tmp_path: Path) -> None:
    """And the file of the lock is nobody else's business."""
    with FolderLock(tmp_path):
        pass

    with FolderLock(tmp_path):
        (file,) = tmp_path.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_killed_service_leaves_the_folder_free(tmp_path: Path) -> None:
    """No stale lock has to be removed by hand."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError):
            FolderLock(tmp_path).acquire()
        holder.kill()

    with FolderLock(tmp_path):
        pass
