"""docs/client-programs.md against the settings and options that there are."""

import re
from pathlib import Path

from pillarbox.profiles import Profile, load_profile
from pillarbox.sendmail.options import IGNORED, WITH_ARGUMENT, WITHOUT_ARGUMENT

PAGE = (Path(__file__).parents[3] / "docs" / "client-programs.md").read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    """In the table of the profiles, and no other."""
    table = PAGE.partition("| setting |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))

    assert named == set(Profile._fields) - {"name", "file"}


def test_every_option_is_documented() -> None:
    """Each letter of sendmail, as doing something or as ignored."""
    letters = set(re.findall(r"[ `]-([A-Za-z])", PAGE))

    assert WITH_ARGUMENT | WITHOUT_ARGUMENT | IGNORED | set("qd") <= letters


def test_the_profile_on_the_page_can_be_read(tmp_path: Path) -> None:
    """As it stands there."""
    file = tmp_path / "client.toml"
    file.write_text(PAGE.partition("```toml\n")[2].partition("```")[0])

    profile = load_profile(file=str(file))

    assert (profile.name, profile.server) == ("work", "submissions://smtp.example.org")
    assert profile.password_file == str(tmp_path / "work.password")
