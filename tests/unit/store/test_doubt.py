"""store.doubt: the list of messages of which nobody knows whether they were stored."""

import stat
from pathlib import Path

from pillarbox.store.doubt import DoubtFile


def test_ids_are_remembered_until_they_are_cleared(tmp_path: Path) -> None:
    """Over several failures."""
    file = DoubtFile(tmp_path / "pillarbox.db")
    assert file.read() == []

    file.add([1, 2])
    file.add([3])

    assert file.read() == [1, 2, 3]
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.clear()
    assert file.read() == []
    file.clear()


def test_a_line_that_was_cut_off_is_no_id(tmp_path: Path) -> None:
    """The disk was failing when it was written: "12" may have been to become "1234"."""
    file = DoubtFile(tmp_path / "pillarbox.db")
    file.add([1234])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b"\xff\n12")

    assert file.read() == [1234]


def test_a_disk_that_takes_nothing_is_no_second_failure(tmp_path: Path) -> None:
    """The first one is what counts."""
    DoubtFile(tmp_path / "not there" / "pillarbox.db").add([1])
