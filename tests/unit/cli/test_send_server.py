"""`pillarbox send --server`: what the options lack is said by their names."""

import json

import pytest
from click.testing import CliRunner

from pillarbox.cli.root import root
from pillarbox.testing.smtp_server import SmtpServer

EX_USAGE = 64
EX_NO_INPUT = 66
LETTER = ("send", "--server", "smtp://127.0.0.1:1", "--to", "a@example.org", "--text", "x")
FROM = ("--from", "b@example.org")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), EX_USAGE, "nobody is named as sender: add --from ADDRESS"),
        ((*FROM, "--password-file", "x"), EX_USAGE, "a password needs --user"),
        ((*FROM, "--keyring"), EX_USAGE, "a password needs --user"),
        (
            (*FROM, "--user", "u", "--password-env", "NOT_THERE"),
            EX_USAGE,
            "the variable NOT_THERE (--password-env) is not set",
        ),
        (
            (*FROM, "--user", "u", "--password-file", "/nowhere"),
            EX_NO_INPUT,
            "/nowhere: No such file",
        ),
    ],
)
def test_what_is_missing_is_named(words: tuple[str, ...], code: int, told: str) -> None:
    """No address "" that is none, no password that nobody reads, no profile that there is not."""
    result = CliRunner().invoke(root, [*LETTER, *words])

    assert (result.exit_code, told in result.stderr) == (code, True), result.stderr


def test_json_tells_each_recipient_also_where_nobody_is_reached(
    smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exit code and the line that stand there without --json."""
    smtp_server.fail("rcpt", "550 5.1.1 Unknown", times=4)
    monkeypatch.setenv("MAIL_PASSWORD", smtp_server.password)
    words = [
        *("send", "--server", f"smtps://{smtp_server.host}:{smtp_server.tls_port}"),
        *("--user", smtp_server.username, "--password-env", "MAIL_PASSWORD"),
        *("--ca-file", str(smtp_server.ca_file), "--from", "app@example.com", "--text", "x"),
        *("--to", "ann@example.net", "--to", "bob@example.net"),
    ]

    plain = CliRunner().invoke(root, words)
    result = CliRunner().invoke(root, [*words, "--json"])

    told = json.loads(result.stdout)
    assert [(one["address"], one["state"], one["code"]) for one in told["recipients"]] == [
        ("ann@example.net", "refused", 550),
        ("bob@example.net", "refused", 550),
    ]
    assert plain.exit_code != 0
    assert (result.exit_code, result.stderr) == (plain.exit_code, plain.stderr)
