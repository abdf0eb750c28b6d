"""The sendmail program is killed at every step that its spool takes: what it said to have taken is
there, and nobody who is known to have a message gets it again."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.support.profiles import Profiles

from pillarbox.profiles import FILE_VARIABLE
from pillarbox.sendmail.spool import Spool
from pillarbox.testing import SmtpServer

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1800)]

LETTER = "Subject: Report\n\nAll is well.\n"
PROGRAM = str(Path(sys.executable).with_name("pillarbox-sendmail"))
CALLS = ("mkdir", "fsync", "rename", "link", "unlink")
KILLED = -signal.SIGKILL
OK, BUSY, GONE = "ok@example.org", "busy@example.org", "gone@example.org"


@pytest.fixture
def profiles(tmp_path: Path, smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> Profiles:
    """The profile `main`, with a spool."""
    made = Profiles(tmp_path, smtp_server)
    made.write(spool=str(made.spool))
    monkeypatch.setenv(FILE_VARIABLE, str(made.file))
    return made


def sendmail(*arguments: str, kill: str = "") -> int:
    """The program; it may be killed when it begins a call ("fsync:3", the third of these). Its exit
    code."""
    call, _, number = kill.partition(":")
    inject = f"inject={call}:signal=KILL:when={number}"
    tracing = ["strace", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    done = subprocess.run(
        [*(tracing if kill else []), PROGRAM, *arguments],
        input=LETTER,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode


def kills() -> Generator[str, int, None]:
    """Each call of each kind. It is told how the program ended: where it was not killed, there are
    no more calls of the kind."""
    for call in CALLS:
        for number in itertools.count(1):
            if (yield f"{call}:{number}") != KILLED:
                break


def test_message_is_in_the_spool_or_was_not_taken(
    profiles: Profiles, smtp_server: SmtpServer
) -> None:
    """Whole, and once; where the caller was not told that it is taken either may be."""
    taken = killed = 0
    steps = kills()
    step: str | None = next(steps)
    while step is not None:
        code = sendmail("-odq", OK, kill=step)
        waiting = Spool(str(profiles.spool)).waiting()
        assert code in (0, KILLED)
        assert len(waiting) == 1 or (code == KILLED and not waiting)
        taken += len(waiting)
        killed += code == KILLED
        assert sendmail("-q") == 0
        assert Spool(str(profiles.spool)).waiting() == []
        step = following(steps, code)

    assert [message.text for message in smtp_server.messages] == ["All is well.\n"] * taken
    assert killed >= 6


def following(steps: Generator[str, int, None], code: int) -> str | None:
    """The next step; None behind the last one."""
    try:
        return steps.send(code)
    except StopIteration:
        return None


def test_nobody_who_is_known_to_have_it_gets_it_again(
    profiles: Profiles, smtp_server: SmtpServer
) -> None:
    """One recipient is served, one is busy once, one is gone: each kill of -q, then -q again."""
    spool = Spool(str(profiles.spool))
    killed = 0
    steps = kills()
    step: str | None = next(steps)
    while step is not None:
        smtp_server.clear()
        smtp_server.faults.clear()
        smtp_server.fail("rcpt", "450 4.2.1 Busy", only=BUSY)
        smtp_server.fail("rcpt", "550 5.1.1 Gone", only=GONE, times=None)
        assert sendmail("-odq", OK, BUSY, GONE) == 0
        before = len(spool.failed())

        code = sendmail("-q", kill=step)
        known = not any(OK in mail.recipients for mail in spool.waiting())
        while spool.waiting():
            sendmail("-q")

        copies = [m.recipients for m in smtp_server.messages if OK in m.recipients]
        assert len(copies) == 1 if known else len(copies) == 2, step
        assert any(BUSY in message.recipients for message in smtp_server.messages), step
        aside = [address for mail in spool.failed()[before:] for address in mail.recipients]
        assert set(aside) == {GONE}, step
        killed += code == KILLED
        step = following(steps, code)

    assert killed >= 9


def test_what_was_refused_is_set_aside_whole(profiles: Profiles, smtp_server: SmtpServer) -> None:
    """Nobody else waits for it, so all of it moves: each kill of -q on the way, then -q again."""
    smtp_server.fail("rcpt", "550 5.1.1 Gone", only=GONE, times=None)
    spool = Spool(str(profiles.spool))
    killed = 0
    steps = kills()
    step: str | None = next(steps)
    while step is not None:
        assert sendmail("-odq", GONE) == 0
        before = {mail.id for mail in spool.failed()}

        code = sendmail("-q", kill=step)
        while spool.waiting():
            sendmail("-q")

        [aside] = [mail for mail in spool.failed() if mail.id not in before]
        assert LETTER.encode() in (profiles.spool / "failed" / f"{aside.id}.content").read_bytes()
        killed += code == KILLED
        step = following(steps, code)

    assert smtp_server.messages == []
    assert killed >= 8
