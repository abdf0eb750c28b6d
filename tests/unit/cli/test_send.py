"""`pillarbox send` against a real server (pillarbox.cli.send), and profiles of `find --save`."""

import json
from pathlib import Path

import keyring
import pytest
from click.testing import CliRunner, Result
from keyring.backend import KeyringBackend
from tests.support.profiles import Profiles

from pillarbox.cli.root import root
from pillarbox.profiles import FILE_VARIABLE, load_profile, read_password
from pillarbox.testing import SmtpServer


class Memory(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        """What is kept."""
        return self._kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""
        self._kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Forget it."""
        del self._kept[service, username]


EX_USAGE, EX_DATA, EX_NO_INPUT, EX_UNAVAILABLE, EX_TRY_LATER = 64, 65, 66, 69, 75
EX_NO_PERMISSION, EX_CONFIG = 77, 78
TO = ("--to", "ann@example.net")


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> Profiles:
    """The profile `main`, with a login over STARTTLS."""
    made = Profiles(tmp_path, smtp_server)
    made.write()
    monkeypatch.setenv(FILE_VARIABLE, str(made.file))
    return made


def send(*arguments: str, stdin: str | bytes = "") -> Result:
    """The command."""
    return CliRunner().invoke(root, ["send", *arguments], input=stdin)


def test_tls_for_the_whole_way_or_nothing(smtp_server: SmtpServer) -> None:
    """This server does not promise it: it gets nothing, and the exit code is that of a policy."""
    result = send(*TO, "--subject", "Secret", "--text", "x", "--require-tls")

    assert result.exit_code == EX_NO_PERMISSION
    assert "REQUIRETLS" in result.stderr
    assert not smtp_server.messages


def test_message_is_made_of_options(smtp_server: SmtpServer, tmp_path: Path) -> None:
    """Text, HTML, attachment, copies: all of it arrives, and Bcc is nowhere in it."""
    (tmp_path / "page.html").write_text("<p>well</p>")
    (tmp_path / "report.pdf").write_bytes(b"%PDF")

    result = send(
        *("--to", "Ann <ann@example.net>", "--cc", "bob@example.net", "--bcc", "c@example.net"),
        *("--subject", "Bericht für Ann", "--text", "All is well.", "--reply-to", "d@example.com"),
        *("--html", str(tmp_path / "page.html"), "--attach", str(tmp_path / "report.pdf")),
        *("--header", "X-Job: 7"),
    )

    assert result.exit_code == 0, result.output
    assert result.stdout.count(": accepted, 250") == 3
    message = smtp_server.wait_for(subject="Bericht für Ann")
    assert message.recipients == ("ann@example.net", "bob@example.net", "c@example.net")
    assert (message.sender, message.login) == ("app@example.com", smtp_server.username)
    assert message.message["To"] == "Ann <ann@example.net>"
    assert (message.message["X-Job"], message.message["Reply-To"]) == ("7", "d@example.com")
    assert (message.text.strip(), message.html.strip()) == ("All is well.", "<p>well</p>")
    assert message.attachments == {"report.pdf": b"%PDF"}
    assert b"c@example.net" not in message.raw


def test_text_comes_from_standard_input(smtp_server: SmtpServer) -> None:
    """As in `df | pillarbox send --to …`."""
    result = send(*TO, "--subject", "Disk", stdin="90 %\n")

    assert result.exit_code == 0
    assert smtp_server.wait_for(subject="Disk").text.strip() == "90 %"


@pytest.mark.parametrize("option", ["--text-file", "--html"])
def test_file_that_is_no_text_is_named(tmp_path: Path, option: str) -> None:
    """A picture in place of the text is a mistake of whoever typed it, not a fault."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\xff")

    result = send(*TO, option, str(picture))

    assert result.exit_code == EX_DATA
    assert f"{picture} is no text in UTF-8" in result.stderr


def test_standard_input_that_is_no_text_is_65() -> None:
    """The same of what comes by a pipe."""
    result = send(*TO, stdin=b"\x89PNG\xff")

    assert result.exit_code == EX_DATA
    assert "standard input is no text in UTF-8" in result.stderr


