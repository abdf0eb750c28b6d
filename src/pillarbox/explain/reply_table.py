"""The table of replies that are known (replies.toml), and how a row is found. Pure, but for the
one reading of that file when this module is imported.

A look-up is by code: the words of a row are compared only where its code is already right.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from pillarbox.explain.remedies import Bounce, Grade, Remedy, Scope, Stage, Way


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of reply. `examples` are replies of this kind, `stage` and `way` where they come."""

    id: str
    provider: str
    remedy: Remedy
    scope: Scope
    bounce: Bounce
    cause: str
    fix: str
    grade: Grade
    sources: tuple[str, ...]
    examples: tuple[str, ...]
    stage: Stage | None
    way: Way


@dataclass(frozen=True, slots=True)
class Question:
    """What is known of a reply that is looked up. `text` is in lower case; `enhanced` and `codes`
    are all that may be meant; `tokens` are its words one by one, in lower case."""

    text: str
    codes: frozenset[int] = frozenset()
    enhanced: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()
    failure: str = ""
    port: int = 0
    provider: str = ""
    way: Way | None = None
    stage: Stage | None = None
    is_free_text: bool = False
    """People pasted it: words without a code count, and the place it came from is unknown."""


@dataclass(frozen=True, slots=True)
class Match:
    """One `match` entry of a row: all that is given has to hold."""

    row: Row
    codes: frozenset[int]
    enhanced: frozenset[str]
    words: tuple[str, ...]
    tokens: frozenset[str]
    failures: frozenset[str]
    stages: frozenset[Stage]
    ways: frozenset[Way]
    ports: frozenset[int]
    provider: bool

    def fits(self, question: Question) -> bool:
        """Whether it applies."""
        if self.enhanced and not self.enhanced & question.enhanced:
            return False
        if self.codes and not self.codes & question.codes:
            return False
        if self.tokens and not self.tokens & question.tokens:
            return False
        if self.failures and question.failure not in self.failures:
            return False
        return self._fits_place(question) and all(word in question.text for word in self.words)

    def _fits_place(self, question: Question) -> bool:
        if self.provider and question.provider != self.row.provider:
            return False
        if self.ports and question.port not in self.ports:
            return False
        if question.is_free_text and not self.ways:
            return True
        if self.row.stage is None and self.row.way is Way.SMTP and not self.failures:
            # No reply of a server: the words of programs that connect.
            return False
        if self.stages and question.stage not in self.stages:
            return False
        ways = self.ways or (frozenset() if self.tokens else _SMTP)
        return not ways or question.way in ways

    @property
    def weight(self) -> int:
        """How specific it is: where several apply, the heaviest wins."""
        return (
            100 * bool(self.tokens)
            + 10 * len(self.words)
            + 20 * bool(self.failures)
            + 5 * self.provider
            + 4 * bool(self.enhanced)
            + 3 * bool(self.ports)
            + 2 * bool(self.stages)
            + bool(self.codes)
        )


_SMTP = frozenset({Way.SMTP})


