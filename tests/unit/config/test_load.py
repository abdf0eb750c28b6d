"""The configuration is read from file, environment and secret files; all that is wrong is said."""

import base64
import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from pillarbox.cli.context import CONFIG_VARIABLE
from pillarbox.cli.doctor_account import PASSWORD_VARIABLE, TOKEN_VARIABLE
from pillarbox.config import Settings, load, secret_file
from pillarbox.errors import ConfigError
from pillarbox.first_start import FIRST_ACCOUNT_VARIABLE
from pillarbox.profiles import FILE_VARIABLE
from pillarbox.route import TlsMode

BAD_CONFIGS = Path(__file__).parents[2] / "bad_configs"
KEY = bytes(range(32))


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _problems(file: Path | None, environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, environment)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("file", sorted(BAD_CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_bad_config_is_explained(file: Path) -> None:
    """Every problem of the file stands in one line: path, what is wrong, what to write."""
    expected = file.with_suffix(".expected").read_text(encoding="utf-8")

    found = "\n".join(_problems(file, {})) + "\n"

    assert found.replace(f"{BAD_CONFIGS}/", "") == expected


def test_without_anything_the_defaults_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file and no environment: 587 with STARTTLS, 465 with TLS, SQLite in ./data."""
    monkeypatch.chdir(tmp_path)

    settings = load(None, {})

    assert [(door.port, door.tls) for door in settings.listeners] == [
        (587, TlsMode.STARTTLS),
        (465, TlsMode.TLS),
    ]
    assert settings.data_directory == tmp_path / "data"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/pillarbox.sqlite3"
    assert settings.tls.certificate == tmp_path / "data/tls/certificate.pem"
    assert settings.metrics.address == "127.0.0.1"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Where the service is started from does not matter."""
    text = 'data_directory = "var"\n[tls]\nkey = "../my.key"\n'
    file = _write(tmp_path / "pillarbox.toml", text)

    settings = load(file, {})

    assert settings.data_directory == tmp_path / "var"
    assert settings.tls.key == tmp_path / "../my.key"
    assert settings.tls.certificate == tmp_path / "var/tls/certificate.pem"


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    """PILLARBOX_SECTION__NAME replaces one option and leaves those beside it."""
    text = 'host_name = "a.example"\n[limits]\nrecipients = 200\nsessions = 7\n'
    file = _write(tmp_path / "pillarbox.toml", text)
    environment = {
        "PILLARBOX_HOST_NAME": "b.example",
        "PILLARBOX_LIMITS__SESSIONS": "9",
        "PILLARBOX_LISTENERS": '[{"address": "::1", "port": 2525, "tls": "tls"}]',
    }

    settings = load(file, environment)

    assert settings.host_name == "b.example"
    assert (settings.limits.sessions, settings.limits.recipients) == (9, 200)
    assert [(door.name, door.port) for door in settings.listeners] == [("[::1]:2525", 2525)]


def test_what_is_wrong_in_the_environment_is_said_by_its_name() -> None:
    """An option that does not exist and a list that is no JSON are told like those of the file."""
    environment = {
        "PILLARBOX_LOG_LEVEL": "info",
        "PILLARBOX_LISTENERS": "587",
        "PILLARBOX_LIMITS__RECIPIENT": "500",
    }

    assert _problems(None, environment) == [
        "PILLARBOX_LOG_LEVEL: is no option (hint: PILLARBOX_LOG__LEVEL)",
        "limits.recipient: is no option (hint: recipients)",
        "listeners: is no list (hint: "
        '[[listeners]] with address = "*", port = 587, tls = "starttls")',
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            'domain_proof = "DNS"',
            "domain_proof: is none of the values that can stand here"
            ' (hint: "administrator" or "dns")',
        ),
        ('scram_sha_256 = "x"', "scram_sha_256: is neither true nor false (hint: true or false)"),
        ('publishing.tls = "x"', "publishing.tls: is neither true nor false (hint: true or false)"),
        ("delivery.helo_name = 5", "delivery.helo_name: is no text (hint: text in quotes)"),
        (
            'delivery.mx_private_networks = ["10.0.0.1/8"]',
            "delivery.mx_private_networks[0]: '10.0.0.1/8' is no network"
            ' (hint: like ["10.1.0.0/16"], without bits behind the /)',
        ),
        (
            "delivery.receivers = [{mx = []}]",
            "delivery.receivers[0].mx: is empty"
            ' (hint: names of hosts, like ["*.mail.example.org"])',
        ),
        (
            "delivery.receivers = [{}]",
            "delivery.receivers[0].mx: is missing"
            ' (hint: names of hosts, like ["*.mail.example.org"])',
        ),
        (
            "delivery.receivers = [5]",
            "delivery.receivers[0]: is no section"
            " (hint: [[delivery.receivers]] with its options below)",
        ),
        (
            'self_check.time_servers = ["a b"]',
            "self_check.time_servers[0]: 'a b' is no host name (hint: like [\"ntp.example.org\"])",
        ),
    ],
)
def test_the_hint_fits_the_option(tmp_path: Path, line: str, problem: str) -> None:
    """What can stand there, and no number where a word or a list is wanted."""
    assert _problems(_write(tmp_path / "pillarbox.toml", f"{line}\n"), {}) == [problem]


