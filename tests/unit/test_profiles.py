"""Profiles for sending (pillarbox.profiles): what is wrong is said, with the fix."""

from pathlib import Path

import pytest

from pillarbox.errors import ConfigError
from pillarbox.profiles import FILE_VARIABLE, find_file, load_profile, read_password

SERVER = 'server = "smtp://mail.example.org"\n'


def write(folder: Path, text: str) -> str:
    """The file with this text."""
    file = folder / "client.toml"
    file.write_text(text)
    file.chmod(0o600)
    return str(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begin one with [profiles.NAME]"),
        ("[profiles.a", "is no TOML"),
        (
            f"defalt = 'a'\n[profiles.a]\n{SERVER}",
            "defalt: is no setting (hint: ",
        ),
        (
            f"timeout = 5\n[profiles.a]\n{SERVER}",
            "timeout: is no setting (hint: ",
        ),
        (f"default = 5\n[profiles.a]\n{SERVER}", "default: is the name of a profile"),
        ("[profiles.a]\n", "a.server: is missing"),
        (f"[profiles.a]\n{SERVER}user = 'x'\n", "a.user: is no setting (hint: there are: server"),
        ("[profiles.a]\nserver = 5\n", "a.server: has a value of the wrong kind"),
        (f"[profiles.a]\n{SERVER}timeout = true\n", "a.timeout: has a value of the wrong kind"),
        (f"[profiles.a]\n{SERVER}password = 'x'\n", "a password does not stand here"),
        (f"[profiles.a]\n{SERVER}username = 'x'\n", "names no password (hint: add one of"),
        (f"[profiles.a]\n{SERVER}timeout = 0\n", "a.timeout: is a number of seconds above 0"),
        (f"[profiles.a]\n{SERVER}tls = 'never'\n", 'is "required" or "opportunistic"'),
        (f"[profiles.a]\n{SERVER}[profiles.b]\n{SERVER}", "there is no profile 'default'"),
    ],
)
def test_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    """Where, what, and what to write instead."""
    with pytest.raises(ConfigError) as raised:
        load_profile(file=write(tmp_path, text))

    assert words in str(raised.value)


def test_default_names_the_profile(tmp_path: Path) -> None:
    """Of several; each can be asked for by its name."""
    text = f'default = "b"\n[profiles.a]\n{SERVER}[profiles.b]\n{SERVER}full_name = "B"\n'
    file = write(tmp_path, text)

    assert load_profile(file=file).full_name == "B"
    assert load_profile("a", file=file).name == "a"


def test_password_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its absence is said by the name of the variable."""
    text = f'[profiles.a]\n{SERVER}username = "x"\npassword_env = "MAIL_PASSWORD"\n'
    profile = load_profile(file=write(tmp_path, text))
    monkeypatch.setenv("MAIL_PASSWORD", "Pw-1_x")

    assert read_password(profile) == "Pw-1_x"
    assert "Pw-1_x" not in repr(profile)
    monkeypatch.delenv("MAIL_PASSWORD")
    with pytest.raises(ConfigError, match="MAIL_PASSWORD is not set"):
        read_password(profile)


def test_own_file_goes_before_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable names it, or it stands in the folder for settings."""
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "pillarbox"
    folder.mkdir()

    own = write(folder, "")
    assert find_file() == own
    monkeypatch.setenv(FILE_VARIABLE, "/elsewhere.toml")
    assert find_file() == "/elsewhere.toml"
