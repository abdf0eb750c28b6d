"""What would keep the service from starting beside its configuration: its user, its data folder and
its database. Looked at as its user where root looks; nothing is made."""

import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path

from pillarbox.config import Settings
from pillarbox.errors import ConfigError, Problem, SpoolUnavailable
from pillarbox.store.database import Database
from pillarbox.supervisor.exits import StartError
from pillarbox.supervisor.privileges import (
    as_user,
    check_data_directory,
    check_database_file,
    check_program,
    find_user,
)

_SQLITE = "sqlite:///"


def is_hidden(settings: Settings) -> bool:
    """Whether only root or the user of the service could look at its data: we are neither."""
    user, ours = settings.user, os.geteuid()
    return bool(user) and ours != 0 and pwd.getpwnam(user).pw_uid != ours


def start_problems(settings: Settings) -> list[Problem]:
    """All of them."""
    try:
        if settings.user:
            find_user(settings.user, settings.group)
        if is_hidden(settings):
            return []
        with as_user(settings.user, settings.group):
            return list(_problems_of_user(settings))
    except StartError as error:
        return [_problem(error)]


def _problems_of_user(settings: Settings) -> Iterator[Problem]:
    url = settings.database_url
    found = list(
        _failed(
            check_program,
            lambda: check_data_directory(settings.data_directory),
            lambda: check_database_file(url),
        )
    )
    yield from found
    if not any(problem.path == "database_url" for problem in found):
        yield from _problems_of_database(settings)


def _failed(*checks: Callable[[], None]) -> Iterator[Problem]:
    for check in checks:
        try:
            check()
        except StartError as error:
            yield _problem(error)


def _problem(error: StartError) -> Problem:
    path, _, text = str(error).partition(": ")
    return Problem(path, text, error.hint) if text else Problem("user", path, error.hint)


def _problems_of_database(settings: Settings) -> Iterator[Problem]:
    url = settings.database_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        # The service makes it.
        return
    database = Database.open(url, reserve_octets=settings.disk_reserve_octets)
    try:
        database.check_usable()
    except ConfigError as error:
        yield from error.problems
    except SpoolUnavailable as error:
        hint = "restore the last backup, or name the right file"
        if database.file is None:
            hint = "start PostgreSQL, or correct host, port, user, password and database in it"
        yield Problem("database_url", f"the database can not be used: {error.cause}", hint)
    finally:
        database.close_now()
