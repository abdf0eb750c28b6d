"""The sendmail program (pillarbox.sendmail.program) against a real server."""

import subprocess
import sys
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from tests.support.profiles import Profiles

from pillarbox.testing import SmtpServer

Sendmail = Callable[..., int]

LETTER = "Subject: Report\nTo: boss@example.org\n\nAll is well.\n"
EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE = 0, 64, 65, 67, 69
EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 75, 77, 78

pytestmark = pytest.mark.usefixtures("profiles")


def test_message_goes_to_who_is_named(sendmail: Sendmail, smtp_server: SmtpServer) -> None:
    """By the profile, with its login, and with the fields that were missing."""
    assert sendmail("ann@example.org", "bob@example.org", stdin=LETTER) == EX_OK

    message = smtp_server.wait_for(subject="Report")
    assert message.recipients == ("ann@example.org", "bob@example.org")
    assert (message.sender, message.login) == ("app@example.com", smtp_server.username)
    assert message.message["From"] == "app@example.com"
    assert parsedate_to_datetime(str(message.message["Date"])).tzinfo is not None
    assert str(message.message["Message-ID"]).endswith("@example.com>")
    assert message.text.strip() == "All is well."


def test_recipients_may_stand_in_any_form(sendmail: Sendmail, smtp_server: SmtpServer) -> None:
    """In brackets, with a name, several in one argument."""
    words = ("<ann@example.org>", "Bob B <bob@example.org>, c@example.org", "ann@example.org")

    assert sendmail(*words, stdin=LETTER) == EX_OK

    recipients = smtp_server.wait_for_count(1)[0].recipients
    assert recipients == ("ann@example.org", "bob@example.org", "c@example.org")


