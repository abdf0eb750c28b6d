"""What a command has at hand: the configuration and the store, opened when they are used."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pillarbox.config import Settings
    from pillarbox.store.database import Database

CONFIG_VARIABLE = "PILLARBOX_CONFIG"
CONFIG_FILES = (Path("data/pillarbox.toml"), Path("/etc/pillarbox/pillarbox.toml"))
"""Where the configuration is looked for when it is not named."""

_SQLITE = "sqlite:///"


@dataclass(slots=True)
class Cli:
    """The state of one run of the program."""

    config_file: Path | None = None
    as_json: bool = False

    def find_config(self) -> Path | None:
        """The configuration file; None where there is none and the environment alone counts."""
        if self.config_file is not None:
            return self.config_file
        named = os.environ.get(CONFIG_VARIABLE)
        if named:
            return Path(named)
        return next((file for file in CONFIG_FILES if file.is_file()), None)

    def settings(self) -> "Settings":
        """The configuration. Raises ConfigError with everything that is wrong in it."""
        from pillarbox.config import load

        return load(self.find_config())

    def master_key_file(self) -> Path | None:
        """The file that master_key_file names. Raises ConfigError."""
        from pillarbox.config import secret_file

        return secret_file("master_key", self.find_config())

    @contextmanager
    def database(self) -> "Iterator[Database]":
        """The store, closed at the end. It must be there already: only the service makes it.

        Raises Failure, ConfigError or SpoolUnavailable.
        """
        from pillarbox.store.database import Database

        settings = self.settings()
        url = settings.database_url
        if url.startswith(_SQLITE):
            _check_file(Path(url.removeprefix(_SQLITE)), self.find_config())
        database = Database.open(url, reserve_octets=settings.disk_reserve_octets)
        try:
            database.check_revision()
            yield database
        finally:
            database.close_now()


def _check_file(file: Path, config_file: Path | None) -> None:
    """Opening would make an empty database, in the wrong place perhaps and as the wrong user."""
    if file.is_file():
        if not os.access(file, os.R_OK | os.W_OK):
            hint = "run the command as the user of the service or as root"
            raise Failure(ExitCode.NO_PERMISSION, f"{file} can not be opened ({hint})")
        return
    if file.is_dir():
        hint = f"the database is a file in it: sqlite:///{file / 'pillarbox.sqlite3'}"
        raise ConfigError([Problem("database_url", f"{file} is a folder", hint)])
    where = f"{config_file}" if config_file else "no configuration file was found"
    hint = "start the service once with `pillarbox serve`, or name another file with --config"
    raise Failure(ExitCode.UNAVAILABLE, f"there is no database {file} yet; {where} ({hint})")
