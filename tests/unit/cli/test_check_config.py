"""`pillarbox check-config`: what would keep the service from starting beside its configuration."""

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import inspect
from tests.support.storing import open_database

from pillarbox.cli.root import root
from pillarbox.store.database import Database

EX_CONFIG = 78
NOBODY = pwd.getpwnam("nobody")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def _text(more: str) -> str:
    return f"""\
host_name = "mail.example.org"
data_directory = "."
{more}
[[listeners]]
name = "inside"
address = "127.0.0.1"
port = 2525
tls = "none"
network_login = true
"""


def _check(folder: Path, more: str = "") -> Result:
    file = folder / "pillarbox.toml"
    file.write_text(_text(more))
    return CliRunner().invoke(root, ["check-config", "--config", str(file)])


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that everybody can come to; those of pytest are for one user alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_nothing_is_made(tmp_path: Path) -> None:
    """A first start would make the database."""
    assert _check(tmp_path).exit_code == 0

    assert [file.name for file in tmp_path.iterdir()] == ["pillarbox.toml"]


def test_a_database_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """Also one of an older version: the service will migrate it."""
    url = f"sqlite:///{tmp_path / 'pillarbox.sqlite3'}"
    database = open_database(url)
    database.write_now(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num='0019'"))
    database.close_now()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    checked = _check(tmp_path)

    after = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    del after["pillarbox.toml"]
    assert checked.exit_code == 0
    assert after == before


def test_a_user_that_is_not_there_is_told_beside_all_else(tmp_path: Path) -> None:
    """With what makes it; and a certificate that is missing."""
    more = 'user = "no-such-user"\n[publishing]\naddress = "127.0.0.1"'
    more += '\ncertificate = "no.pem"\nkey = "no.key"'

    checked = _check(tmp_path, more)

    assert checked.exit_code == EX_CONFIG
    assert "user: there is no user no-such-user (hint: make the user: useradd" in checked.stderr
    assert "no.pem" in checked.stderr


def test_a_group_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Another one than the user's own."""
    checked = _check(tmp_path, 'user = "nobody"\ngroup = "no-such-group"')

    assert checked.exit_code == EX_CONFIG
    assert "group: there is no group no-such-group (hint: make the group" in checked.stderr


def test_a_data_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The hint makes it."""
    file = tmp_path / "pillarbox.toml"
    file.write_text(_text("").replace('"."', '"data"'))

    checked = CliRunner().invoke(root, ["check-config", "--config", str(file)])

    assert checked.exit_code == EX_CONFIG
    assert f"data_directory: {tmp_path}/data is not there (hint: make it: install" in checked.stderr
    assert not (tmp_path / "data").exists()


@needs_root
def test_a_folder_that_the_user_can_not_write_in_is_told(open_folder: Path) -> None:
    """Root, who asks, could; afterwards we are root again, with all groups."""
    before = os.getresuid(), os.getresgid(), os.getgroups(), os.environ.get("HOME")

    checked = _check(open_folder, 'user = "nobody"')

    assert checked.exit_code == EX_CONFIG
    assert f"data_directory: nobody can not write in {open_folder}" in checked.stderr
    assert f"chown -R nobody {open_folder}" in checked.stderr
    assert (os.getresuid(), os.getresgid(), os.getgroups(), os.environ.get("HOME")) == before


@needs_root
def test_a_database_in_a_folder_of_somebody_else_is_told(open_folder: Path) -> None:
    """The file itself may belong to the user: its log could not be made."""
    data, elsewhere = open_folder / "data", open_folder / "elsewhere"
    for folder in (data, elsewhere):
        folder.mkdir(mode=0o755)
    os.chown(data, NOBODY.pw_uid, NOBODY.pw_gid)
    (elsewhere / "mail.db").touch()
    os.chown(elsewhere / "mail.db", NOBODY.pw_uid, NOBODY.pw_gid)

    checked = _check(data, f'user = "nobody"\ndatabase_url = "sqlite:///{elsewhere}/mail.db"')

    assert checked.exit_code == EX_CONFIG
    assert f"database_url: nobody can not write in {elsewhere}" in checked.stderr


@needs_root
def test_root_that_may_become_nobody_is_told(tmp_path: Path) -> None:
    """A container without the capabilities, say."""
    (tmp_path / "pillarbox.toml").write_text(_text('user = "nobody"'))
    command = [sys.executable, "-m", "pillarbox", "check-config"]
    command += ["--config", str(tmp_path / "pillarbox.toml")]
    without = ["setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-all"]

    checked = subprocess.run([*without, *command], capture_output=True, text=True, check=False)

    assert checked.returncode == EX_CONFIG
    assert "user: this root may not become nobody (hint: leave it" in checked.stderr


@needs_root
def test_whoever_may_not_look_is_told_what_was_not_looked_at(open_folder: Path) -> None:
    """Nobody knows then whether the user of the service could use it."""
    (open_folder / "pillarbox.toml").write_text(_text('user = "daemon"'))
    command = ["check-config", "--config", str(open_folder / "pillarbox.toml")]
    # What is imported on the way has to be there before we are somebody else.
    CliRunner().invoke(root, command)
    os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, 0)
    try:
        checked = CliRunner().invoke(root, command)
    finally:
        os.setresuid(0, 0, 0)

    assert checked.exit_code == 0
    assert "run this as root or as daemon" in checked.stdout


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """Before the service is stopped for a new configuration."""
    (tmp_path / "pillarbox.sqlite3").write_text("a letter\n" * 1000)

    checked = _check(tmp_path)

    assert checked.exit_code == EX_CONFIG
    assert "database_url: the database can not be used: " in checked.stderr
    assert "file is not a database (hint: restore the last backup" in checked.stderr


def test_a_database_of_another_program_is_told(tmp_path: Path) -> None:
    """With revisions of its own."""
    with closing(sqlite.connect(tmp_path / "pillarbox.sqlite3")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.commit()

    checked = _check(tmp_path)

    assert checked.exit_code == EX_CONFIG
    assert "it is a database of another program" in checked.stderr


def test_postgresql_that_does_not_answer_is_told(tmp_path: Path, postgresql_url: str) -> None:
    """A database that is not there; never the password."""
    url = postgresql_url.replace("postgres@", "postgres:secret@") + "-of-another-name"

    checked = _check(tmp_path, f'database_url = "{url}"')

    assert checked.exit_code == EX_CONFIG
    assert "database_url: the database can not be used: " in checked.stderr
    assert "does not exist (hint: start PostgreSQL, or correct" in checked.stderr
    assert "secret" not in checked.output


def test_an_empty_postgresql_stays_empty(tmp_path: Path, postgresql_url: str) -> None:
    """The first start makes the tables."""
    assert _check(tmp_path, f'database_url = "{postgresql_url}"').exit_code == 0

    database = Database.open(postgresql_url, reserve_octets=0)
    assert database.read_now(lambda c: inspect(c).get_table_names()) == []
    database.close_now()
