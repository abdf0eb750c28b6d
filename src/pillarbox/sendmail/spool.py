"""A folder for mail that can not go now: durable, private, and never sent by two at a time.

    FOLDER/ID.content   the octets
    FOLDER/ID.mail      envelope and history; without it the content counts for nothing
    FOLDER/failed/…     the same for what was refused for good
    FOLDER/lock         held by who sends

Each file is written beside, synced, renamed, and the folder is synced. Lines of ID.mail are a word
and a value.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

FAILED = "failed"
GIVE_UP_SECONDS = 5 * 24 * 3600.0
"""RFC 5321 section 4.5.4.1: "the give-up time generally needs to be at least 4-5 days"."""

_ORPHAN_SECONDS = 24 * 3600.0
"""Content without an envelope is that old only where its writer has died."""


class SpoolError(Exception):
    """The spool can not be used."""


class DamagedError(SpoolError):
    """A message of the spool can not be read."""


class Mail(NamedTuple):
    """One message in the spool. `recipients` are those who do not have it; `last` is the last
    reply; `created` is a time of day in seconds."""

    id: str
    profile: str
    sender: str
    recipients: tuple[str, ...]
    created: float
    notify: str = ""
    ret: str = ""
    envelope_id: str = ""
    attempts: int = 0
    last: str = ""


class Spool:
    """The spool in one folder, which is made where it is missing. Raises SpoolError, OSError."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        for path in (folder, os.path.join(folder, FAILED)):
            _make_private(path)

    def put(self, mail: Mail, content: bytes) -> None:
        """Take a message; it is durable on return."""
        self._put(mail, content, "")

    def put_aside(self, mail: Mail, content: bytes) -> None:
        """The same where nobody sends it, and where nobody who sends what waits ever sees it."""
        self._put(mail, content, FAILED)

    def update(self, mail: Mail) -> None:
        """Write down what became of it."""
        self._write(f"{mail.id}.mail", _encode(mail))

    def remove(self, mail: Mail) -> None:
        """Forget a message that everybody has. Its envelope goes first, durably."""
        os.unlink(self._path(f"{mail.id}.mail"))
        self._sync()
        os.unlink(self._path(f"{mail.id}.content"))

    def set_aside(self, mail: Mail) -> None:
        """Keep a message that waited, and was refused for good, where nobody sends it."""
        self.update(mail)
        for ending in ("content", "mail"):
            name = f"{mail.id}.{ending}"
            with suppress(FileExistsError):
                os.link(self._path(name), self._path(FAILED, name))
        self._sync(FAILED)
        self.remove(mail)

    def bring_back(self, number: str) -> bool:
        """Let a message that was set aside be sent again; whether there is such a one."""
        names = [f"{number}.content", f"{number}.mail"]
        if not all(os.path.exists(self._path(FAILED, name)) for name in names):
            return False
        for name in names:
            with suppress(FileExistsError):
                os.link(self._path(FAILED, name), self._path(name))
        self._sync()
        for name in names:
            os.unlink(self._path(FAILED, name))
        return True

    def waiting(self) -> list[Mail]:
        """What waits, the oldest first. Raises DamagedError."""
        return self._list("")

    def failed(self) -> list[Mail]:
        """What was refused for good. Raises DamagedError."""
        return self._list(FAILED)

    def numbers(self, place: str = "") -> list[str]:
        """The ids of what waits, or of what is in FAILED, the oldest first, also of what can not
        be read."""
        names = sorted(os.listdir(self._path(place)))
        return [name.removesuffix(".mail") for name in names if name.endswith(".mail")]

    def read(self, number: str, place: str = "") -> Mail | None:
        """One message; None where there is none. Raises DamagedError."""
        try:
            return _decode(number, self._path(place, f"{number}.mail"))
        except FileNotFoundError:
            return None

    def content(self, mail: Mail) -> bytes:
        """Its octets. Raises DamagedError."""
        path = self._path(f"{mail.id}.content")
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError as exc:
            raise DamagedError(f"{path} is missing") from exc

    @contextmanager
    def sending(self) -> Iterator[bool]:
        """Hold the right to send what is here; False where another process has it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path("lock"), flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            self._sweep()
            yield True
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove what a writer left that died before its message counted."""
        for place in ("", FAILED):
            names = set(os.listdir(self._path(place)))
            for name in names:
                stem, _, ending = name.partition(".")
                is_whole = ending == "mail" or (ending == "content" and f"{stem}.mail" in names)
                if not is_whole and stem and ending in ("content", "content.new", "mail.new"):
                    _remove_old(self._path(place, name))

    def _list(self, place: str) -> list[Mail]:
        found = (self.read(number, place) for number in self.numbers(place))
        return [mail for mail in found if mail is not None]

    def _put(self, mail: Mail, content: bytes, place: str) -> None:
        self._write(f"{mail.id}.content", content, place)
        self._write(f"{mail.id}.mail", _encode(mail), place)

    def _write(self, name: str, octets: bytes, place: str = "") -> None:
        path = self._path(place, name)
        beside = f"{path}.new"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        self._sync(place)

    def _sync(self, place: str = "") -> None:
        _sync_folder(self._path(place))

    def _path(self, *names: str) -> str:
        return os.path.join(self.folder, *names)


def new_id() -> str:
    """An id that nobody else makes; later ones sort behind earlier ones."""
    return f"{time.time_ns():016x}{os.urandom(3).hex()}"


def _make_private(folder: str) -> None:
    """A folder of this user that nobody else can look into or write to."""
    _make(folder)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise SpoolError(f"{folder} is no folder")
    if found.st_uid != os.geteuid():
        raise SpoolError(f"{folder} belongs to another user: each user has a spool of his own")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SpoolError(f"others may look into {folder} (chmod 700 {folder})")


def _make(folder: str) -> None:
    """Make a folder and those above it; their names are durable, as what is in them will be."""
    if os.path.isdir(folder):
        return
    above = os.path.dirname(os.path.abspath(folder))
    _make(above)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    _sync_folder(above)


def _remove_old(path: str) -> None:
    with suppress(FileNotFoundError):
        if time.time() - os.stat(path).st_mtime > _ORPHAN_SECONDS:
            os.unlink(path)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(mail: Mail) -> bytes:
    lines = [
        f"profile {mail.profile}",
        f"sender {mail.sender}",
        *(f"recipient {address}" for address in mail.recipients),
        f"created {mail.created!r}",
        f"notify {mail.notify}",
        f"ret {mail.ret}",
        f"envelope_id {mail.envelope_id}",
        f"attempts {mail.attempts}",
        f"last {' '.join(mail.last.split())}",
    ]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _decode(number: str, path: str) -> Mail:
    found: dict[str, list[str]] = {}
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for line in file:
            word, _, value = line.removesuffix("\n").partition(" ")
            found.setdefault(word, []).append(value)
    try:
        return Mail(
            number,
            found["profile"][0],
            found["sender"][0],
            tuple(found.get("recipient", ())),
            float(found["created"][0]),
            notify=found.get("notify", [""])[0],
            ret=found.get("ret", [""])[0],
            envelope_id=found.get("envelope_id", [""])[0],
            attempts=int(found["attempts"][0]),
            last=found["last"][0],
        )
    except (KeyError, ValueError) as exc:
        raise DamagedError(f"{path} is no envelope of this spool") from exc
