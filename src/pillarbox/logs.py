"""A handler that mails log records: many in one message, and never a wait for the program.

    handler = MailHandler("smtps://smtp.example.org", auth=("app@example.org", password),
                          sender="app@example.org", to="admin@example.org")
    logging.getLogger().addHandler(handler)

Records go into a bounded queue; a thread collects them for a while and mails them together. While
the server is away they wait, and those for whom there is no room are counted.
docs/client-programs.md.
"""

import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pillarbox.client import Client

BATCH_OCTETS = 1_000_000
RECORD_CHARACTERS = 50_000
"""So much of one record is mailed, and so much in one message."""

FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 900.0
"""Between attempts, while the mail does not go."""

_SUBJECT_CHARACTERS = 120


class MailHandler(logging.Handler):
    """Mails records of `level` (ERROR) and above.

    `server` and `options` are arguments of pillarbox.connect, or `client` is a client of its own,
    or `profile` names one of client.toml. Records are collected for `interval` seconds; at most
    `capacity` wait. `close_timeout` is how long the end of the program waits for the last message.
    """

    def __init__(
        self,
        server: str = "",
        *,
        sender: str,
        to: str | Iterable[str],
        client: "Client | None" = None,
        profile: str = "",
        subject: str = "",
        level: int | str = logging.ERROR,
        interval: float = 10.0,
        capacity: int = 1000,
        close_timeout: float = 5.0,
        **options: Any,  # noqa: ANN401 -- those of connect()
    ) -> None:
        super().__init__(level)
        self._server, self._profile, self._options = server, profile, options
        self._client, self._is_shared = client, client is not None
        self._sender, self._to = sender, [to] if isinstance(to, str) else list(to)
        self._subject = subject
        self._interval, self._capacity = interval, capacity
        self._close_timeout = close_timeout
        self._begin_anew()
        os.register_at_fork(after_in_child=_reviving(self))

    def revive(self) -> None:
        """In a process that was forked off: the thread, its records and its connections stayed with
        the other one."""
        if not self._is_shared:
            self._client = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Nothing waits and nobody works: at the start, and in a process that was forked off."""
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, str]] = deque()
        """Of each record its first line, and its text."""
        self._dropped = 0
        self._begun = self._ended = 0
        """Attempts, one after another."""
        self._is_hurried = self._is_closed = False
        self._worker: threading.Thread | None = None
        self.last_error = ""
        """Why the last message did not go, "" where it did."""

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record. It never waits and never fails."""
        if threading.current_thread() is self._worker:
            return  # What sending logs would never end.
        try:
            text = self.format(record)
            line = f"{record.levelname}: {record.getMessage()}".partition("\n")[0]
        except Exception:  # noqa: BLE001 -- as logging does
            self.handleError(record)
            return
        with self._changed:
            if self._is_closed or len(self._waiting) >= self._capacity:
                self._dropped += 1
                return
            self._waiting.append((line[:_SUBJECT_CHARACTERS], text[:RECORD_CHARACTERS]))
            self._start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Send what waits now; gives up after `close_timeout` seconds, or when it fails."""
        end = time.monotonic() + self._close_timeout
        with self._changed:
            while self._waiting and self._worker is not None:
                # An attempt that is under way does not know what came last.
                ours = self._begun + 1
                self._is_hurried = True
                self._changed.notify_all()
                is_over = self._changed.wait_for(
                    partial(self._has_ended, ours), end - time.monotonic()
                )
                if not is_over or self.last_error:
                    break

    def _has_ended(self, attempt: int) -> bool:
        return not self._waiting or self._ended >= attempt

    def close(self) -> None:
        """Send what waits, as flush() does, and end."""
        self.flush()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join(self._close_timeout)
        super().close()

    def _start(self) -> None:
        if self._worker is None:
            worker = threading.Thread(target=self._work, name="pillarbox-logs", daemon=True)
            # While the interpreter ends there are no new threads.
            with suppress(RuntimeError):
                worker.start()
                self._worker = worker

    # The thread

    def _work(self) -> None:
        pause = self._interval
        while (batch := self._collect(pause)) is not None:
            dropped = self._dropped
            try:
                self._mail(batch, dropped)
                error = ""
            except Exception as exc:  # noqa: BLE001 -- whatever it is, the records wait
                error = str(exc) or type(exc).__name__
            with self._changed:
                self.last_error = error
                self._ended += 1
                if error:
                    pause = min(max(pause * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                else:
                    for _ in batch:
                        self._waiting.popleft()
                    self._dropped -= dropped
                    pause = self._interval
                self._changed.notify_all()
            if error and logging.raiseExceptions and sys.stderr is not None:
                sys.stderr.write(f"pillarbox.logs: records wait, {error}\n")
        if self._client is not None and not self._is_shared:
            self._client.close()

    def _collect(self, pause: float) -> list[tuple[str, str]] | None:
        """The records of the next message, some time after the first came; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._is_closed)
            if self._is_closed:
                return None
            end = time.monotonic() + pause
            while not (self._is_hurried or self._is_closed):
                remaining = end - time.monotonic()
                if remaining <= 0 or not self._changed.wait(remaining):
                    break
            if self._is_closed:
                return None
            self._is_hurried = False
            self._begun += 1
            batch: list[tuple[str, str]] = []
            octets = 0
            for entry in self._waiting:
                octets += len(entry[1])
                if batch and octets > BATCH_OCTETS:
                    break
                batch.append(entry)
            return batch

    def _mail(self, batch: list[tuple[str, str]], dropped: int) -> None:
        from pillarbox.client import Message

        more = f" (and {len(batch) - 1} more)" if len(batch) > 1 else ""
        texts = [_writable(text) for _, text in batch]
        if dropped:
            texts.append(f"{dropped} records were dropped: there was no room for them.")
        message = Message(
            sender=self._sender,
            to=self._to,
            subject=self._subject or _clean(batch[0][0]) + more,
            text="\n\n".join(texts) + "\n",
        )
        self._connected().send(message)

    def _connected(self) -> "Client":
        if self._client is None:
            if self._profile:
                from pillarbox.profiles import connect as connect_by_profile
                from pillarbox.profiles import load_profile

                self._client = connect_by_profile(load_profile(self._profile))
            else:
                from pillarbox.client import connect

                self._client = connect(self._server, **self._options)
        return self._client


def _reviving(handler: MailHandler) -> Callable[[], None]:
    """A function that does not keep the handler alive."""
    held = weakref.ref(handler)

    def revive() -> None:
        found = held()
        if found is not None:
            found.revive()

    return revive


def _writable(text: str) -> str:
    """The text without what no message can have: NUL, and half a surrogate pair, as names of files
    have it that are no UTF-8. One such record would keep all behind it waiting."""
    text = text.replace("\0", "\ufffd")
    return text.encode("utf-8", "backslashreplace").decode()


def _clean(text: str) -> str:
    """The text without what may not stand in a header field."""
    return "".join(character if character.isprintable() else " " for character in text)
