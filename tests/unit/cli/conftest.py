"""A service's configuration and database, and a way to run commands on them."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner, Result
from tests.support.issuer import Issuer
from tests.support.storing import open_database

from pillarbox.cli.root import root
from pillarbox.store.database import Database
from pillarbox.store.seal import new_master_key

CONFIG = """
host_name = "mail.example.org"
data_directory = "."
master_key = "{key}"
metrics.port = 1
"""


@dataclass(frozen=True, slots=True)
class Service:
    """An installed service that does not run. `database` is the store that its commands use."""

    config_file: Path
    database: Database

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command; what it wrote and its exit code."""
        words = ["--config", str(self.config_file), *arguments]
        return CliRunner().invoke(root, words, input=stdin)

    def do(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command that succeeds; what it wrote."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command that succeeds with --json; what it wrote."""
        return json.loads(self.do(*arguments, "--json"))


@contextmanager
def _installed(folder: Path) -> Iterator[Service]:
    file = folder / "pillarbox.toml"
    key = base64.b64encode(new_master_key()).decode()
    file.write_text(CONFIG.format(key=key))
    database = open_database(f"sqlite:///{folder / 'pillarbox.sqlite3'}")
    yield Service(file, database)
    database.close_now()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with an empty directory."""
    with _installed(tmp_path) as installed:
        yield installed


@pytest.fixture(scope="session")
def office_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The database of `office`: three commands take 160 ms of processor, a copy nothing."""
    folder = tmp_path_factory.mktemp("office")
    with _installed(folder) as service:
        service.do("tenant", "add", "default")
        service.do("domain", "add", "example.org")
        service.do("account", "add", "printer@example.org")
    return (folder / "pillarbox.sqlite3").read_bytes()


@pytest.fixture
def office(service: Service, office_file: bytes) -> Service:
    """A service with the tenant default, its domain example.org and the account
    printer@example.org."""
    assert service.database.file is not None
    # Nobody has opened it yet.
    service.database.file.write_bytes(office_file)
    return service


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who issued the certificates here."""
    return trustme.CA()


@pytest.fixture
def issuer(authority: trustme.CA, tmp_path: Path) -> Iterator[Issuer]:
    """A sign-in server; its roots stand in ca.pem."""
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    with Issuer(tmp_path / "certificate.pem", tmp_path / "key.pem") as server:
        yield server
