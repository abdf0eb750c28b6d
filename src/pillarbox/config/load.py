"""Read the configuration: TOML file, then PILLARBOX_* of the environment, then *_FILE secrets, and
what systemd hands over of those.

Later ones win. Everything that is wrong is said at once, as `path: what is wrong (hint: what to
write)`. A relative path is relative to the folder of the file.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from pillarbox.config.hints import hint_for, text_for
from pillarbox.config.settings import Settings, expand
from pillarbox.errors import ConfigError, Problem

PREFIX = "PILLARBOX_"
SECRETS = ("master_key", "database_url")
"""Options that can also be given as NAME_file: the file holds the value."""

CREDENTIAL_PREFIX = "pillarbox."
"""So these options are named as credentials of systemd."""

NOT_OPTIONS = (
    *("CONFIG", "DATA", "FIRST_ACCOUNT"),
    *("CLIENT_CONFIG", "DOCTOR_PASSWORD", "DOCTOR_TOKEN"),
)
"""Names with our prefix that the programs read themselves."""

KUBERNETES_NAMES = ("SERVICE_", "PORT_")
"""Kubernetes sets PILLARBOX_SERVICE_HOST and PILLARBOX_PORT_… for a service named pillarbox."""

_Raw: TypeAlias = dict[str, object]


class _EnvironmentModel(Settings, BaseSettings):
    """The options as pydantic-settings wants them, only to read the environment."""

    model_config = SettingsConfigDict(extra="forbid")


class _Environment(EnvSettingsSource):
    """PILLARBOX_NAME and PILLARBOX_SECTION__NAME as a nested dict."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in environment.items()}
        super().__init__(_EnvironmentModel, env_prefix=PREFIX, env_nested_delimiter="__")

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given

    def decode_complex_value(self, field_name: str, field: object, value: object) -> object:
        """JSON; what is none stays text, and the check says that a list is wanted there."""
        try:
            return super().decode_complex_value(field_name, field, value)  # type: ignore[arg-type]
        except ValueError:
            return value


_TWICE = ("Cannot overwrite", "Cannot declare")
"""So tomllib begins where something stands in a file for the second time."""


@dataclass(slots=True)
class _Reading:
    """What was read so far and what is wrong with it."""

    base: Path
    raw: _Raw = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, path: str, text: str, hint: str = "") -> None:
        self.problems.append(Problem(path, text, hint))


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the configuration; no file: environment and defaults alone.

    Raises ConfigError with every problem that there is.
    """
    reading = _Reading((file.parent if file else Path()).absolute())
    if file is not None:
        _read_file(reading, file)
    environment = os.environ if environment is None else environment
    _read_environment(reading, environment)
    _read_secret_files(reading)
    _read_credentials(reading, environment)
    _fill_in_paths(reading)
    settings = None
    try:
        settings = Settings.model_validate(reading.raw, context={"base": reading.base})
    except ValidationError as error:
        reading.problems += [_problem(details) for details in error.errors(include_url=False)]
    if reading.problems or settings is None:
        raise ConfigError(sorted(reading.problems, key=lambda problem: problem.path))
    return settings


def _read_file(reading: _Reading, file: Path) -> None:
    """The TOML file; one that can not be read is one problem."""
    try:
        reading.raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "make one with `make run`, or name another with --config"
        if isinstance(error, PermissionError):
            hint = "run this as the user of the service or as root"
        raise ConfigError([Problem(str(file), f"{error.strerror}", hint)]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = 'write text in quotes: name = "value"'
        if str(error).startswith(_TWICE):
            hint = "write each option and each [table] once"
        reading.complain(str(file), f"is no TOML: {error}", hint)


def _read_environment(reading: _Reading, environment: Mapping[str, str]) -> None:
    """Options of the environment go over those of the file, key by key."""
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    _merge(reading.raw, _Environment(ours)())
    known = set(Settings.model_fields) | {f"{name}_file" for name in SECRETS}
    for name, value in ours.items():
        rest = name.removeprefix(PREFIX)
        option = rest.lower()
        if option.removesuffix("_file") in SECRETS and option.endswith("_file"):
            reading.raw[option] = value
            reading.raw.pop(option.removesuffix("_file"), None)
        elif (
            option.partition("__")[0] not in known
            and rest not in NOT_OPTIONS
            and rest != "PORT"
            and not rest.startswith(KUBERNETES_NAMES)
        ):
            reading.complain(name, "is no option", _similar(option, _dotted(), PREFIX))


def _merge(below: _Raw, above: Mapping[str, object]) -> None:
    """Put `above` over `below`, section by section."""
    for key, value in above.items():
        lower = below.get(key)
        if isinstance(value, dict) and isinstance(lower, dict):
            _merge(lower, value)
        else:
            below[key] = value


def _read_secret_files(reading: _Reading) -> None:
    """NAME_file: the option's value is what the file holds."""
    for name in SECRETS:
        value = reading.raw.pop(f"{name}_file", None)
        if value is None:
            continue
        if name in reading.raw:
            reading.complain(f"{name}_file", f"stands beside {name}", "write one of them")
            continue
        file = reading.base / str(value)
        try:
            reading.raw[name] = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "is no text"
            reading.complain(f"{name}_file", f"{file}: {cause}", "name a file that can be read")


