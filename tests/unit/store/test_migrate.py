"""store.migrate: the tables are what store.schema says, whoever made them and how often."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection, inspect, make_url
from tests.support.storing import open_database

from pillarbox.errors import ConfigError
from pillarbox.store import migrate
from pillarbox.store.database import Database
from pillarbox.store.engine import transaction
from pillarbox.store.schema_base import metadata


def _differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, metadata))


def test_the_migrations_make_the_tables_of_the_schema(database_url: str) -> None:
    """Nothing is missing, nothing is left over."""
    database = open_database(database_url)

    assert database.read_now(_differences) == []

    database.close_now()


def test_a_second_migration_changes_nothing(database_url: str) -> None:
    """Every start migrates."""
    database = open_database(database_url)

    database.migrate()
    database.check_revision()

    database.close_now()


def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    """Who comes second waits and finds everything done."""
    databases = [Database.open(database_url, reserve_octets=0) for _ in range(4)]
    together = threading.Barrier(len(databases))

    def migrate(database: Database) -> None:
        together.wait()
        database.migrate()

    with ThreadPoolExecutor(len(databases)) as threads:
        list(threads.map(migrate, databases))

    databases[0].check_revision()
    for database in databases:
        database.close_now()


def test_a_new_file_that_another_process_is_setting_up_is_waited_for(tmp_path: Path) -> None:
    """SQLite answers "locked" at once here, whatever its busy timeout is."""
    file = tmp_path / "pillarbox.db"
    database = Database.open(f"sqlite:///{file}", reserve_octets=0)
    other = sqlite.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with ThreadPoolExecutor(1) as threads:
        migration = threads.submit(database.migrate)
        done, _ = wait([migration], timeout=0.2)
        assert not done, migration.exception()
        other.execute("ROLLBACK")
        migration.result()

    database.check_revision()
    database.close_now()
    other.close()


def test_an_empty_database_is_not_used(database_url: str) -> None:
    """The command line says that the service has to be started once."""
    database = Database.open(database_url, reserve_octets=0)

    with pytest.raises(ConfigError, match="not up to date"):
        database.check_revision()

    database.close_now()


def test_tables_of_a_newer_version_are_left_alone(database_url: str) -> None:
    """After a downgrade nothing is written that the newer version would not understand."""
    database = open_database(database_url)
    database.write_now(
        lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    )

    for use in (database.check_revision, database.migrate):
        with pytest.raises(ConfigError, match="9999"):
            use()

    database.close_now()


def _make_foreign(url: str, *statements: str) -> Database:
    """A database in which somebody else has made tables."""
    database = Database.open(url, reserve_octets=0)
    for statement in statements:
        database.write_now(partial(Connection.exec_driver_sql, statement=statement))
    return database


OTHER_VERSION = "CREATE TABLE alembic_version (version_num VARCHAR(32))"
OTHER_REVISION = "INSERT INTO alembic_version VALUES ('0001')"
CLASHES = {
    'table message already exists|relation "message" already exists': [
        "CREATE TABLE message (subject TEXT)"
    ],
    'ix_recipient_due already exists|"ix_recipient_due" already exists': [
        "CREATE TABLE other (one INTEGER)",
        "CREATE INDEX ix_recipient_due ON other (one)",
    ],
    "column.*version_num": ["CREATE TABLE alembic_version (other TEXT)"],
    "another program": [OTHER_VERSION, OTHER_REVISION],
    "database of another": [
        OTHER_VERSION,
        OTHER_REVISION.replace("0001", migrate.NEWEST_REVISION),
    ],
}


@pytest.mark.parametrize("told", CLASHES)
def test_a_database_of_another_program_is_left_alone(database_url: str, told: str) -> None:
    """Its tables may be named as ours, or it counts its revisions as we do."""
    database = _make_foreign(database_url, *CLASHES[told])
    before = database.read_now(lambda c: inspect(c).get_table_names())

    with pytest.raises(ConfigError, match=told) as caught:
        database.migrate()

    assert "a database of its own" in caught.value.problems[0].hint
    assert database.read_now(lambda c: inspect(c).get_table_names()) == before
    with pytest.raises(ConfigError):
        database.check_revision()
    database.close_now()


def test_a_role_that_may_make_no_tables_is_told(postgresql_url: str) -> None:
    """Since PostgreSQL 15 only the owner of a database may, unless that was granted."""
    owner = Database.open(postgresql_url, reserve_octets=0)
    role = f"r{uuid4().hex}"
    owner.write_now(partial(Connection.exec_driver_sql, statement=f"CREATE ROLE {role} LOGIN"))
    url = make_url(postgresql_url).set(username=role)
    database = Database.open(url.render_as_string(hide_password=False), reserve_octets=0)

    with pytest.raises(ConfigError, match=r"permission denied for schema public.*granted"):
        database.migrate()

    database.close_now()
    owner.write_now(partial(Connection.exec_driver_sql, statement=f"DROP ROLE {role}"))
    owner.close_now()


def test_a_migration_that_fails_is_told_with_its_traceback(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another database would not help: this one is whole, and the version before serves it."""
    database = Database.open(database_url, reserve_octets=0)

    def make_an_older_one(connection: Connection) -> None:
        with transaction(connection):
            command.upgrade(migrate._config(connection), "0018")
            connection.exec_driver_sql("CREATE TABLE self_look (mine TEXT)")

    with database._engines.writer.connect() as connection:
        make_an_older_one(connection)

    with pytest.raises(ConfigError, match=r"from revision 0018.*self_look") as caught:
        database.migrate()

    hint = caught.value.problems[0].hint
    assert "a database of its own" not in hint
    assert "the version of Pillarbox that served it last" in hint
    said = capsys.readouterr().err
    assert "database.migration_failed" in said
    assert "0019_self_looks.py" in said
    assert database.read_now(migrate._current) == "0018"
    database.close_now()


def test_the_newest_revision_is_known() -> None:
    """There is one head, the one that is named where no migration is looked for."""
    script = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    assert script.get_heads() == [migrate.NEWEST_REVISION]
