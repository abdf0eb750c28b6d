"""store.migrate: the tables are what store.schema says, whoever made them and how often."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection
from tests.support.storing import open_database

from pillarbox.errors import ConfigError
from pillarbox.store import migrate
from pillarbox.store.database import Database
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


def test_the_newest_revision_is_known() -> None:
    """There is one head, the one that is named where no migration is looked for."""
    script = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    assert script.get_heads() == [migrate.NEWEST_REVISION]