def _read_credentials(reading: _Reading, environment: Mapping[str, str]) -> None:
    """Secrets that are given nowhere else and that systemd hands over (LoadCredential=)."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    for name in SECRETS if folder else ():
        file = Path(str(folder)) / f"{CREDENTIAL_PREFIX}{name}"
        if name in reading.raw or not file.exists():
            continue
        try:
            reading.raw[name] = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "is no text"
            reading.complain(name, f"{file}: {cause}", "let systemd start it as its user")


def secret_file(
    name: str, file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Path | None:
    """The file that NAME_file names; None if the option is given in another way, or not at all.

    Raises ConfigError where the configuration can not be read.
    """
    reading = _Reading((file.parent if file else Path()).absolute())
    if file is not None:
        _read_file(reading, file)
    _read_environment(reading, os.environ if environment is None else environment)
    value = reading.raw.get(f"{name}_file")
    return None if value is None else reading.base / str(value)


def _fill_in_paths(reading: _Reading) -> None:
    """Defaults that lie in the data directory."""
    try:
        data = expand(Path(str(reading.raw.get("data_directory", "data"))), reading.base)
    except ValueError:
        # The check of the option itself complains.
        data = reading.base
    reading.raw.setdefault("database_url", f"sqlite:///{data / 'pillarbox.sqlite3'}")
    tls = reading.raw.setdefault("tls", {})
    if isinstance(tls, dict):
        tls.setdefault("certificate", str(data / "tls" / "certificate.pem"))
        tls.setdefault("key", str(data / "tls" / "key.pem"))


def _problem(details: ErrorDetails) -> Problem:
    """One finding of the check in our words."""
    path = ""
    for part in details["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if details["type"] == "extra_forbidden":
        return Problem(path, "is no option", _similar(str(details["loc"][-1]), _siblings(details)))
    return Problem(path or "configuration", text_for(details), hint_for(path, details))


def _siblings(details: ErrorDetails) -> set[str]:
    """The options that stand beside the one that was found wrong."""
    model: type[BaseModel] = Settings
    for part in details["loc"][:-1]:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            found = [annotation, *get_args(annotation)]
            model = next(t for t in found if isinstance(t, type) and issubclass(t, BaseModel))
    return set(model.model_fields)


def _dotted() -> set[str]:
    """All options as the environment writes them, in lower case."""
    names = {f"{name}_file" for name in SECRETS}
    for name, about in Settings.model_fields.items():
        model = about.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names |= {f"{name}__{inner}" for inner in model.model_fields}
        else:
            names.add(name)
    return names


def _similar(name: str, known: set[str], prefix: str = "") -> str:
    """The option that was probably meant, or all there are."""
    names = sorted(known)
    close = get_close_matches(name, names, 1)
    shown = close or [other for other in names if not prefix or "__" not in other]
    text = ", ".join(prefix + other.upper() if prefix else other for other in shown)
    return text if close else f"there are {text}"
