"""What large receivers take and how they ask for less: the table of receivers.toml, and what an
administrator has put in its place."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

from pillarbox.mail.reply import Reply
from pillarbox.route import ONE_WORKER, HopCaps, LanePlan


@dataclass(frozen=True, slots=True)
class SlowDown:
    """Replies that ask for less for so many `minutes`."""

    codes: frozenset[int]
    enhanced: frozenset[str]
    words: tuple[str, ...]
    minutes: int
    messages_per_minute: int
    source: str
    examples: tuple[str, ...] = ()

    def is_said_by(self, reply: Reply) -> bool:
        """Whether a reply is one of these."""
        if self.codes and reply.code not in self.codes:
            return False
        if self.enhanced and reply.enhanced not in self.enhanced:
            return False
        text = " ".join(reply.lines).lower()
        return all(word in text for word in self.words)


@dataclass(frozen=True, slots=True)
class Receiver:
    """A row: what MX hosts with names like `mx` take. None: as much as the route says."""

    name: str
    mx: tuple[str, ...]
    connections: int | None = None
    messages_per_connection: int | None = None
    messages_per_minute: int | None = None
    slow_down: tuple[SlowDown, ...] = ()
    source: str = ""

    def has(self, host: str) -> bool:
        """Whether a host is one of its."""
        return any(fnmatchcase(host, pattern) for pattern in self.mx)

    def wish(self, reply: Reply) -> SlowDown | None:
        """What a reply asks for, if it does."""
        return next((each for each in self.slow_down if each.is_said_by(reply)), None)

    def share(self, plan: LanePlan) -> "Receiver":
        """What one worker may use of it: something, at least."""
        if plan.workers == 1:
            return self
        return replace(
            self,
            connections=_share(self.connections, plan),
            messages_per_minute=_share(self.messages_per_minute, plan),
        )

    def on(self, caps: HopCaps) -> HopCaps:
        """The caps of a route, where the row allows less."""
        return replace(
            caps,
            connections=min(caps.connections, self.connections or caps.connections),
            messages_per_connection=min(
                caps.messages_per_connection,
                self.messages_per_connection or caps.messages_per_connection,
            ),
        )


def _share(amount: int | None, plan: LanePlan) -> int | None:
    if amount is None:
        return None
    each, rest = divmod(amount, plan.workers)
    return max(each + (plan.worker < rest), 1)


ANY = Receiver("", ("*",))
"""Of whom nothing is known."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """All rows for one worker. `own` are those of the administrator: their limits take the place of
    those in the table; how a receiver asks for less stays."""

    own: tuple[Receiver, ...] = ()
    plan: LanePlan = ONE_WORKER

    def of(self, hosts: Iterable[str]) -> Receiver:
        """The row for MX hosts, by the first of them that somebody knows."""
        names = [host.lower().rstrip(".") for host in hosts]
        known = _first(TABLE, names) or ANY
        own = _first(self.own, names)
        if own is not None:
            known = replace(own, slow_down=known.slow_down)
        return known.share(self.plan)


def _first(rows: Sequence[Receiver], names: Sequence[str]) -> Receiver | None:
    return next((row for name in names for row in rows if row.has(name)), None)


def read_receivers(text: str) -> tuple[Receiver, ...]:
    """The rows of the text of receivers.toml."""
    return tuple(_row(entry) for entry in tomllib.loads(text)["receiver"])


def _row(entry: Mapping[str, Any]) -> Receiver:
    return Receiver(
        name=entry["name"],
        mx=tuple(entry["mx"]),
        connections=entry.get("connections"),
        messages_per_connection=entry.get("messages_per_connection"),
        messages_per_minute=entry.get("messages_per_minute"),
        slow_down=tuple(map(_slow_down, entry.get("slow_down", ()))),
        source=entry["source"],
    )


def _slow_down(entry: Mapping[str, Any]) -> SlowDown:
    return SlowDown(
        codes=frozenset(entry.get("codes", ())),
        enhanced=frozenset(entry.get("enhanced", ())),
        words=tuple(entry.get("words", ())),
        minutes=entry["minutes"],
        messages_per_minute=entry.get("messages_per_minute", 1),
        source=entry["source"],
        examples=tuple(entry["examples"]),
    )


TABLE = read_receivers(
    files("pillarbox.delivery").joinpath("receivers.toml").read_text(encoding="utf-8")
)

KNOWN = Receivers()
"""The table alone, for one worker."""