@dataclass(slots=True)
class Table:
    """All rows, by id and by what they are found by."""

    rows: dict[str, Row] = field(default_factory=dict)
    """In the order of the file."""
    hosts: dict[str, str] = field(default_factory=dict)
    """Domain of hosts: the provider whose it is."""
    marks: dict[str, str] = field(default_factory=dict)
    """Words by which a provider is known: the provider."""
    by_key: dict[str | int, list[Match]] = field(default_factory=dict)
    """Enhanced code, code, token or name of a failure: what may apply."""
    by_words: list[Match] = field(default_factory=list)
    """What is known by its words alone."""
    by_words_of_programs: list[Match] = field(default_factory=list)
    """The same of programs that connect: no server says it, so only people's texts are searched."""
    _places: dict[str, int] = field(default_factory=dict)

    def provider_of(self, host: str, text: str) -> str:
        """Whose server this is, by its name or by a mark in its words; "" if nobody knows."""
        labels = host.lower().rstrip(".").split(".")
        for start in range(len(labels)):
            found = self.hosts.get(".".join(labels[start:]))
            if found is not None:
                return found
        return next((name for mark, name in self.marks.items() if mark in text), "")

    def find(self, question: Question) -> Row | None:
        """The row that fits best; of equals the first in the file."""
        keys: set[str | int] = {*question.enhanced, *question.codes, *question.tokens}
        if question.failure:
            keys.add(question.failure)
        candidates = [match for key in keys & self.by_key.keys() for match in self.by_key[key]]
        candidates += self.by_words
        if question.is_free_text:
            candidates += self.by_words_of_programs
        fitting = [match for match in candidates if match.fits(question)]
        if not fitting:
            return None
        return min(fitting, key=lambda match: (-match.weight, self._places[match.row.id])).row

    def add(self, match: Match) -> None:
        """Make a match known under all that it is found by."""
        self._places.setdefault(match.row.id, len(self._places))
        keys: Iterable[str | int]
        keys = match.tokens or match.enhanced or match.codes or match.failures
        if not keys:
            of_server = match.row.stage is not None or match.row.way is not Way.SMTP
            (self.by_words if of_server else self.by_words_of_programs).append(match)
        for key in keys:
            self.by_key.setdefault(key, []).append(match)


def _codes(texts: Iterable[str]) -> frozenset[str]:
    """Enhanced codes: "*.7.8" is 4.7.8 and 5.7.8, "5.7.606-649" all from the first to the last."""
    found: set[str] = set()
    for text in texts:
        lead, _, last = text.rpartition(".")
        first, _, end = last.partition("-")
        for one in ("4", "5") if lead.startswith("*") else (lead[:1],):
            found |= {
                f"{one}{lead[1:]}.{detail}" for detail in range(int(first), int(end or first) + 1)
            }
    return frozenset(found)


def _row(entry: Mapping[str, Any], sources: Mapping[str, str]) -> Row:
    return Row(
        id=entry["id"],
        provider=entry.get("provider", ""),
        remedy=Remedy(entry["class"]),
        scope=Scope(entry["scope"]),
        bounce=Bounce(entry["bounce"]),
        cause=entry["cause"],
        fix=entry["fix"],
        grade=Grade(entry["grade"]),
        sources=tuple(sources[name] for name in entry["source"]),
        examples=tuple(entry["examples"]),
        stage=Stage(entry["stage"]) if "stage" in entry else None,
        way=Way(entry.get("way", Way.SMTP)),
    )


def _match(row: Row, entry: Mapping[str, Any]) -> Match:
    return Match(
        row=row,
        codes=frozenset(entry.get("codes", ())),
        enhanced=_codes(entry.get("enhanced", ())),
        words=tuple(entry.get("words", ())),
        tokens=frozenset(token.lower() for token in entry.get("tokens", ())),
        failures=frozenset(entry.get("failures", ())),
        stages=frozenset(Stage(stage) for stage in entry.get("stages", ())),
        ways=frozenset(Way(way) for way in entry.get("ways", ())),
        ports=frozenset(entry.get("ports", ())),
        provider=entry.get("provider", False),
    )


def read_table(text: str) -> Table:
    """The table from the text of replies.toml."""
    data = tomllib.loads(text)
    table = Table()
    for name, entry in data["provider"].items():
        table.hosts |= dict.fromkeys(entry["hosts"], name)
        table.marks |= dict.fromkeys(entry["marks"], name)
    for entry in data["row"]:
        row = _row(entry, data["sources"])
        if row.id in table.rows:
            raise ValueError(f"the row {row.id} stands there twice")
        table.rows[row.id] = row
        for match in entry["match"]:
            table.add(_match(row, match))
    return table


TABLE = read_table(files("pillarbox.explain").joinpath("replies.toml").read_text(encoding="utf-8"))
