"""The log: one structured line for each event, cheap enough for the hot path.

    from pillarbox.observe.log import log
    log.info("session.closed", session_id=text, messages=3)

Lines go through a buffer that a thread writes at latest every 100 ms, so a line costs no system
call and a slow reader of the log never holds up the service. A line below the level is not even
formatted. Fields with the name of a secret are masked. Until `configure` is called lines go
straight to the standard error, for people.
"""

import io
import logging
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeAlias

import orjson

FLUSH_SECONDS = 0.1
"""The longest time that a line waits in the buffer."""

BUFFERED_LINES = 100_000
"""More are dropped and counted: memory is bounded also when nobody reads the log."""

MASK = "[secret]"
SECRET_FIELDS = frozenset(
    {
        "access_token",
        "authorization",
        "client_secret",
        "credentials",
        "database_url",
        "master_key",
        "password",
        "private_key",
        "refresh_token",
        "secret",
        "token",
    }
)

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_Fields: TypeAlias = MutableMapping[str, Any]
_Render: TypeAlias = Callable[[str, str, _Fields], bytes]


class LineWriter:
    """Writes lines to a file descriptor, from a thread of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._wanted = threading.Event()
        self._is_pending = False
        self._is_closed = False
        self._writing = threading.Lock()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Take one line, which ends in a line feed. Can be called from any thread."""
        if len(self._lines) >= BUFFERED_LINES:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._is_pending:
            self._is_pending = True
            self._wanted.set()

    def flush(self) -> None:
        """Write all lines that were taken."""
        with self._writing:
            while self._lines:
                self._write(b"".join([self._lines.popleft() for _ in range(len(self._lines))]))

    def close(self) -> None:
        """Write the rest and end the thread."""
        self._is_closed = True
        self._wanted.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._is_closed:
            self._wanted.wait()
            self._wanted.clear()
            if not self._is_closed:
                time.sleep(FLUSH_SECONDS)
            # Before the lines are taken: one that comes now asks for the next round.
            self._is_pending = False
            self.flush()

    def _write(self, octets: bytes) -> None:
        view = memoryview(octets)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            # Nobody is left to be told that the log is gone.
            self.dropped += octets.count(b"\n") or 1


@lru_cache(2)
def _up_to_second(second: int) -> str:
    """The time as ISO 8601 in UTC, up to the fraction of the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))


def _mask(fields: _Fields) -> None:
    """Replace the values of secret fields."""
    for name in SECRET_FIELDS.intersection(fields):
        fields[name] = MASK


def _explain_error(fields: _Fields) -> None:
    """`exc_info=True` becomes the text of the traceback."""
    error = fields.pop("exc_info", None)
    if error:
        found = error if isinstance(error, BaseException) else sys.exc_info()[1]
        if found is not None:
            fields["traceback"] = "".join(traceback.format_exception(found))


def _json(level: str, event: str, fields: _Fields) -> bytes:
    """A line as JSON: time, level, event, then the fields."""
    if "exc_info" in fields:
        _explain_error(fields)
    if not SECRET_FIELDS.isdisjoint(fields):
        _mask(fields)
    milliseconds = time.time_ns() // 1_000_000
    moment = f"{_up_to_second(milliseconds // 1000)}{milliseconds % 1000:03d}Z"
    line = {"time": moment, "level": level, "event": event, **fields}
    return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)


class _Console:
    """A line for people at a terminal."""

    def __init__(self, *, colours: bool) -> None:
        self._event = ("\x1b[1m", "\x1b[0m") if colours else ("", "")
        self._levels = {"warning": "\x1b[33m", "error": "\x1b[31m"} if colours else {}

    def __call__(self, level: str, event: str, fields: _Fields) -> bytes:
        _explain_error(fields)
        _mask(fields)
        text = io.StringIO()
        milliseconds = time.time_ns() // 1_000_000
        moment = f"{_up_to_second(milliseconds // 1000)[11:]}{milliseconds % 1000:03d}"
        end = "\x1b[0m" if level in self._levels else ""
        bold, plain = self._event
        text.write(f"{moment} {self._levels.get(level, '')}{level:7}{end} ")
        text.write(f"{bold}{event}{plain}")
        trace = fields.pop("traceback", "")
        for name, value in fields.items():
            shown = str(value)
            # Control characters of a peer must not steer the terminal.
            is_plain = shown and " " not in shown and shown.isprintable()
            text.write(f" {name}={shown if is_plain else repr(shown)}")
        text.write(f"\n{trace}".rstrip("\n") + "\n")
        return text.getvalue().encode("utf-8", "backslashreplace")


class _FromLibraries(logging.Handler):
    """Lines of libraries that use the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record on as an event of ours."""
        method = log.error if record.levelno >= logging.ERROR else log.warning
        error = record.exc_info[1] if record.exc_info else None
        method("library.log", library=record.name, text=record.getMessage(), exc_info=error)


def _write_direct(line: bytes) -> None:
    """Before `configure`: no thread, no buffer."""
    sys.stderr.write(line.decode("utf-8", "replace"))


class Log:
    """What the service calls: a method for each level, with the event and its fields.

    `exc_info=True` adds the traceback of the exception at hand, an exception that of its own.
    """

    __slots__ = ("_level", "_render", "_write")

    def __init__(self) -> None:
        self.use("info", _Console(colours=False), _write_direct)

    def use(self, level: str, render: _Render, write: Callable[[bytes], None]) -> None:
        """From now on write what is not below this level in this style."""
        self._level = _LEVELS[level]
        self._render = render
        self._write = write

    def debug(self, event: str, /, **fields: object) -> None:
        """What only somebody wants to know who looks for a fault."""
        if self._level <= logging.DEBUG:
            self._write(self._render("debug", event, fields))

    def info(self, event: str, /, **fields: object) -> None:
        """What happened in the usual course of things."""
        if self._level <= logging.INFO:
            self._write(self._render("info", event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        """What somebody may have to see to."""
        if self._level <= logging.WARNING:
            self._write(self._render("warning", event, fields))

    def error(self, event: str, /, **fields: object) -> None:
        """What failed."""
        self._write(self._render("error", event, fields))

    def exception(self, event: str, /, **fields: object) -> None:
        """What failed by the exception that is being handled."""
        self.error(event, exc_info=True, **fields)

    @contextmanager
    def only_errors(self) -> Iterator[None]:
        """For a command that tells a person by itself what went well and what did not."""
        before, self._level = self._level, max(self._level, logging.ERROR)
        try:
            yield
        finally:
            self._level = before


log = Log()
"""The log of the whole service."""

_writer: LineWriter | None = None


def configure(level: str = "info", style: str = "auto", descriptor: int = 2) -> None:
    """Set level (`debug` … `error`) and style (`json`, `console`, `auto`) of the log.

    Can be called again, for a reload.
    """
    global _writer
    if _writer is None:
        _writer = LineWriter(descriptor)
    is_terminal = os.isatty(descriptor)
    if style == "auto":
        style = "console" if is_terminal else "json"
    log.use(level, _json if style == "json" else _Console(colours=is_terminal), _writer.write)
    handler = _FromLibraries(level=logging.WARNING)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def flush() -> None:
    """Write what waits in the buffer."""
    if _writer is not None:
        _writer.flush()


def close() -> None:
    """Write the rest; lines that come later go straight to the standard error."""
    global _writer
    writer, _writer = _writer, None
    if writer is not None:
        log.use("info", _Console(colours=False), _write_direct)
        writer.close()


def dropped_lines() -> int:
    """Lines that were lost because nobody read the log."""
    return _writer.dropped if _writer is not None else 0
