"""Runs a load: by Postfix's smtp-source where it can do it, by processes of bench.load else.

smtp-source knows neither TLS nor logins nor recipients in several domains, and does not tell how
long a reply took.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any

from bench.dialogue import Script
from bench.load import Task
from bench.profiles import Door, Profile
from tests.e2e.programs import ROOT, program

PROCESSES = 2
"""Of bench.load; one of them can shake hands 1,500 times a second on a slow core."""

LIMIT_SECONDS = 600.0
BUSY = 0.9
"""A generator that computes for more of its time than this may have been what was measured."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who sends."""

    username: str
    password: str


@dataclass(slots=True)
class Loaded:
    """What came of a load. `begun` and `ended` are of the monotonic clock."""

    begun: float
    ended: float
    accepted: int
    busy: float
    """The part of the time for which the busiest process of the generator computed."""
    waits_ms: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    ready: int = 0

    @property
    def was_limit(self) -> bool:
        """Whether the generator may have been slower than the service."""
        return self.busy > BUSY


def run_load(profile: Profile, port: int, login: Login, *, own: bool = False) -> Loaded:
    """Send all messages of a profile; `own` has smtp-source not used where it could be."""
    if profile.door is Door.PLAIN and profile.recipients == 1 and not own:
        return _run_smtp_source(profile, port, login)
    with _processes(_tasks(profile, port, login)) as processes:
        for process in processes:
            _say(process, "go")
        return _sum_up([_result(process) for process in processes])


def _run_smtp_source(profile: Profile, port: int, login: Login) -> Loaded:
    words = ["-s", str(profile.sessions), "-m", str(profile.messages), "-l", str(profile.octets)]
    words += ["-f", login.username, "-t", f"bob@{profile.domain}"]
    if profile.per_session > 1:
        words.append("-d")
    argv = [program("smtp-source", "postfix"), *words, f"127.0.0.1:{port}"]
    begun = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode(errors="replace").strip()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    ended = time.monotonic()
    loaded = Loaded(begun, ended, 0, (usage.ru_utime + usage.ru_stime) / (ended - begun))
    if process.returncode:
        loaded.errors = {said.partition("\n")[0]: 1}
    else:
        loaded.accepted = profile.messages
    return loaded


def _tasks(profile: Profile, port: int, login: Login, *, holds: bool = False) -> list[Task]:
    """The work of each process."""
    names = tuple(
        f"bob@{f'd{number}.' if profile.recipients > 1 else ''}{profile.domain}"
        for number in range(profile.recipients)
    )
    script = Script(
        profile.door,
        login.username,
        login.password,
        per_session=profile.per_session,
        octets=profile.octets,
        recipients=names,
        holds=holds,
    )
    task = Task(port, 0, 0, script)
    messages, sessions = _shares(profile.messages), _shares(profile.sessions)
    return [
        replace(task, messages=count, sessions=open_at_once)
        for count, open_at_once in zip(messages, sessions, strict=True)
    ]


def _shares(number: int) -> list[int]:
    """A number, divided among the processes."""
    return [number // PROCESSES + (place < number % PROCESSES) for place in range(PROCESSES)]


@contextmanager
def _processes(tasks: Sequence[Task]) -> Iterator[list[subprocess.Popen[str]]]:
    """A process for each task, which waits for a line."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.load", json.dumps(asdict(task))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for task in tasks
    ]
    try:
        for process in processes:
            assert _pipe(process.stdout).readline() == "ready\n", "the load generator did not start"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _say(process: subprocess.Popen[str], line: str) -> None:
    stdin = _pipe(process.stdin)
    stdin.write(f"{line}\n")
    stdin.flush()


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(_pipe(process.stdout).readline())
    return said


def _sum_up(results: Sequence[dict[str, Any]]) -> Loaded:
    begun = min(result["begun"] for result in results)
    loaded = Loaded(begun, max(result["ended"] for result in results), 0, 0.0)
    for result in results:
        counts = result["counts"]
        seconds = result["ended"] - result["begun"]
        loaded.busy = max(loaded.busy, result["cpu_seconds"] / seconds)
        loaded.accepted += counts["accepted"]
        loaded.ready += counts["ready"]
        loaded.waits_ms += counts["waits_ms"]
        for error, count in counts["errors"].items():
            loaded.errors[error] = loaded.errors.get(error, 0) + count
    return loaded


class Held:
    """Sessions that stay open: `open` says when they all are, `end` how many still were."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def open(self) -> float:
        """Open them; the seconds that it took."""
        begun = time.monotonic()
        for process in self._processes:
            _say(process, "go")
        for process in self._processes:
            assert _pipe(process.stdout).readline() == "open\n"
        return time.monotonic() - begun

    def end(self) -> Loaded:
        """Close them."""
        for process in self._processes:
            _say(process, "end")
        return _sum_up([_result(process) for process in self._processes])


@contextmanager
def held_sessions(count: int, port: int, login: Login) -> Iterator[Held]:
    """So many TLS sessions that log in and then say nothing."""
    profile = Profile("", "", Door.TLS, count, count)
    with _processes(_tasks(profile, port, login, holds=True)) as processes:
        yield Held(processes)