def test_names_that_kubernetes_sets_are_no_mistake() -> None:
    """A service named pillarbox brings variables with our prefix, and so do our own programs."""
    environment = {
        "PILLARBOX_PORT": "tcp://10.0.0.1:587",
        "PILLARBOX_PORT_587_TCP": "tcp://10.0.0.1:587",
        "PILLARBOX_SERVICE_HOST": "10.0.0.1",
        "PILLARBOX_DATA": "data",
        CONFIG_VARIABLE: "pillarbox.toml",
        FIRST_ACCOUNT_VARIABLE: "a@example.org",
        FILE_VARIABLE: "client.toml",
        PASSWORD_VARIABLE: "secret",
        TOKEN_VARIABLE: "secret",
    }

    assert load(None, environment).workers == 1


@pytest.mark.parametrize("where", ["file", "environment"])
def test_secrets_come_from_files(tmp_path: Path, where: str) -> None:
    """master_key_file and PILLARBOX_MASTER_KEY_FILE name a file that holds the key."""
    _write(tmp_path / "master.key", base64.b64encode(KEY).decode() + "\n")
    line = 'master_key_file = "master.key"\n' if where == "file" else ""
    file = _write(tmp_path / "pillarbox.toml", line)
    given_file = {"PILLARBOX_MASTER_KEY_FILE": str(tmp_path / "master.key")}

    settings = load(file, {} if where == "file" else given_file)

    assert settings.master_key == (KEY,)
    environment = {} if where == "file" else given_file
    assert secret_file("master_key", file, environment) == tmp_path / "master.key"


def test_secrets_come_from_credentials_of_systemd(tmp_path: Path) -> None:
    """LoadCredential= puts them into a folder; what is given otherwise goes over it."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    other = bytes(32)
    both = b"\n".join(base64.b64encode(key) for key in (KEY, other))
    _write(folder / "pillarbox.master_key", both.decode() + "\n")
    environment = {"CREDENTIALS_DIRECTORY": str(folder)}

    assert load(None, environment).master_key == (KEY, other)
    environment["PILLARBOX_MASTER_KEY"] = base64.b64encode(other).decode()
    assert load(None, environment).master_key == (other,)
    assert secret_file("master_key", None, environment) is None


def test_a_secret_file_of_the_environment_goes_over_the_secret_of_the_file(tmp_path: Path) -> None:
    """The environment wins, in whatever form either gives the secret."""
    _write(tmp_path / "url", "postgres://db/mail")
    file = _write(tmp_path / "pillarbox.toml", 'database_url = "postgresql://other/mail"\n')

    settings = load(file, {"PILLARBOX_DATABASE_URL_FILE": str(tmp_path / "url")})

    assert settings.database_url == "postgresql+psycopg://db/mail"


def test_secrets_show_in_no_text(tmp_path: Path) -> None:
    """Neither the settings as text nor an error shows a secret."""
    key = base64.b64encode(KEY).decode()
    good = load(None, {"PILLARBOX_MASTER_KEY": key, "PILLARBOX_DATABASE_URL": "postgres://u:pw@h"})
    bad = _write(tmp_path / "bad.toml", 'master_key = "hunter2"\ndatabase_url = "hunter2"\n')

    assert repr(KEY) not in repr(good)
    assert "pw@" not in repr(good)
    assert "hunter2" not in "".join(_problems(bad, {}))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """The first thing that a new user sees."""
    [problem] = _problems(tmp_path / "pillarbox.toml", {})

    assert problem.startswith(f"{tmp_path}/pillarbox.toml: No such file or directory (hint: ")
    assert "make run" in problem


def test_settings_can_not_be_changed() -> None:
    """Nobody changes a setting behind the back of another part."""
    settings = load(None, {})

    with pytest.raises(ValidationError):
        settings.workers = 2
    with pytest.raises(ValidationError):
        settings.limits.sessions = 1


_options = st.sampled_from(sorted(Settings.model_fields)) | st.text(max_size=8)


@given(st.dictionaries(_options, st.text(max_size=40), max_size=5))
@example({"data_directory": "~0"})
def test_no_environment_raises_anything_but_config_error(values: dict[str, str]) -> None:
    """Whatever stands in the environment, the answer is settings or a ConfigError."""
    environment = {f"PILLARBOX_{name.upper()}": value for name, value in values.items()}

    with contextlib.suppress(ConfigError):
        load(None, environment)


@given(text=st.text(max_size=200))
def test_no_file_raises_anything_but_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """Whatever stands in the file, the answer is settings or a ConfigError."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))

    with contextlib.suppress(ConfigError):
        load(file, {})
