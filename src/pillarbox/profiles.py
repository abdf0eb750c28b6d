"""Profiles: which server a person's programs send by, as `pillarbox send` and the sendmail program
read it from ~/.config/pillarbox/client.toml, or from /etc/pillarbox/client.toml for everybody.

    default = "work"

    [profiles.work]
    server = "submissions://smtp.example.org"
    username = "app@example.org"
    password_file = "work.password"
    sender = "app@example.org"

No password stands in this file: it names another file, a variable of the environment, or the
keyring. The sendmail program begins quickly because this module does: no dataclasses, no pathlib.
"""

import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from pillarbox.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pillarbox.client import Client, Keyring, OAuth2, Password

FILE_VARIABLE = "PILLARBOX_CLIENT_CONFIG"
USER_FOLDER = "~/.config/pillarbox"
SYSTEM_FILE = "/etc/pillarbox/client.toml"
DEFAULT_NAME = "default"

_SECRETS = ("password_file", "password_env", "keyring")


class Profile(NamedTuple):
    """One way of sending. `file` is where it stands; `password_file` is a full path.

    `auth` "microsoft" or "google" logs in with OAuth2, by what the settings behind it say.
    `sender` is the reverse-path where a program names none with a domain; `local_recipient` gets
    what is for a name without a domain ("root"); `spool` is the folder of the sendmail program.
    """

    name: str
    file: str
    server: str
    username: str = ""
    password_file: str = ""
    password_env: str = ""
    keyring: bool = False
    auth: str = ""
    client_id: str = ""
    tenant_id: str = ""
    cloud: str = ""
    sign_in_url: str = ""
    secret_file: str = ""
    key_file: str = ""
    token_file: str = ""
    sender: str = ""
    full_name: str = ""
    local_recipient: str = ""
    spool: str = ""
    tls: str = "required"
    ca_file: str = ""
    timeout: float = 60.0


_KEYS: dict[str, type | tuple[type, ...]] = {
    "server": str,
    "username": str,
    "password_file": str,
    "password_env": str,
    "keyring": bool,
    "auth": str,
    "client_id": str,
    "tenant_id": str,
    "cloud": str,
    "sign_in_url": str,
    "secret_file": str,
    "key_file": str,
    "token_file": str,
    "sender": str,
    "full_name": str,
    "local_recipient": str,
    "spool": str,
    "tls": str,
    "ca_file": str,
    "timeout": (int, float),
}
_PATHS = ("password_file", "secret_file", "key_file", "token_file", "spool", "ca_file")

_ISSUERS = ("microsoft", "google")
_TOKEN_WAYS = {
    "microsoft": (
        ("client_id", "secret_file"),
        ("client_id", "key_file"),
        ("client_id", "token_file"),
    ),
    "google": (("key_file",), ("client_id", "secret_file", "token_file")),
}
"""What has to be there for OAuth2, in one of these combinations."""


def user_file() -> str:
    """Where a person's profiles stand."""
    folder = os.environ.get("XDG_CONFIG_HOME")
    mine = os.path.join(folder, "pillarbox") if folder else os.path.expanduser(USER_FOLDER)
    return os.path.join(mine, "client.toml")


