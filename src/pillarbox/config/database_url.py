"""The URL of the database: what the store is given has been looked at here."""

import re
from urllib.parse import parse_qs

_MOST_PORT = 65_535

_POSTGRESQL = re.compile(
    # As SQLAlchemy reads it: a password may have anything in it but an @.
    r"(?:[^:/@]*(?::[^@]*)?@)?+"
    r"(?P<host>\[[^]/?]+\]|[^:/?\[\]]*)(?::(?P<port>[^/?]*))?"
    r"(?:/[^?]*)?(?:\?(?P<options>.*))?",
    re.DOTALL,
)


def checked_url(url: str) -> str:
    """Take SQLite and PostgreSQL; name the driver that we use. Raises ValueError, whose text has
    nothing of the URL in it: there may be a password."""
    scheme, mark, rest = url.partition("://")
    match scheme if mark else "":
        case "sqlite":
            _check_sqlite(rest)
            return url
        case "postgresql" | "postgres" | "postgresql+psycopg":
            _check_postgresql(rest)
            return f"postgresql+psycopg://{rest}"
        case _:
            raise ValueError("is no database that Pillarbox knows")


def _check_sqlite(rest: str) -> None:
    if not rest.startswith("//"):
        raise ValueError("a path of SQLite must be absolute")
    if "?" in rest:
        # What stands behind it would be taken for options.
        raise ValueError("a path of SQLite can not have a ? in it")


def _check_postgresql(rest: str) -> None:
    found = _POSTGRESQL.fullmatch(rest)
    if found is None:
        raise ValueError("can not be read as USER:PASSWORD@HOST:PORT/DATABASE")
    if "@" in found["host"]:
        raise ValueError("has an @ in user or password: write %40 for it")
    if any(letter.isspace() for letter in found["host"]):
        raise ValueError("has a blank in the name of the host")
    port = found["port"]
    if port is not None and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= _MOST_PORT):
        raise ValueError("has a port that is no number from 1 to 65535")
    for seconds in parse_qs(found["options"] or "").get("connect_timeout", ()):
        if not re.fullmatch("[0-9]{1,5}", seconds):
            raise ValueError("has a connect_timeout that is no number")
