"""The ledger: what clients, sink and injector saw, written outside of the process under test.

Each event is one line of JSON, synced before its writer goes on. Times are monotonic seconds of
this machine, so that those of different writers compare.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Sent:
    """A client is about to send the end of the content. `digest` is that of all its octets."""

    uuid: str
    recipients: list[str]
    digest: str
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Final:
    """A client has read the reply to the end of the content."""

    uuid: str
    code: int
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Got:
    """The sink has a copy and has not answered yet. `digest` is of what stands below the added
    header, `whole` of everything, `added_id` the id in the added Received field."""

    uuid: str
    recipient: str
    digest: str
    whole: str
    added_id: str
    connection: int
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Told:
    """The sink has a report that names a recipient of a message as failed."""

    uuid: str
    recipient: str
    report_id: str
    connection: int
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Fault:
    """The injector struck at `at`, and things were whole again at `until`. A fault of one message
    alone names it. What was under way may go on behind `until`: at most `under_way` messages."""

    kind: str
    until: float
    uuid: str = ""
    under_way: int = 0
    at: float = field(default_factory=time.monotonic)


Event: TypeAlias = Sent | Final | Got | Told | Fault

_KINDS: dict[str, type[Event]] = {
    kind.__name__.lower(): kind for kind in (Sent, Final, Got, Told, Fault)
}


class Ledger:
    """Appends events to a file; any thread may `note`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def note(self, *events: Event) -> None:
        """Durable on return."""
        lines = [
            json.dumps({"what": type(event).__name__.lower(), **asdict(event)}) for event in events
        ]
        octets = "".join(f"{line}\n" for line in lines).encode()
        with self._lock:
            os.write(self._descriptor, octets)
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Nothing more is noted."""
        os.close(self._descriptor)


def read(file: Path) -> Iterator[Event]:
    """What a ledger says, in the order of its lines."""
    with file.open() as lines:
        for line in lines:
            fields = json.loads(line)
            yield _KINDS[fields.pop("what")](**fields)