def find_file() -> str:
    """The file that counts: the one named by PILLARBOX_CLIENT_CONFIG, the person's, the system's.
    Raises ConfigError where there is none."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return named
    for file in (mine := user_file(), SYSTEM_FILE):
        if os.path.exists(file):
            return file
    hint = "make one: pillarbox find ADDRESS --save"
    raise ConfigError([Problem(mine, "there are no profiles for sending", hint)])


def load_profile(name: str = "", *, file: str = "") -> Profile:
    """The profile of this name; without a name the one that `default` says, or the only one.
    Raises ConfigError with all that is wrong."""
    file = file or find_file()
    values = _read(file)
    tables = values.get("profiles", {})
    if not isinstance(tables, dict) or not tables:
        raise ConfigError([Problem(file, "there is no profile", "begin one with [profiles.NAME]")])
    if problems := [
        Problem(f"{file}: {key}", "is no setting", "beside [profiles.NAME] there is `default`")
        for key in values
        if key not in (DEFAULT_NAME, "profiles")
    ]:
        raise ConfigError(problems)
    if not name:
        only = next(iter(tables)) if len(tables) == 1 else DEFAULT_NAME
        name = values.get(DEFAULT_NAME, only)
        if not isinstance(name, str):
            hint = f'write default = "{next(iter(tables))}"'
            raise ConfigError([Problem(f"{file}: default", "is the name of a profile", hint)])
    if name not in tables:
        hint = f"there are: {', '.join(tables)}"
        raise ConfigError([Problem(file, f"there is no profile {name!r}", hint)])
    return _profile(file, name, tables[name])


def connect(profile: Profile, *, transcript: "list[str] | None" = None) -> "Client":
    """A client that sends by it; `transcript` gets what is said. Raises ConfigError,
    ClientError."""
    from pillarbox.client import connect as connect_client

    return connect_client(
        profile.server,
        auth=_auth(profile),
        tls="opportunistic" if profile.tls == "opportunistic" else "required",
        ca_file=profile.ca_file,
        timeout=profile.timeout,
        transcript=transcript,
    )


def save_profile(name: str, settings: "dict[str, str | bool]", *, file: str) -> None:
    """Write one more profile behind those that are there, which stay as they are. Raises
    ConfigError, OSError."""
    from pathlib import Path

    from pillarbox.files import replace_file

    path = Path(file)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if text and name in _read(file).get("profiles", {}):
        hint = "choose another name: --save NAME, or take that one away"
        raise ConfigError([Problem(file, f"there is a profile {name!r} already", hint)])
    lines = [f"{key} = {_toml(value)}\n" for key, value in settings.items()]
    table = f"[profiles.{name}]\n{''.join(lines)}"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole = f"{text.rstrip()}\n\n{table}" if text.strip() else table
    replace_file(path, whole.encode(), mode=0o600)


def _toml(value: "str | bool") -> str:
    """A value as TOML has it: JSON's strings are TOML's."""
    import json

    return json.dumps(value, ensure_ascii=False)


def _read(file: str) -> dict[str, Any]:
    import tomllib

    try:
        _check_owner(file, "others may change it", stat.S_IWGRP | stat.S_IWOTH)
        with open(file, "rb") as opened:
            return tomllib.load(opened)
    except OSError as error:
        raise ConfigError([Problem(file, f"can not be read: {error.strerror}")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(file, f"is no TOML: {error}")]) from error


def _profile(file: str, name: str, table: object) -> Profile:
    place = f"{file}: profiles.{name}"
    if not isinstance(table, dict):
        raise ConfigError([Problem(place, "is no table", f"write [profiles.{name}]")])
    problems = [
        Problem(f"{place}.{key}", "is no setting", f"there are: {', '.join(_KEYS)}")
        if key not in _KEYS
        else Problem(f"{place}.{key}", "has a value of the wrong kind")
        for key, value in table.items()
        if key not in _KEYS
        or not isinstance(value, _KEYS[key])
        or (isinstance(value, bool) and _KEYS[key] is not bool)
    ]
    if "password" in table:
        hint = "write it into a file of its own (chmod 600) and name that: password_file"
        problems = [Problem(f"{place}.password", "a password does not stand here", hint)]
    if not problems and not table.get("server"):
        problems.append(Problem(f"{place}.server", "is missing", 'say "smtp://host:587"'))
    if not problems:
        problems += _login_problems(place, table)
    if not problems and table.get("tls", "required") not in ("required", "opportunistic"):
        problems.append(Problem(f"{place}.tls", 'is "required" or "opportunistic"'))
    if not problems and not table.get("timeout", 60) > 0:
        problems.append(Problem(f"{place}.timeout", "is a number of seconds above 0"))
    if problems:
        raise ConfigError(problems)
    paths = {key: _path(file, table[key]) for key in _PATHS if table.get(key)}
    return Profile(name, file, **{**table, **paths})


def _login_problems(place: str, table: "dict[str, Any]") -> list[Problem]:
    issuer = table.get("auth")
    if issuer is None:
        if table.get("username") and not any(table.get(key) for key in _SECRETS):
            return [Problem(place, "names no password", f"add one of {', '.join(_SECRETS)}")]
        return []
    if issuer not in _ISSUERS:
        hint = "leave it out for a password"
        return [Problem(f"{place}.auth", 'is "microsoft" or "google"', hint)]
    if not table.get("username"):
        return [Problem(f"{place}.username", "is missing", "say the address of the mailbox")]
    ways = _TOKEN_WAYS[issuer]
    if not any(all(table.get(key) for key in way) for way in ways):
        hint = "add " + ", or ".join(" and ".join(way) for way in ways)
        return [Problem(place, "does not say how to get a token", hint)]
    return []


def _path(file: str, value: str) -> str:
    """A path as it is meant: from the home folder, or from the folder of the file."""
    return os.path.join(os.path.dirname(file), os.path.expanduser(value))


def _auth(profile: Profile) -> "Password | Keyring | OAuth2 | None":
    if not profile.username:
        return None
    if profile.auth:
        return _by_microsoft(profile) if profile.auth == "microsoft" else _by_google(profile)
    from pillarbox.client import Keyring, Password

    if profile.keyring:
        return Keyring(profile.username)
    return Password(profile.username, read_password(profile))


def _by_microsoft(profile: Profile) -> "OAuth2":
    """As an application where there is its secret or key, else as a person."""
    from pillarbox.client import microsoft

    registration = {
        # A domain of a tenant names the tenant.
        "tenant_id": profile.tenant_id or profile.username.rpartition("@")[2],
        "client_id": profile.client_id,
        "cloud": profile.cloud or "worldwide",
        "authority": profile.sign_in_url,
        "ca_file": profile.ca_file,
    }
    if profile.secret_file:
        secret = read_secret_line(profile.secret_file, "client secret")
        return microsoft.client_secret(profile.username, secret=secret, **registration)
    if profile.key_file:
        pem = read_secret_file(profile.key_file, "key")
        return microsoft.certificate(
            profile.username, private_key=pem, public_certificate=pem, **registration
        )
    return microsoft.device_code(
        profile.username,
        cache_file=profile.token_file,
        tell=lambda text: _tell(profile, text),
        **registration,
    )


def _tell(profile: Profile, text: str) -> None:
    """Ask for a code. A program that runs by itself would wait for a person who is not there."""
    import sys
    from shlex import quote

    from pillarbox.client import TokenError

    if not sys.stderr.isatty():
        raise TokenError(
            f"somebody has to sign in for the profile {profile.name}",
            code="sign-in-again",
            cause="There is no sign-in that was kept, or it has ended.",
            fix=f"At a terminal: pillarbox send --profile {quote(profile.name)} --check",
        )
    sys.stderr.write(f"{text}\n")


def _by_google(profile: Profile) -> "OAuth2":
    """As a service account where there is its key, else as a person who consented."""
    from pillarbox.client import google

    if profile.key_file:
        # It is refused where others may read it.
        read_secret_file(profile.key_file, "key")
        return google.service_account(
            profile.username,
            profile.key_file,
            token_url=profile.sign_in_url,
            ca_file=profile.ca_file,
        )
    return google.refresh_token(
        profile.username,
        client_id=profile.client_id,
        client_secret=read_secret_line(profile.secret_file, "client secret"),
        refresh_token=read_secret_line(profile.token_file, "refresh token"),
        token_url=profile.sign_in_url or google.TOKEN_URL,
        ca_file=profile.ca_file,
    )


def read_password(profile: Profile) -> str:
    """The password, from its file or the environment. Raises ConfigError."""
    if profile.password_env:
        value = os.environ.get(profile.password_env)
        if not value:
            place = f"{profile.file}: profiles.{profile.name}.password_env"
            raise ConfigError([Problem(place, f"{profile.password_env} is not set")])
        return value
    return read_secret_line(profile.password_file, "password")


def read_secret_line(file: str, what: str) -> str:
    """A secret in the first line of a file that others can not read. Raises ConfigError."""
    value = read_secret_file(file, what).partition("\n")[0].rstrip("\r")
    if not value:
        raise ConfigError([Problem(file, "is empty", f"write the {what} into the first line")])
    return value


def read_secret_file(file: str, what: str) -> str:
    """A file that others can not read. Raises ConfigError."""
    try:
        _check_owner(file, "others may read it", stat.S_IRWXG | stat.S_IRWXO)
        with open(file, encoding="utf-8") as opened:
            return opened.read()
    except OSError as error:
        problem = Problem(file, f"the {what} can not be read: {error.strerror}")
        raise ConfigError([problem]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(file, f"the {what} is no text")]) from error


def _check_owner(file: str, danger: str, forbidden: int) -> None:
    """A file of this user or of root, and of nobody else's making. Where root shares a secret with
    a group, that is what root wants. Raises OSError, ConfigError."""
    found = os.stat(file)
    is_shared = found.st_uid == 0 and os.geteuid() != 0
    if is_shared:
        forbidden &= ~stat.S_IRGRP
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError([Problem(file, "belongs to another user", f"chown it: {file}")])
    if found.st_mode & forbidden:
        mode = "go-w" if forbidden & stat.S_IWGRP and not forbidden & stat.S_IROTH else "go="
        raise ConfigError([Problem(file, danger, f"chmod {mode} {file}")])
