"""The spool of the sendmail program (pillarbox.sendmail.spool): nothing is lost, nothing twice."""

import fcntl
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.profiles import Profiles

from pillarbox.sendmail.program import run
from pillarbox.sendmail.spool import Mail, Spool
from pillarbox.testing import SmtpServer

Sendmail = Callable[..., int]

LETTER = "Subject: Report\nTo: boss@example.org\n\nAll is well.\n"
EX_OK, EX_DATAERR, EX_NOUSER, EX_TEMPFAIL, EX_CONFIG = 0, 65, 67, 75, 78
DAY = 86_400


@pytest.fixture
def spooling(profiles: Profiles) -> Profiles:
    """The profile with a spool."""
    profiles.write(spool=str(profiles.spool))
    return profiles


def waiting(profiles: Profiles) -> list[Mail]:
    """What waits in the spool."""
    return Spool(str(profiles.spool)).waiting()


def failed(profiles: Profiles) -> list[Mail]:
    """What was set aside."""
    return Spool(str(profiles.spool)).failed()


def test_mail_waits_for_the_network(
    spooling: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The caller may forget it; -bp shows it, -q sends it once, with the Message-ID that it had."""
    spooling.write(spool=str(spooling.spool), server="smtp://127.0.0.1:1")
    assert sendmail("-t", stdin=LETTER) == EX_OK
    [mail] = waiting(spooling)
    assert sendmail("-bp") == EX_OK
    shown = capsys.readouterr().out

    spooling.write(spool=str(spooling.spool))
    assert sendmail("-q") == EX_OK
    assert sendmail("-q") == EX_OK

    assert mail.id in shown
    assert "boss@example.org" in shown
    assert "127.0.0.1:1" in shown
    [message] = smtp_server.messages
    assert message.message["Message-ID"] == f"<{mail.id}@example.com>"
    assert waiting(spooling) == []


@pytest.mark.usefixtures("spooling")
def test_spool_is_shown_in_any_charset(sendmail: Sendmail, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address may have what the terminal has not, and octets that are no UTF-8."""
    assert sendmail("-odq", "jörg@example.org", "j\udcf6@example.org", stdin=LETTER) == EX_OK
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)

    assert sendmail("-bp") == EX_OK

    out.seek(0)
    assert "    j\\xf6rg@example.org\n    j\\udcf6@example.org\n" in out.read()


def test_program_goes_by_its_name(
    spooling: Profiles, sendmail: Sendmail, capsys: pytest.CaptureFixture[str]
) -> None:
    """mailq is -bp, and newaliases has nothing to do, with or without a profile."""
    assert sendmail("-odq", "a@example.org", stdin=LETTER) == EX_OK

    assert run([], program="mailq") == EX_OK
    spooling.file.unlink()
    assert run([], program="newaliases") == EX_OK

    assert waiting(spooling)[0].id in capsys.readouterr().out


