"""Brings the tables to the shape of store.schema, by Alembic, from within the program.

There is no alembic.ini: the migrations are part of the package, and the connection is given.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from pillarbox.errors import ConfigError, Problem
from pillarbox.observe.log import log
from pillarbox.store.engine import transaction
from pillarbox.store.faults import Fault, fault_of

if TYPE_CHECKING:
    # Each command looks at the revision, and few migrate: Alembic is a third of what they import.
    from alembic.config import Config

NEWEST_REVISION = "0020"
"""The one that this version of Pillarbox knows."""

_FIRST_TABLE = "recipient"
"""It is there with every revision of ours."""

_MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 0x50494C4C41520001
"""Any number, the same in every process: who holds it on PostgreSQL migrates. On SQLite the lock
of a writing transaction does the same."""


def upgrade(connection: Connection) -> None:
    """Run what is missing in one transaction. Raises ConfigError if the tables are newer, are those
    of another program, or can not be made."""
    with _told():
        _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    if _current(connection) == NEWEST_REVISION:
        return
    from alembic import command

    with transaction(connection):
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        current = _current(connection)
        if current is not None:
            _check_known(current)
        try:
            command.upgrade(_config(connection), "head")
        except DBAPIError as error:
            if current is None or fault_of(error) is not Fault.WORK:
                raise
            log.exception("database.migration_failed", revision=current)
            raise _not_migrated(current, error) from error


def check(connection: Connection) -> None:
    """Raise ConfigError unless the tables have the newest shape."""
    if check_usable(connection) != NEWEST_REVISION:
        raise _problem("its tables are not up to date", "start the service once, it migrates them")


def check_usable(connection: Connection) -> str | None:
    """The revision; None: there are no tables. Raises ConfigError unless a start of the service
    would bring the tables up to date."""
    with _told():
        current = _current(connection)
    if current not in {None, NEWEST_REVISION}:
        _check_known(str(current))
    return current


@contextmanager
def _told() -> Iterator[None]:
    """What the database refuses for good as ConfigError: a worker would be started for it again and
    again."""
    try:
        yield
    except DBAPIError as error:
        if fault_of(error) is not Fault.WORK:
            raise
        cause = _cause(error)
        raise _no_database_of_ours(f"its tables can not be made or read: {cause}") from error


def _cause(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]


def _not_migrated(revision: str, error: DBAPIError) -> ConfigError:
    """Tables that are ours: the fault is that of a migration, or of who may change them."""
    return _problem(
        f"its tables can not be brought from revision {revision} to {NEWEST_REVISION}: "
        f"{_cause(error)}",
        "nothing was changed; its user must own the tables. Else start the version of Pillarbox "
        "that served it last, and report the traceback in the log",
    )


def _no_database_of_ours(text: str) -> ConfigError:
    hint = "name a database of its own for Pillarbox, in which its user may make tables"
    return _problem(text, f"{hint}; on PostgreSQL its owner may, and who was granted it")


def _current(connection: Connection) -> str | None:
    """The revision of our tables; None: there are none. Raises ConfigError: others have theirs."""
    inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is not None and not inspector.has_table(_FIRST_TABLE):
        # Others count their revisions by Alembic, too.
        raise _no_database_of_ours("it is a database of another program")
    return revision


def _check_known(revision: str) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision not in known:
        raise _problem(
            f"its tables have the revision {revision}, which this version does not know",
            "install the version of Pillarbox that made it, or a newer one",
        )


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _problem(text: str, hint: str) -> ConfigError:
    return ConfigError([Problem("database_url", text, hint)])
