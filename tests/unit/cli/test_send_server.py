"""`pillarbox send --server`: what the options lack is said by their names."""

import pytest
from click.testing import CliRunner

from pillarbox.cli.root import root

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
