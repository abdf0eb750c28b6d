"""Exit codes are those of docs/cli.md, whatever part of the program refuses."""

from pathlib import Path

from tests.unit.cli.conftest import Service

EX_DATA = 65
EX_NO_INPUT = 66
EX_NO_SUCH = 67
EX_IO_ERROR = 74
EX_CONFIG = 78

NOT_THERE = (
    "source change 192.0.2.1 --name x.example",
    "source remove 192.0.2.1",
    "route add --mx --source 192.0.2.1",
    "dkim show example.org s1",
    "dkim activate example.org s1",
    "dkim remove example.org s1",
    "dkim check --domain exmaple.org",
    "dkim list --domain exmaple.org",
    "dkim rotate exmaple.org",
    "credential remove printer@example.org old",
    "credential change printer@example.org old --label new",
    "send-as remove printer@example.org boss@example.org",
    "issuer remove",
    "route show 0000000000001",
    "domain remove other.example",
)
NO_NAMES = (
    "source add 127.0.0.1 --name a..b",
    "doctor dns a..b",
    "doctor dns example.org --sending-address 192.0.2.1 --block-list a..b",
    "doctor check mx.example --user u --sender a..b",
    "route add --microsoft365 a@b.example --browser --may-send-as a..b",
)
FOLDERS = (
    "emulate m365",
    "route add --mx --ca-file",
    "route add --smarthost relay.example:587 --ca-file",
    "dkim create example.org --import",
    "credential add printer@example.org --label scan --password-file",
    "send --to a@example.org --server smtp://127.0.0.1:1 --eml",
)


def test_what_is_not_there_is_67(office: Service) -> None:
    """Each noun says it alike, in one line."""
    told = {words: office.run(*words.split()) for words in NOT_THERE}

    codes = {words: (one.exit_code, one.stderr.count("\n")) for words, one in told.items()}
    assert codes == dict.fromkeys(NOT_THERE, (EX_NO_SUCH, 1))


def test_what_is_no_name_is_named(office: Service) -> None:
    """Of several names in a line one is wrong."""
    told = {words: office.run(*words.split()) for words in NO_NAMES}

    named = {words: (one.exit_code, "'a..b' is no " in one.stderr) for words, one in told.items()}
    assert named == dict.fromkeys(NO_NAMES, (EX_DATA, True))


def test_a_folder_where_a_file_should_be_is_66(office: Service, tmp_path: Path) -> None:
    """It was named, and can not be read."""
    told = {words: office.run(*words.split(), str(tmp_path)) for words in FOLDERS}

    line = f"{tmp_path}: Is a directory"
    named = {words: (one.exit_code, line in one.stderr) for words, one in told.items()}
    assert named == dict.fromkeys(FOLDERS, (EX_NO_INPUT, True))


def test_a_file_that_is_no_database_is_74(service: Service, tmp_path: Path) -> None:
    """Nobody is told to try later: it would be the same."""
    (tmp_path / "other.sqlite3").write_text("garbage" * 1000)
    text = service.config_file.read_text()
    service.config_file.write_text(f'database_url = "sqlite:///{tmp_path}/other.sqlite3"\n{text}')

    refused = service.run("tenant", "list")

    assert refused.exit_code == EX_IO_ERROR
    assert "file is not a database" in refused.stderr
    assert "used now" not in refused.stderr
    assert "database_url" in refused.stderr


def test_a_folder_in_place_of_the_database_is_78(service: Service, tmp_path: Path) -> None:
    """To start the service, as for a file that is missing, would not help."""
    text = service.config_file.read_text()
    service.config_file.write_text(f'database_url = "sqlite:///{tmp_path}"\n{text}')

    refused = service.run("tenant", "list")

    assert refused.exit_code == EX_CONFIG
    assert f"database_url: {tmp_path} is a folder" in refused.stderr
