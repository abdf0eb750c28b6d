"""Root is given up for good, and what the service can not work with is said at once."""

import json
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pillarbox.supervisor import exits
from pillarbox.supervisor.privileges import (
    check_data_directory,
    check_database_file,
    drop_root,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")

NAMELESS = 54_321

DROP = """
import json, os
from pillarbox.supervisor.privileges import drop_root
drop_root("nobody", "")
try:
    os.setuid(0)
    back = True
except PermissionError:
    back = False
print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), back]))
"""


@needs_root
def test_root_is_given_up_for_good() -> None:
    """Real, effective and saved ids change, groups of root go, and there is no way back."""
    done = subprocess.run([sys.executable, "-c", DROP], capture_output=True, text=True, check=True)

    users, groups, further, came_back = json.loads(done.stdout)
    assert len(set(users)) == len(set(groups)) == 1
    assert 0 not in {*users, *groups, *further}
    assert not came_back


@needs_root
def test_a_user_that_is_not_there_says_how_to_make_it() -> None:
    """The service does not go on as root."""
    with pytest.raises(exits.StartError) as caught:
        drop_root("no-such-user", "")

    assert caught.value.code == exits.CONFIG
    assert "useradd" in caught.value.hint


def test_without_a_user_nothing_changes() -> None:
    """`user = ""` stays what it is."""
    before = os.getresuid()

    drop_root("", "")

    assert os.getresuid() == before


def test_a_missing_data_directory_is_said(tmp_path: Path) -> None:
    """The hint makes it."""
    with pytest.raises(exits.StartError) as caught:
        check_data_directory(tmp_path / "data")

    assert caught.value.code == exits.CONFIG
    assert "install -d" in caught.value.hint


def test_a_good_data_directory_is_taken(tmp_path: Path) -> None:
    """Nothing is said."""
    check_data_directory(tmp_path)


def test_a_folder_in_place_of_the_database_is_said(tmp_path: Path) -> None:
    """The hint names a file in it."""
    with pytest.raises(exits.StartError) as caught:
        check_database_file(f"sqlite:///{tmp_path}")

    assert caught.value.code == exits.CONFIG
    assert f"sqlite:///{tmp_path}/pillarbox.sqlite3" in caught.value.hint


def test_a_database_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    """The first worker makes it, also behind a link; PostgreSQL has none here."""
    check_database_file(f"sqlite:///{tmp_path}/pillarbox.sqlite3")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere.sqlite3")
    check_database_file(f"sqlite:///{tmp_path}/link")
    check_database_file("postgresql+psycopg://host/database")


@needs_root
def test_a_database_of_somebody_else_is_said() -> None:
    """A command that ran as root may have made it."""
    nobody = pwd.getpwnam("nobody").pw_uid
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        os.setresuid(nobody, nobody, 0)
        try:
            with pytest.raises(exits.StartError) as caught:
                check_database_file(f"sqlite:///{file.name}")
        finally:
            os.setresuid(0, 0, 0)

    assert caught.value.code == exits.NO_PERMISSION
    assert caught.value.hint == f"chown nobody {file.name}"


@needs_root
def test_a_database_in_a_folder_of_somebody_else_is_said() -> None:
    """Its log could not be made beside it: a worker would be started for it for ever. A user of a
    container may have no name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        file = folder / "mail.db"
        file.touch(mode=0o666)
        file.chmod(0o666)
        os.setresuid(NAMELESS, NAMELESS, 0)
        try:
            with pytest.raises(exits.StartError) as caught:
                check_database_file(f"sqlite:///{file}")
        finally:
            os.setresuid(0, 0, 0)

    assert caught.value.code == exits.NO_PERMISSION
    assert caught.value.hint == f"chown {NAMELESS} {folder}"


def test_a_folder_of_the_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The hint makes it."""
    with pytest.raises(exits.StartError) as caught:
        check_database_file(f"sqlite:///{tmp_path}/elsewhere/mail.db")

    assert caught.value.code == exits.CONFIG
    assert f"{tmp_path}/elsewhere" in caught.value.hint
    assert "install -d" in caught.value.hint
