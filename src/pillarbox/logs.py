"""A handler that mails log records: many in one message, and never a wait for the program.

    handler = MailHandler("smtps://smtp.example.org", auth=("app@example.org", password),
                          sender="app@example.org", to="admin@example.org")
    logging.getLogger().addHandler(handler)

Records go into a bounded queue; a thread collects them for a while and mails them together. While
the server is away they wait, and those for whom there is no room are counted. Where it refuses a
message for good, its records are mailed in smaller messages, so that one that the server does not
want keeps no others back.
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
    `capacity` wait. `close_timeout` is how long the end of the program waits for the last message,
    None for as long as the attempt takes.
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
        close_timeout: float | None = 5.0,
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
        self._waiting: deque[_Entry] = deque()
        self._most = self._capacity
        """So many records are in the next message."""
        self._dropped = self._given_up = 0
        self._gone = self._refusals = 0
        """Messages that went, and that were refused one after the other since."""
        self._is_stuck = False
        """Another attempt at once would fare no better."""
        self._told = ""
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
            self._waiting.append(_Entry(line[:_SUBJECT_CHARACTERS], text[:RECORD_CHARACTERS]))
            self._start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Send what waits now; gives up after `close_timeout` seconds, or when it fails."""
        limit = self._close_timeout
        end = None if limit is None else time.monotonic() + limit
        with self._changed:
            while self._waiting and self._worker is not None:
                # An attempt that is under way does not know what came last.
                ours = self._begun + 1
                self._is_hurried = True
                self._changed.notify_all()
                rest = None if end is None else end - time.monotonic()
                is_over = self._changed.wait_for(partial(self._has_ended, ours), rest)
                if not is_over or self._is_stuck:
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
            dropped, given_up = self._dropped, self._given_up
            failure: Exception | None = None
            try:
                self._mail(batch, dropped, given_up)
            except Exception as exc:  # noqa: BLE001 -- whatever it is, the records wait
                failure = exc
            with self._changed:
                self._ended += 1
                lost = None
                if failure is None:
                    self._settle(len(batch), dropped, given_up)
                else:
                    lost = self._keep(batch, failure)
                if self._is_stuck:
                    pause = min(max(pause * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                else:
                    pause = self._interval
                self._changed.notify_all()
            self._tell(lost)
        if self._client is not None and not self._is_shared:
            self._client.close()

    def _settle(self, count: int, dropped: int, given_up: int) -> None:
        """So many records went, and word of those that did not."""
        for _ in range(count):
            self._waiting.popleft()
        self._dropped -= dropped
        self._given_up -= given_up
        self._gone += 1
        self._most = min(2 * self._most, self._capacity)
        self._refusals, self._is_stuck = 0, False
        self.last_error = self._told = ""

    def _keep(self, batch: "list[_Entry]", failure: Exception) -> "_Entry | None":
        """The batch waits, in halves where it was refused for good; gives a record that was refused
        alone, twice, while others went."""
        self.last_error = str(failure) or type(failure).__name__
        if not _is_final(failure):
            self._is_stuck = True
            return None
        self._refusals += 1
        # So many find one record among all that wait. If that does not help, all are refused.
        self._is_stuck = self._refusals > len(self._waiting).bit_length() + 1
        if len(batch) > 1:
            self._most = len(batch) // 2
            return None
        entry = self._waiting.popleft()
        if entry.refused_at is not None and entry.refused_at < self._gone:
            self._given_up += 1
            self._refusals, self._is_stuck = 0, False
            return entry
        if entry.refused_at is None:
            entry.refused_at = self._gone
        self._waiting.append(entry)
        return None

    def _tell(self, lost: "_Entry | None") -> None:
        """Write to standard error why records wait, once, and a record that is not mailed."""
        text = ""
        if lost is not None:
            text = f"a record was refused for good, {self.last_error}\n{lost.text}"
        elif self._is_stuck and self.last_error != self._told:
            self._told = self.last_error
            text = f"records wait, {self.last_error}"
        if text and logging.raiseExceptions and sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(f"pillarbox.logs: {_writable(text)}\n")

    def _collect(self, pause: float) -> "list[_Entry] | None":
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
            batch: list[_Entry] = []
            octets = 0
            for entry in self._waiting:
                octets += len(entry.text)
                if batch and (octets > BATCH_OCTETS or len(batch) >= self._most):
                    break
                batch.append(entry)
            return batch

    def _mail(self, batch: "list[_Entry]", dropped: int, given_up: int) -> None:
        from pillarbox.client import Message

        more = f" (and {len(batch) - 1} more)" if len(batch) > 1 else ""
        texts = [_writable(entry.text) for entry in batch]
        if dropped:
            texts.append(f"{dropped} records were dropped: there was no room for them.")
        if given_up:
            texts.append(f"{given_up} records were refused by the server: see standard error.")
        message = Message(
            sender=self._sender,
            to=self._to,
            subject=self._subject or _clean(batch[0].line) + more,
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


class _Entry:
    """A record that waits: its first line, and its text. `refused_at`: it was refused alone, for
    good, when so many messages had gone."""

    __slots__ = ("line", "refused_at", "text")

    def __init__(self, line: str, text: str) -> None:
        self.line, self.text = line, text
        self.refused_at: int | None = None


def _is_final(failure: Exception) -> bool:
    """Whether the server refused this message, and will again."""
    from pillarbox.client import MessageRefused

    return isinstance(failure, MessageRefused) and not failure.is_transient


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
