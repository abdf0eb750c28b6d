"""A real PostgreSQL server for the tests: started from the system's package in a temporary folder,
on a socket and a free loopback port of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg

_OWNER = "postgres"
_OPTIONS = (
    "fsync=off",
    "full_page_writes=off",
    "max_connections=60",
    "shared_buffers=32MB",
    "autovacuum=off",
)


class PostgresqlMissingError(Exception):
    """The package is not installed; the tests need it."""


def find_programs() -> Path:
    """The folder of initdb and postgres. Raises PostgresqlMissingError."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(versions, key=lambda file: float(file.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    raise PostgresqlMissingError(
        "PostgreSQL was not found: every test of the store runs on it too. "
        "Install it (Debian, Ubuntu: apt-get install postgresql)."
    )


class PostgresqlServer:
    """Start, stop and start again; `url` names a database of it."""

    def __init__(self) -> None:
        self._programs = find_programs()
        # Directly under /tmp: the path of a Unix socket has at most 107 octets.
        self._folder = Path(tempfile.mkdtemp(prefix="pillarbox-pg-", dir="/tmp"))
        self._data = self._folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self._folder, _OWNER)
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", _OWNER, "--no-sync")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [f"-c {option}" for option in _OPTIONS]
        options += [f"-p {self.port}", "-c listen_addresses=127.0.0.1", f"-k {self._folder}"]
        log = str(self._folder / "log")
        self._control("-l", log, "-o", " ".join(options), "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: smart, fast or immediate (as if it was killed)."""
        self._control("-m", mode, "-w", "stop")

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql+psycopg://{_OWNER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "") -> str:
        """Make an empty database, or a copy of one that nobody uses; its URL."""
        # Copying the files is faster than logging them, as nothing is synced here; before 15
        # PostgreSQL knew no other way.
        with self._connect() as connection:
            options = f' TEMPLATE "{template}"' if template else ""
            if connection.info.server_version >= 150_000:
                options += " STRATEGY file_copy"
            connection.execute(f'CREATE DATABASE "{database}"{options}'.encode())
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, whoever uses it."""
        self.sql(f'DROP DATABASE "{database}" WITH (FORCE)')

    def sql(self, statement: str) -> None:
        """Run a statement as the administrator."""
        with self._connect() as connection:
            connection.execute(statement.encode())

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        address = f"host={self._folder} port={self.port} user={_OWNER} dbname=postgres"
        return psycopg.connect(address, autocommit=True)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._data), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = (str(self._programs / program), *arguments)
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            command = (
                "setpriv",
                f"--reuid={_OWNER}",
                f"--regid={_OWNER}",
                "--init-groups",
                *command,
            )
        subprocess.run(
            command,
            check=True,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
