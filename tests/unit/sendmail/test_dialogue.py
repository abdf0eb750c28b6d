"""`sendmail -bs` where one message has several recipients and not all of them are served."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.profiles import Profiles

from pillarbox.sendmail.spool import Spool
from pillarbox.testing import SmtpServer

LETTER = "Subject: Report\r\n\r\nAll is well.\r\n"
TEXT = "550 5.1.1 No such user"


def speak(*recipients: str, parameters: str = "", tracing: Sequence[str] = ()) -> str:
    """Send one message to these; gives the answer to its content."""
    rounds = ["EHLO me\r\n", f"MAIL FROM:<a@example.com>{parameters}\r\n"]
    rounds += [f"RCPT TO:<{recipient}>\r\n" for recipient in recipients]
    rounds += ["DATA\r\n", f"{LETTER}.\r\n"]
    program = Path(sys.executable).with_name("pillarbox-sendmail")
    with subprocess.Popen(
        [*tracing, program, "-bs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = process.stdout.readline()
        for words in rounds:
            process.stdin.write(words)
            process.stdin.flush()
            said = process.stdout.readline()
            while said[3] == "-":
                said = process.stdout.readline()
        process.stdin.close()
    return said


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize("takes_null", [True, False])
def test_who_was_served_gets_no_copy_and_the_sender_learns_of_the_others(
    smtp_server: SmtpServer, takes_null: bool
) -> None:
    """The one answer is yes, since a caller that is told no sends all of it again."""
    smtp_server.fail("rcpt", TEXT, only="gone@example.org")
    if not takes_null:
        smtp_server.fail("mail", "550 5.7.60 Not as this sender", skip=1)

    said = speak("b@example.org", "gone@example.org")

    assert said == "250 2.0.0 Sent, but not to all: gone@example.org\n"
    letter, notice = smtp_server.wait_for_count(2)
    assert letter.recipients == ("b@example.org",)
    assert notice.sender == ("" if takes_null else "a@example.com")
    assert notice.recipients == ("a@example.com",)
    text = notice.raw.decode()
    assert "    gone@example.org\r\n" in text
    assert "550 5.1.1 No such user" in text
    assert "> Subject: Report\r\n" in text


def test_with_a_spool_some_wait_and_who_was_refused_is_set_aside(
    profiles: Profiles, smtp_server: SmtpServer
) -> None:
    """One is asked to come later, one is refused: the caller is told yes, and nothing is lost."""
    profiles.write(spool=str(profiles.spool))
    smtp_server.fail("rcpt", "451 4.2.1 Later", only="later@example.org")
    smtp_server.fail("rcpt", TEXT, only="gone@example.org")

    said = speak("later@example.org", "gone@example.org")

    assert said == "250 2.0.0 Kept, and sent later, but not to all: gone@example.org\n"
    spool = Spool(str(profiles.spool))
    assert [one.recipients for one in spool.waiting()] == [("later@example.org",)]
    assert [one.recipients for one in spool.failed()] == [("gone@example.org",)]
    assert [one.recipients for one in smtp_server.wait_for_count(1)] == [("a@example.com",)]


def test_what_was_refused_never_stands_among_what_waits(
    profiles: Profiles, smtp_server: SmtpServer
) -> None:
    """Not even for a moment: a `sendmail -q` that looks just then would send it again."""
    profiles.write(spool=str(profiles.spool))
    smtp_server.fail("rcpt", TEXT, only="gone@example.org")
    trace = profiles.folder / "trace"
    calls = "trace=rename,renameat,renameat2,link,linkat"

    said = speak(
        "b@example.org", "gone@example.org", tracing=("strace", "-e", calls, "-o", str(trace))
    )

    assert said.startswith("250 ")
    [aside] = Spool(str(profiles.spool)).failed()
    steps = [line for line in trace.read_text().splitlines() if str(profiles.spool) in line]
    assert len(steps) == 2
    assert all(f"failed/{aside.id}" in line for line in steps)


@pytest.mark.usefixtures("profiles")
def test_the_id_of_an_envelope_goes_on_as_it_is(smtp_server: SmtpServer) -> None:
    """It is encoded once (RFC 3461 section 4), or the report has an id that nobody knows."""
    assert speak("b@example.org", parameters=" ENVID=a+2Bb+3Dc").startswith("250 ")

    [message] = smtp_server.wait_for_count(1)
    assert message.envelope is not None
    assert message.envelope.envid == "a+2Bb+3Dc"


@pytest.mark.usefixtures("profiles")
def test_caller_may_say_all_at_once(smtp_server: SmtpServer, tmp_path: Path) -> None:
    """A script in a file or a pipe waits for no answer, not to EHLO and DATA either: nobody else
    can have slipped in what stands behind them."""
    mail = "MAIL FROM:<a@example.com>\r\nRCPT TO:<{}@example.org>\r\nDATA\r\n" + LETTER + ".\r\n"
    large = "x" * 70 + "\r\n"
    script = tmp_path / "script"
    empty, third = mail.replace(LETTER, ""), mail.replace(LETTER, LETTER + large * 3000)
    script.write_text(
        f"EHLO me\r\n{empty.format('empty')}{mail.format('b')}RSET\r\nHELO me\r\n"
        f"{third.format('c')}QUIT\r\n",
        newline="",
    )
    program = Path(sys.executable).with_name("pillarbox-sendmail")
    with script.open("rb") as lines:
        said = subprocess.run(
            [program, "-bs"], stdin=lines, capture_output=True, text=True, check=True
        ).stdout

    codes = [line[:3] for line in said.splitlines() if line[3:4] == " "]
    taken = ["250", "250", "354", "250"]
    assert codes == ["220", "250", *taken, *taken, "250", "250", *taken, "221"]
    letters = smtp_server.wait_for_count(3)
    assert [one.recipients[0][:1] for one in letters] == ["e", "b", "c"]
    assert len(letters[2].text) > len(large) * 2900