def test_only_who_has_it_not_gets_it_again(
    spooling: Profiles, sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """One recipient was busy, one refused, one served."""
    smtp_server.fail("rcpt", "450 4.2.1 Busy", only="busy@example.org")
    smtp_server.fail("rcpt", "550 5.1.1 Gone", only="gone@example.org")

    code = sendmail("a@example.org", "busy@example.org", "gone@example.org", stdin=LETTER)

    assert code == EX_NOUSER
    assert [mail.recipients for mail in waiting(spooling)] == [("busy@example.org",)]
    assert sendmail("-q") == EX_OK
    assert [message.recipients for message in smtp_server.messages] == [
        ("a@example.org",),
        ("busy@example.org",),
    ]


def test_refusal_from_the_spool_is_kept_aside_and_told(
    spooling: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its caller has long gone. -qI sends it again when somebody has mended the reason."""
    smtp_server.fail("rcpt", "550 5.1.1 Gone", only="gone@example.org")
    assert sendmail("-odq", "gone@example.org", "a@example.org", stdin=LETTER) == EX_OK
    assert smtp_server.messages == []

    assert sendmail("-q") == EX_NOUSER

    assert "gone@example.org: refused, 550 5.1.1 Gone" in capsys.readouterr().err
    assert waiting(spooling) == []
    [aside] = failed(spooling)
    assert aside.recipients == ("gone@example.org",)
    assert sendmail("-q") == EX_OK
    assert sendmail("-bp") == EX_OK
    assert "refused for good" in capsys.readouterr().out
    assert sendmail("-qI", "nowhere") == EX_NOUSER
    assert sendmail(f"-qI{aside.id}") == EX_OK
    assert [message.recipients for message in smtp_server.messages] == [
        ("a@example.org",),
        ("gone@example.org",),
    ]
    assert failed(spooling) == []


def test_one_who_is_refused_does_not_keep_others_waiting(
    spooling: Profiles, sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """From the spool, one refused for good and one busy: two ways for one message."""
    smtp_server.fail("rcpt", "550 5.1.1 Gone", only="gone@example.org")
    smtp_server.fail("rcpt", "450 4.2.1 Busy", only="busy@example.org")
    assert sendmail("-odq", "gone@example.org", "busy@example.org", stdin=LETTER) == EX_OK

    assert sendmail("-q") == EX_NOUSER

    assert [mail.recipients for mail in failed(spooling)] == [("gone@example.org",)]
    assert [mail.recipients for mail in waiting(spooling)] == [("busy@example.org",)]


@pytest.mark.parametrize("is_queued", [True, False])
def test_address_that_is_none_does_not_keep_it_from_the_others(
    spooling: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
    is_queued: bool,
) -> None:
    """From the spool it is set aside for that one alone, and told; at once the caller is told."""
    smtp_server.fail("rcpt", "450 4.2.1 Busy", only="busy@example.org")
    named = ("a@example.org", "not an address@", "busy@example.org")
    if is_queued:
        assert sendmail("-odq", *named, stdin=LETTER) == EX_OK
        assert sendmail("-q") == EX_DATAERR
    else:
        assert sendmail(*named, stdin=LETTER) == EX_DATAERR

    assert [message.recipients for message in smtp_server.messages] == [("a@example.org",)]
    assert [mail.recipients for mail in waiting(spooling)] == [("busy@example.org",)]
    aside = [("not an address@",)] if is_queued else []
    assert [mail.recipients for mail in failed(spooling)] == aside
    assert "'not an address@' is no address" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "value"),
    [("server", "smtp://mx.test:99999"), ("ca_file", "gone.pem"), ("password_file", "gone.txt")],
)
def test_setting_that_can_not_be_used_keeps_the_mail(
    spooling: Profiles,
    sendmail: Sendmail,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    value: str,
) -> None:
    """A server that is none says nothing about the message: nothing is set aside for it. Who
    watches the program learns that no other try mends it."""
    assert sendmail("-odq", "a@example.org", stdin=LETTER) == EX_OK
    spooling.write(spool=str(spooling.spool), **{setting: value})

    assert sendmail("-q") == EX_CONFIG

    assert value.rpartition(":")[2] in capsys.readouterr().err
    assert len(waiting(spooling)) == 1


def test_wrong_password_keeps_the_mail(
    spooling: Profiles, sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """It says nothing about the message, and somebody will mend it."""
    spooling.password.write_text("wrong\n")
    assert sendmail("a@example.org", stdin=LETTER) == EX_OK
    assert sendmail("-q") == EX_TEMPFAIL

    spooling.password.write_text(smtp_server.password)
    assert sendmail("-q") == EX_OK

    assert len(smtp_server.messages) == 1


def test_mail_of_which_nobody_knows_is_kept(
    spooling: Profiles, sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """The connection ended before the answer: a copy is better than a loss, and has the same
    Message-ID."""
    smtp_server.cut("taken")

    assert sendmail("a@example.org", stdin=LETTER) == EX_OK
    assert len(waiting(spooling)) == 1
    assert sendmail("-q") == EX_OK

    first, second = smtp_server.messages
    assert first.raw == second.raw


def test_mail_is_kept_when_it_is_given_up(
    spooling: Profiles, sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """After five days it is no longer tried, and not thrown away."""
    assert sendmail("-odq", "a@example.org", stdin=LETTER) == EX_OK
    spool = Spool(str(spooling.spool))
    [mail] = spool.waiting()
    spool.update(mail._replace(created=mail.created - 6 * DAY))
    smtp_server.fail("rcpt", "450 4.2.1 Busy")

    assert sendmail("-q") == EX_TEMPFAIL

    assert spool.waiting() == []
    assert [one.recipients for one in spool.failed()] == [("a@example.org",)]


def test_two_do_not_send_at_once(
    spooling: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who finds the lock held leaves the spool to the other."""
    assert sendmail("-odq", "a@example.org", stdin=LETTER) == EX_OK
    with (spooling.spool / "lock").open("w") as lock:
        (spooling.spool / "lock").chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert sendmail("-q") == EX_OK

        assert "another process" in capsys.readouterr().err
        assert smtp_server.messages == []
    assert sendmail("-q") == EX_OK
    assert len(smtp_server.messages) == 1


def test_message_is_whole_before_it_counts(spooling: Profiles) -> None:
    """The content is synced and named, the folder is synced, then the envelope; and so are the
    folders that had to be made."""
    trace = spooling.folder / "trace"
    program = Path(sys.executable).with_name("pillarbox-sendmail")
    calls = "trace=mkdir,fsync,rename,renameat,renameat2"
    command = ["strace", "-y", "-e", calls, "-o", str(trace), str(program), "-odq", "a@example.org"]
    subprocess.run(command, input=LETTER, text=True, check=True, timeout=60)

    steps: list[str] = []
    for line in trace.read_text().splitlines():
        call, _, rest = line.partition("(")
        if str(spooling.spool) in rest or (steps and f"<{spooling.folder}>" in rest):
            kind = "content" if ".content" in rest else "mail" if ".mail" in rest else "folder"
            steps.append(f"{call[:6]} {kind}")
    assert steps == [
        *("mkdir folder", "fsync folder", "mkdir folder", "fsync folder"),
        *("fsync content", "rename content", "fsync folder"),
        *("fsync mail", "rename mail", "fsync folder"),
    ]
    assert [mail.recipients for mail in waiting(spooling)] == [("a@example.org",)]


def test_content_without_an_envelope_does_not_count(
    spooling: Profiles, sendmail: Sendmail, smtp_server: SmtpServer
) -> None:
    """Its writer died, and has told its caller nothing. It is removed when it is a day old."""
    assert sendmail("-odq", "a@example.org", stdin=LETTER) == EX_OK
    names = ("dead.content", "writing.content", "failed/dead.content")
    for name, age in zip(names, (2 * DAY, 0, 2 * DAY), strict=True):
        file = spooling.spool / name
        file.write_text(LETTER)
        os.utime(file, (file.stat().st_atime - age, file.stat().st_mtime - age))

    assert sendmail("-q") == EX_OK

    assert len(smtp_server.messages) == 1
    left = sorted(path.name for path in spooling.spool.rglob("*"))
    assert left == ["failed", "lock", "writing.content"]


@pytest.mark.parametrize(
    ("begin", "instead", "told"),
    [
        ("profile main\n", "profile gone\n", "there is no profile 'gone'"),
        ("created ", "x ", "is no envelope of this spool"),
        ("created ", "created x", "is no envelope of this spool"),
    ],
)
def test_one_that_can_not_be_sent_does_not_stop_the_others(
    spooling: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
    begin: str,
    instead: str,
    told: str,
) -> None:
    """Its profile has another name by now, or somebody has written into its envelope."""
    for address in ("first@example.org", "second@example.org"):
        assert sendmail("-odq", address, stdin=LETTER) == EX_OK
    damaged = min(spooling.spool.glob("*.mail"))
    damaged.write_text(damaged.read_text().replace(begin, instead))

    assert sendmail("-q") == EX_CONFIG

    assert [one.recipients for one in smtp_server.messages] == [("second@example.org",)]
    assert told in capsys.readouterr().err
    assert list(spooling.spool.glob("*.mail")) == [damaged]


def test_content_that_is_missing_does_not_stop_the_others(
    spooling: Profiles,
    sendmail: Sendmail,
    smtp_server: SmtpServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Somebody has removed the file; the one behind it goes."""
    for address in ("first@example.org", "second@example.org"):
        assert sendmail("-odq", address, stdin=LETTER) == EX_OK
    min(spooling.spool.glob("*.content")).unlink()

    assert sendmail("-q") == EX_CONFIG

    assert [one.recipients for one in smtp_server.messages] == [("second@example.org",)]
    assert ".content is missing" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["", "failed"])
def test_a_damaged_message_is_listed_among_the_others(
    spooling: Profiles, sendmail: Sendmail, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """Wherever it is; its file is named."""
    for address in ("first@example.org", "second@example.org", "third@example.org"):
        assert sendmail("-odq", address, stdin=LETTER) == EX_OK
    spool = Spool(str(spooling.spool))
    _, damaged, last = spool.waiting()
    if place:
        spool.set_aside(damaged)
        spool.set_aside(last)
    file = spooling.spool / place / f"{damaged.id}.mail"
    file.write_bytes(b"\xff\0")

    assert sendmail("-bp") == EX_CONFIG

    told = capsys.readouterr()
    assert f"{damaged.id}  damaged\n" in told.out
    assert "first@example.org" in told.out
    assert "third@example.org" in told.out
    assert str(file) in told.err


def test_spool_is_for_its_user_alone(
    spooling: Profiles, sendmail: Sendmail, capsys: pytest.CaptureFixture[str]
) -> None:
    """Modes are set from the first moment; a folder that others can look into is not used."""
    assert sendmail("-odq", "a@example.org", stdin=LETTER) == EX_OK
    modes = {path.stat().st_mode & 0o077 for path in spooling.spool.rglob("*")}
    assert modes == {0}
    spooling.spool.chmod(0o755)

    assert sendmail("-odq", "a@example.org", stdin=LETTER) == EX_CONFIG

    assert "others may look into" in capsys.readouterr().err
