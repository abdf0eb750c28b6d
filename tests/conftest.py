"""Fixtures for all tests: a real database, SQLite in a file or PostgreSQL from the system."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support.postgresql import PostgresqlMissingError, PostgresqlServer
from tests.support.storing import open_database

_numbers = itertools.count(1)

# How long an example takes says more of the machine than of the code.
settings.register_profile("pillarbox", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pillarbox")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """One PostgreSQL server for all tests of this process. Tests that need it fail where the
    package is missing; they are never skipped."""
    try:
        server = PostgresqlServer()
    except PostgresqlMissingError as error:
        pytest.fail(str(error), pytrace=False)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: PostgresqlServer) -> str:
    """The name of a PostgreSQL database with all tables, to be copied: a copy takes 50 ms, the
    migrations 200."""
    name = "migrated"
    open_database(postgresql_server.create(name)).close_now()
    return name


@pytest.fixture
def postgresql_url(
    postgresql_server: PostgresqlServer, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The URL of a PostgreSQL database of this test alone: an empty one, but with all tables for
    the fixture `database`, which would make them first of all."""
    name = f"test_{next(_numbers)}"
    has_tables = "database" in request.fixturenames
    template = request.getfixturevalue("migrated_postgresql") if has_tables else ""
    yield postgresql_server.create(name, template)
    postgresql_server.drop(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that is not there yet."""
    folder = tmp_path / "database"
    folder.mkdir()
    return f"sqlite:///{folder / 'pillarbox.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