def test_header_names_recipients_and_bcc_stays_hidden(
    sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """-t takes To, Cc and Bcc, folded, with names, comments and groups, and what is named too."""
    letter = (
        'To: "Doe, Ann" <ann@example.org>,\n bob@example.org (Bob, he)\n'
        "cc: team: c@example.org, d@example.org;\n"
        "Bcc: hidden@example.org,\n\tmore@example.org\n"
        "Subject: Report\n\nBcc: no field\n"
    )

    assert sendmail("-t", "-i", "named@example.org", stdin=letter) == EX_OK

    message = smtp_server.wait_for(subject="Report")
    assert message.recipients == (
        *("named@example.org", "ann@example.org", "bob@example.org", "c@example.org"),
        *("d@example.org", "hidden@example.org", "more@example.org"),
    )
    assert b"hidden" not in message.raw
    assert b"more@" not in message.raw
    assert message.raw.endswith(b"\r\n\r\nBcc: no field\r\n")


def test_resent_fields_go_before_the_others(sendmail: Sendmail, smtp_server: SmtpServer) -> None:
    """RFC 5322 section 3.6.6: who resends does not write to the first recipients again."""
    letter = "Resent-To: new@example.org\nResent-Bcc: hidden@example.org\n" + LETTER

    assert sendmail("-t", stdin=letter) == EX_OK

    message = smtp_server.wait_for(subject="Report")
    assert message.recipients == ("new@example.org", "hidden@example.org")
    assert b"hidden" not in message.raw


def test_sender_and_name_can_be_set(sendmail: Sendmail, smtp_server: SmtpServer) -> None:
    """-f is the reverse-path, -F the name in a From that is added."""
    assert sendmail("-fdevice@example.com", "-F", "Jörg", "a@example.org", stdin="hello\n") == EX_OK

    message = smtp_server.wait_for_count(1)[0]
    assert message.sender == "device@example.com"
    assert message.message["From"] == "Jörg <device@example.com>"
    assert message.text.strip() == "hello"


def test_name_that_is_no_utf8_is_no_reason_to_lose_a_message(
    sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """Arguments are octets, which Python gives as half surrogate pairs."""
    assert sendmail("-F", "J\udcf6rg", "a@example.org", stdin="hello\n") == EX_OK

    assert smtp_server.wait_for_count(1)[0].message["From"] == "J\ufffdrg <app@example.com>"


def test_what_is_added_needs_no_smtputf8(sendmail: Sendmail, smtp_server: SmtpServer) -> None:
    """A sender in a domain beyond ASCII can send by any server."""
    assert sendmail("-f", "app@bücher.example", "a@example.org", stdin=LETTER) == EX_OK

    [message] = smtp_server.wait_for_count(1)
    assert message.raw.isascii()
    assert message.message["From"] == "app@xn--bcher-kva.example"
    assert message.message["Message-ID"].endswith("@xn--bcher-kva.example>")


def test_null_sender_stays_null(sendmail: Sendmail, smtp_server: SmtpServer) -> None:
    """A report of a failure must not come back itself."""
    assert sendmail("-f", "<>", "a@example.org", stdin=LETTER) == EX_OK

    assert smtp_server.wait_for_count(1)[0].sender == ""


def test_names_without_a_domain_go_where_the_profile_says(
    profiles: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As cron mails to root; a sender without a domain is the profile's."""
    assert sendmail("-froot", "root", stdin=LETTER) == EX_NOUSER
    assert "local_recipient names who gets such mail" in capsys.readouterr().err

    profiles.write(local_recipient="admin@example.org")
    assert sendmail("-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-froot", "-t", stdin=LETTER) == 0
    assert sendmail("root", stdin=LETTER) == EX_OK

    first, second = smtp_server.messages
    assert (first.sender, first.recipients) == ("app@example.com", ("boss@example.org",))
    assert second.recipients == ("admin@example.org",)


@pytest.mark.parametrize(
    ("option", "end"), [("-v", b"one\r\n"), ("-i", b".\r\ntwo\r\n"), ("-oi", b".\r\ntwo\r\n")]
)
def test_dot_alone_ends_the_message_unless_told_otherwise(
    sendmail: Sendmail, smtp_server: SmtpServer, option: str, end: bytes
) -> None:
    """-i and -oi are for programs, which do not type."""
    assert sendmail(option, "a@example.org", stdin=f"{LETTER}one\n.\ntwo\n") == EX_OK

    assert smtp_server.wait_for_count(1)[0].raw.endswith(end)


IGNORED = (
    *("-Am", "-B8BITMIME", "-C/x", "-d0.1", "-G", "-h5", "-Ltag", "-m", "-n", "-O", "Timeout=1"),
    *("-oee", "-pSMTP", "-U", "-v", "-X/dev/null", "-bm", "-x", "-s", "-c", "-Mid", "-Qx", "-tv"),
)


def test_options_of_others_are_taken_and_ignored(
    sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """Programs name what their sendmail knew."""
    assert sendmail(*IGNORED, stdin=LETTER) == EX_OK

    assert smtp_server.wait_for_count(1)[0].recipients == ("boss@example.org",)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), EX_USAGE, "no recipients"),
        (("-f",), EX_USAGE, "-f needs an argument"),
        (("-bd",), EX_USAGE, "this is no server"),
        (("-qI",), EX_USAGE, "-qI needs the id"),
        (("--profile=", "a@b.example"), EX_USAGE, "--profile= names none"),
        (("-R", "body", "a@b.example"), EX_USAGE, "-R body: write full or hdrs"),
        (("-Z", "a@b.example"), EX_USAGE, "there is no such option"),
        (("a@example.org\nBcc: x@example.org",), EX_DATAERR, "control character"),
        (("-F", "A\nBcc: x@example.org", "a@example.org"), EX_DATAERR, "control character"),
        (("not an address@",), EX_DATAERR, "not an address@"),
    ],
)
def test_wrong_call_has_its_code(
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    """And one line; nothing is sent."""
    assert sendmail(*arguments, stdin=LETTER) == code

    assert words in capsys.readouterr().err
    assert smtp_server.messages == []


def test_help_needs_no_profile(
    sendmail: Sendmail, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what a person asks for first. The command that makes a profile stands in it."""
    monkeypatch.setenv("PILLARBOX_CLIENT_CONFIG", "/nowhere/client.toml")

    assert sendmail("--help") == EX_OK

    shown = capsys.readouterr().out
    assert "sendmail -t < message" in shown
    assert "pillarbox find ADDRESS --save" in shown


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("550 5.1.1 No such user", EX_NOUSER),
        ("550 5.7.1 Not allowed", EX_NOPERM),
        ("552 5.2.2 Full", EX_UNAVAILABLE),
        ("450 4.2.1 Busy", EX_TEMPFAIL),
    ],
)
def test_refusal_has_its_code(
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
    reply: str,
    code: int,
) -> None:
    """One recipient is refused, the other is served; the words of the server are told."""
    smtp_server.fail("rcpt", reply, only="gone@example.org")

    assert sendmail("gone@example.org", "b@example.org", stdin=LETTER) == code

    assert smtp_server.wait_for_count(1)[0].recipients == ("b@example.org",)
    assert f"gone@example.org: refused, {reply}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stage", "reply", "code"),
    [
        ("mail", "550 5.7.1 Not your address", EX_NOPERM),
        ("mail", "450 4.3.2 Not now", EX_TEMPFAIL),
        ("content", "554 5.6.0 Spam", EX_UNAVAILABLE),
        ("connect", "554 5.7.1 Go away", EX_TEMPFAIL),
    ],
)
def test_refusal_of_the_whole_message_has_its_code(
    sendmail: Sendmail, smtp_server: SmtpServer, stage: str, reply: str, code: int
) -> None:
    """What is refused for good by the message is final; what is refused by the session is not."""
    smtp_server.fail(stage, reply, times=None)

    assert sendmail("a@example.org", stdin=LETTER) == code


def test_failures_before_the_message_have_their_codes(
    profiles: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong password, an authority that nobody trusts, nobody at the port, no profile."""
    profiles.password.write_text("wrong\n")
    assert sendmail("a@example.org", stdin=LETTER) == EX_NOPERM
    profiles.write(ca_file=None)
    assert sendmail("a@example.org", stdin=LETTER) == EX_CONFIG
    assert "Set ca_file in the profile to the certificate" in capsys.readouterr().err
    profiles.write(server="smtp://127.0.0.1:1")
    assert sendmail("a@example.org", stdin=LETTER) == EX_TEMPFAIL
    assert sendmail("--profile=other", "a@example.org", stdin=LETTER) == EX_CONFIG

    assert smtp_server.messages == []


def test_program_speaks_smtp_on_its_pipes(smtp_server: SmtpServer) -> None:
    """-bs, as a process; what the server refuses is refused inside."""
    smtp_server.fail("rcpt", "550 5.1.1 No such user", only="gone@example.org")
    content = LETTER.replace("\n", "\r\n") + ".\r\n"
    rounds = ["EHLO me\r\n"]
    for recipient in ("b@example.org", "gone@example.org"):
        rounds += ["MAIL FROM:<a@example.com>\r\n", f"RCPT TO:<{recipient}>\r\n", "DATA\r\n"]
        rounds.append(content)
    rounds.append("QUIT\r\n")
    program = Path(sys.executable).with_name("pillarbox-sendmail")
    with subprocess.Popen(
        [program, "-bs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = [process.stdout.readline()]
        for words in rounds:
            process.stdin.write(words.encode())
            process.stdin.flush()
            said.append(process.stdout.readline())
            while said[-1][3:4] == b"-":
                said[-1] = process.stdout.readline()

    assert process.returncode == EX_OK
    assert [line[:9].decode() for line in said] == [
        *("220 local", "250 LIMIT", "250 2.1.0", "250 2.1.5", "354 Start", "250 2.0.0"),
        *("250 2.1.0", "250 2.1.5", "354 Start", "554 5.1.1", "221 2.0.0"),
    ]
    assert [message.sender for message in smtp_server.messages] == ["a@example.com"]


def test_dsn_is_asked_for(sendmail: Sendmail, smtp_server: SmtpServer) -> None:
    """-N, -R and -V, as sendmail has them."""
    arguments = ("-N", "success,failure", "-R", "hdrs", "-V", "id7", "a@example.org")

    assert sendmail(*arguments, stdin=LETTER) == EX_OK

    message = smtp_server.wait_for_count(1)[0]
    assert message.envelope is not None
    assert (message.envelope.ret, message.envelope.envid) == ("HDRS", "id7")
    assert message.envelope_recipients[0].notify == 3


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        ("main.password", 0o644, "others may read it (hint: chmod go="),
        ("client.toml", 0o622, "others may change it (hint: chmod go-w"),
    ],
)
def test_files_that_others_can_reach_are_not_used(
    profiles: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
    name: str,
    mode: int,
    words: str,
) -> None:
    """Before anything is sent."""
    (profiles.folder / name).chmod(mode)

    assert sendmail("a@example.org", stdin=LETTER) == EX_CONFIG

    assert words in capsys.readouterr().err
    assert smtp_server.connections == 0


def test_octets_of_a_message_stay_as_they_are(sendmail: Sendmail, smtp_server: SmtpServer) -> None:
    """Whatever their charset; the lines of SMTP end in CRLF."""
    letter = (
        b"From: a@example.com\r\nDate: Thu, 26 Nov 2026 00:00:00 +0000\r\nMessage-ID: <x@y>\r\n"
        b"Content-Type: text/plain; charset=iso-8859-1\r\nSubject: x\r\n\r\nGr\xfc\xdfe\r\n.x\r\n"
    )

    assert sendmail("-i", "a@example.org", stdin=letter) == EX_OK

    assert smtp_server.wait_for_count(1)[0].raw == letter
