"""The URL of the database is looked at before anything is opened."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from pillarbox.config import load
from pillarbox.config.database_url import checked_url
from pillarbox.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:secret@h:port/x", "port"),
        ("postgresql://u:secret@h:99999/x", "port"),
        ("postgresql://u:secret@h:-1/x", "port"),
        ("postgresql://u:secret@h:5432:1/x", "port"),
        ("postgresql://u:secret@h:/x", "port"),
        ("postgresql://u:secret@[::1/x", "can not be read"),
        ("postgresql://u:secret@[::1]5432/x", "can not be read"),
        ("postgresql://u:p@secret@h/x", "%40"),
        ("postgresql://u:secret@h /x", "blank"),
        ("postgresql://u:secret@h/x?connect_timeout=soon", "connect_timeout"),
        ("sqlite:////var/lib/secret?mode=ro", "?"),
        ("mysql://u:secret@h/x", "no database that Pillarbox knows"),
    ],
)
def test_a_url_that_can_not_be_used_is_told_with_the_form(url: str, words: str) -> None:
    """In place of an error when the service opens it; never with the password in it."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"PILLARBOX_DATABASE_URL": url})

    (problem,) = caught.value.problems
    assert problem.path == "database_url"
    assert words in problem.text
    assert "postgresql://user:password@host/database" in problem.hint
    assert "secret" not in str(problem)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "/mail",
        "db/mail",
        "u@db:5432/mail",
        "u:p/w?:#%40@db:5432/mail",
        "u:pw@[2001:db8::1]:5432/mail?connect_timeout=3&sslmode=verify-full",
        "u:pw@/mail?host=/var/run/postgresql",
    ],
)
def test_a_url_of_postgresql_is_taken(rest: str) -> None:
    """Each part but the scheme can be left out."""
    assert checked_url(f"postgres://{rest}") == f"postgresql+psycopg://{rest}"


@given(st.text("u:@/[]?=&h15432 \n%", max_size=24))
@example("u:p@h:٣/x")
def test_what_is_taken_can_be_opened(rest: str) -> None:
    """No text passes here that SQLAlchemy stumbles over."""
    try:
        url = checked_url(f"postgresql://{rest}")
    except ValueError:
        return
    port = make_url(url).port
    assert port is None or 1 <= port <= 65_535