def test_whole_message_is_sent_as_it_stands(smtp_server: SmtpServer, tmp_path: Path) -> None:
    """From a file or standard input; its header says to whom, unless options do."""
    letter = b"From: x@example.com\r\nTo: y@example.net\r\nSubject: Whole\r\n\r\n.\r\nend\r\n"
    (tmp_path / "whole.eml").write_bytes(letter)

    assert send("--eml", str(tmp_path / "whole.eml")).exit_code == 0
    assert send("--eml", "-", *TO, stdin=letter).exit_code == 0

    first, second = smtp_server.messages
    assert first.recipients == ("y@example.net",)
    assert second.recipients == ("ann@example.net",)
    assert first.raw == letter


def test_server_can_be_named_in_place_of_a_profile(
    smtp_server: SmtpServer, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the password in a file or a variable, never in an argument."""
    server = ("--server", f"smtps://{smtp_server.host}:{smtp_server.tls_port}")
    login = ("--user", smtp_server.username, "--ca-file", str(smtp_server.ca_file))
    letter = ("--from", "app@example.com", *TO, "--text", "x")
    monkeypatch.setenv("MAIL_PASSWORD", smtp_server.password)

    by_file = send(*server, *login, "--password-file", str(profiles.password), *letter)
    by_variable = send(*server, *login, "--password-env", "MAIL_PASSWORD", *letter)
    without = send(*server, *login, *letter)

    assert (by_file.exit_code, by_variable.exit_code) == (0, 0)
    assert [message.login for message in smtp_server.messages] == [smtp_server.username] * 2
    assert without.exit_code == EX_USAGE
    assert "--password-env" in without.stderr


def test_roots_can_be_named_beside_a_profile(smtp_server: SmtpServer, profiles: Profiles) -> None:
    """One that has none of its own trusts nobody here."""
    profiles.write(ca_file=None)

    without = send(*TO, "--text", "x")
    with_roots = send(*TO, "--text", "x", "--ca-file", str(smtp_server.ca_file))

    assert "(fix: Set ca_file in the profile to the certificate" in without.stderr
    assert with_roots.exit_code == 0, with_roots.output


def test_advice_names_options_where_the_server_is_one(
    smtp_server: SmtpServer, profiles: Profiles
) -> None:
    """Nobody at a terminal has keywords of Python to change."""
    server = ("--server", f"smtps://{smtp_server.host}:{smtp_server.tls_port}")
    login = ("--user", smtp_server.username, "--password-file", str(profiles.password))
    roots = ("--ca-file", str(smtp_server.ca_file))
    letter = ("--from", "app@example.com", *TO, "--text", "x")

    unknown = send(*server, *login, *letter)
    profiles.password.write_text("wrong\n")
    wrong = send(*server, *login, *roots, *letter)
    smtp_server.fail("rcpt", "530 5.7.0 Authentication required")
    without = send(*server, *roots, *letter, "--json")

    assert "(fix: Give --ca-file the certificate" in unknown.stderr
    assert "user name and password (--user, --password-file)" in wrong.stderr
    assert "--user and --password-file" in without.output


def test_password_may_stand_in_the_keyring(smtp_server: SmtpServer, profiles: Profiles) -> None:
    """Of the profile, or of --user."""
    user, password = smtp_server.username, smtp_server.password
    profiles.write(password_file=None, keyring=True)
    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        keyring.set_password("pillarbox", user, password)
        by_profile = send(*TO, "--text", "x")
        keyring.delete_password("pillarbox", user)
        without = send(*TO, "--text", "x")
    finally:
        keyring.set_keyring(before)

    assert by_profile.exit_code == 0, by_profile.output
    assert smtp_server.messages[0].login == user
    assert without.exit_code == EX_NO_PERMISSION
    assert f"keyring set pillarbox {user}" in without.stderr


def test_json_tells_each_recipient(smtp_server: SmtpServer) -> None:
    """Programs read what became of it; the exit code says that somebody has it not."""
    smtp_server.fail("rcpt", "450 4.2.1 Busy", only="busy@example.net")

    result = send(*TO, "--to", "busy@example.net", "--text", "x", "--json")

    told = json.loads(result.stdout)
    assert result.exit_code == EX_TRY_LATER
    assert [(one["address"], one["state"]) for one in told["recipients"]] == [
        ("ann@example.net", "accepted"),
        ("busy@example.net", "refused"),
    ]
    assert told["recipients"][1]["enhanced_code"] == "4.2.1"
    assert told["recipients"][1]["transient"] is True
    assert told["tls"].startswith("TLSv1.3")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--text", "x"), EX_USAGE, "nobody is named"),
        ((*TO, "--user", "x", "--text", "x"), EX_USAGE, "go with --server"),
        ((*TO, "--eml", "-", "--subject", "x"), EX_USAGE, "leave out --subject"),
        ((*TO, "--text", "x", "--text-file", "/nowhere"), EX_USAGE, "--text or --text-file"),
        ((*TO, "--text", "x", "--header", "X-A: 1", "--header", "x-a: 2"), EX_USAGE, "x-a twice"),
        ((*TO, "--text", "x", "--server", ""), EX_USAGE, "--server names none"),
        ((*TO, "--text", "x", "--profile", ""), EX_USAGE, "--profile names none"),
        ((*TO, "--profile", "main", "--server", "smtp://127.0.0.1:1"), EX_USAGE, "or --server"),
        (("--to", "a@b\nBcc: c@d", "--text", "x"), EX_DATA, "control character"),
        ((*TO, "--header", "X: a\nBcc: c@d", "--text", "x"), EX_DATA, "control character"),
        ((*TO, "--text", "x", "--attach", "/nowhere"), EX_NO_INPUT, "/nowhere: No such file"),
        ((*TO, "--text", "x", "--profile", "other"), EX_CONFIG, "there is no profile 'other'"),
        ((*TO, "--text", "x", "--server", "smtp://127.0.0.1:1"), EX_TRY_LATER, "127.0.0.1:1"),
    ],
)
def test_failure_says_what_to_do(
    smtp_server: SmtpServer, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """One line and an exit code; nothing is sent."""
    result = send("--from", "app@example.com", *arguments)

    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert smtp_server.messages == []


def test_refusals_have_their_codes(smtp_server: SmtpServer, profiles: Profiles) -> None:
    """By a wrong password, and by the server for good."""
    smtp_server.fail("content", "554 5.6.0 Spam")
    assert send(*TO, "--text", "x").exit_code == EX_UNAVAILABLE
    profiles.password.write_text("wrong\n")
    assert send(*TO, "--text", "x").exit_code == EX_NO_PERMISSION


def test_transcript_and_dry_run_show_no_password(smtp_server: SmtpServer) -> None:
    """What would be sent, and what was said."""
    dry = send(*TO, "--subject", "Dry", "--text", "x", "--dry-run")
    assert "Subject: Dry" in dry.stdout
    assert smtp_server.connections == 0

    said = send(*TO, "--text", "x", "--transcript")

    assert "C: RCPT TO:<ann@example.net>" in said.stderr
    assert smtp_server.password not in said.output


def find(*arguments: str, stdin: str = "") -> Result:
    """`pillarbox find` for a provider in the table; nobody is asked."""
    return CliRunner().invoke(root, ["find", *arguments, "--offline"], input=stdin)


@pytest.mark.parametrize("option", ["--password-file", "--client-id", "--key-file"])
def test_what_is_for_a_profile_needs_one(option: str) -> None:
    """It would be read by nobody."""
    result = find("ann@mailbox.org", option, "x")

    assert result.exit_code == EX_USAGE
    assert "--save" in result.stderr


def test_find_makes_a_profile(profiles: Profiles) -> None:
    """Behind those that are there, with its password in a file for this user alone."""
    result = find("ann@mailbox.org", "--save", "mine", "--password-file", "-", stdin="secret\n")

    assert result.exit_code == 0, result.output
    made = load_profile("mine", file=str(profiles.file))
    assert made.server.endswith("://smtp.mailbox.org:465")
    assert (made.username, made.sender) == ("ann@mailbox.org", "ann@mailbox.org")
    assert read_password(made) == "secret"
    assert load_profile("main", file=str(profiles.file)).sender == "app@example.com"
    assert {path.stat().st_mode & 0o777 for path in profiles.folder.glob("*.password")} == {0o600}


@pytest.mark.parametrize(
    ("address", "arguments", "written", "told"),
    [
        (
            "app@outlook.com",
            ("--client-id", "id-1"),
            {"auth": "microsoft", "client_id": "id-1", "token_file": "mine.token"},
            "Try it: pillarbox send --profile mine --check",
        ),
        (
            "app@gmail.com",
            ("--client-id", "id-1", "--secret-file", "/s"),
            {"auth": "google", "secret_file": "/s", "token_file": "mine.token"},
            "Its refresh token is still missing: (umask 077; cat > ",
        ),
        (
            "app@gmail.com",
            ("--key-file", "/key.json"),
            {"auth": "google", "key_file": "/key.json", "token_file": ""},
            "Try it: ",
        ),
    ],
)
def test_find_makes_a_profile_with_oauth2(
    profiles: Profiles, address: str, arguments: tuple[str, ...], written: dict[str, str], told: str
) -> None:
    """With what it takes to get a token; what is still missing is said."""
    result = find(address, "--save", "mine", *arguments)

    assert result.exit_code == 0, result.output
    made = load_profile("mine", file=str(profiles.file))
    assert made.username == address
    for key, value in written.items():
        assert getattr(made, key).endswith(value)
    assert bool(made.token_file) is bool(written.get("token_file", ""))
    assert told in result.stderr


def test_login_can_be_tried_alone(smtp_server: SmtpServer) -> None:
    """It says as whom and how; nothing is sent."""
    result = send("--check")

    assert result.exit_code == 0, result.output
    assert f"logged in as {smtp_server.username}, TLSv1." in result.stdout
    assert smtp_server.messages == []


def test_trial_of_a_login_is_shown_and_told_to_programs(
    smtp_server: SmtpServer, profiles: Profiles
) -> None:
    """As a message is: JSON, and what was said; without a login it claims none."""
    result = send("--check", "--transcript", "--json")
    profiles.write(username=None, password_file=None)
    without = send("--check")

    told = json.loads(result.stdout)
    assert told["username"] == smtp_server.username
    assert told["tls"].startswith("TLSv1.")
    assert "C: EHLO" in result.stderr
    assert smtp_server.password not in result.output
    assert "connected, without a login" in without.stdout


def test_first_profile_is_the_default_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folder and file are made; where no password is given its place is told."""
    file = tmp_path / "new" / "client.toml"
    monkeypatch.setenv(FILE_VARIABLE, str(file))

    result = find("ann@mailbox.org", "--save")

    assert load_profile(file=str(file)).name == "default"
    assert "Its password is still missing: (umask 077; cat > " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("ann@mailbox.org", "--save", "main"), EX_CONFIG, "there is a profile 'main' already"),
        (("mailbox.org", "--save", "x"), EX_USAGE, "needs an ADDRESS"),
        (("ann@mailbox.org", "--save", "a.b"), EX_USAGE, "no name of a profile"),
        (("ann@outlook.com", "--save", "x"), EX_UNAVAILABLE, "only OAuth2: add --client-id"),
        (
            ("ann@mailbox.org", "--save", "x", "--client-id", "id"),
            EX_UNAVAILABLE,
            "OAuth2 of Microsoft and Google alone",
        ),
    ],
)
def test_profile_that_can_not_be_made_changes_nothing(
    profiles: Profiles, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """The file stays as it was."""
    before = profiles.file.read_bytes()

    result = find(*arguments)

    assert (result.exit_code, words in result.stderr) == (code, True), result.stderr
    assert profiles.file.read_bytes() == before
