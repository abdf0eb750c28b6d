"""Judges a ledger: what became of each recipient of each message. Pure.

The promises are these. D1: what was acknowledged arrives, or its sender is told, or it is held.
D2: what was refused never arrives. D3: where no reply was read, all recipients or none. D4: a
second copy only where a fault fell between its arrival and the record of it. D5: the octets and
the id of every copy are those of the first, and below the added header those that were sent.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from tests.crash.ledger import Event, Fault, Final, Got, Sent, Told

SETTLE_SECONDS = 2.0
"""So long after a copy arrived its delivery counts as not recorded yet: a reply, a group commit
and the making of a report, on a loaded machine."""


class Fate(StrEnum):
    """What became of one recipient of one message; those from LOST on break a promise."""

    OK = "ok"
    BOUNCED = "bounced"
    HELD = "held"
    UNKNOWN_GONE = "unknown, not taken"
    REFUSED = "refused"
    LOST = "lost"
    PHANTOM = "phantom"
    PARTIAL = "partial"
    DUPLICATE = "duplicate beyond the bound"
    CORRUPT = "corrupt"
    CONTRADICTION = "delivered and bounced"


FAILURES = frozenset(
    {
        Fate.LOST,
        Fate.PHANTOM,
        Fate.PARTIAL,
        Fate.DUPLICATE,
        Fate.CORRUPT,
        Fate.CONTRADICTION,
    }
)


@dataclass(slots=True)
class Verdict:
    """The outcome of a campaign. `failures` has (fate, uuid, recipient) of each broken promise."""

    messages: int = 0
    acknowledged: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    fates: Counter[Fate] = field(default_factory=Counter)
    failures: list[tuple[Fate, str, str]] = field(default_factory=list)
    copies_beyond_first: int = 0
    excuses: Counter[str] = field(default_factory=Counter)
    """The kinds of faults that explain them."""
    slowest_seconds: float = 0.0
    """The longest time from an acknowledgement to the first copy or report."""
    finished_late: defaultdict[float, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The messages that were under way at a fault and came behind its end, by when it struck."""

    def excuses_copy(self, fault: Fault, uuid: str, first: float, second: float) -> bool:
        """Whether a fault explains a second copy: the first had come, or still came, when it
        struck, and could not have been recorded yet. What befell the second copy does not."""
        if fault.at > first + SETTLE_SECONDS or fault.at >= second:
            return False
        if fault.until >= first:
            return True
        late = self.finished_late[fault.at]
        if first > fault.until + SETTLE_SECONDS or len(late | {uuid}) > fault.under_way:
            return False
        late.add(uuid)
        return True

    def count(self, fate: Fate, uuid: str, recipient: str) -> None:
        """One recipient has this fate."""
        self.fates[fate] += 1
        if fate in FAILURES:
            self.failures.append((fate, uuid, recipient))

    def __str__(self) -> str:
        fates = ", ".join(f"{self.fates[fate]} {fate}" for fate in Fate if self.fates[fate])
        faults = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items()))
        excuses = ", ".join(f"{count} by {kind}" for kind, count in sorted(self.excuses.items()))
        total = sum(self.faults.values())
        bound = f"{3 / total:.2g} a fault (95 %)" if total else "no fault, no bound"
        return (
            f"{self.messages} messages, {self.acknowledged} acknowledged; faults: {faults}; "
            f"recipients: {fates}; {self.copies_beyond_first} copies beyond the first"
            f"{f' ({excuses})' if excuses else ''}; "
            f"loss at most {bound}; longest way {self.slowest_seconds:.1f} s"
        )


@dataclass(slots=True)
class _Story:
    """All that is known of one message."""

    sent: Sent | None = None
    code: int | None = None
    answered_at: float = 0.0
    got: dict[str, list[Got]] = field(default_factory=lambda: defaultdict(list))
    told: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    faults: list[Fault] = field(default_factory=list)

    def has(self, recipient: str) -> bool:
        """Whether anything came of it."""
        return recipient in self.got or recipient in self.told


def judge(events: Iterable[Event], held: Iterable[str] = ()) -> Verdict:
    """Classify each recipient. `held`: recipients whose mail waits for a person, bytes intact."""
    stories, faults = _gather(events)
    verdict = Verdict(faults=Counter(fault.kind for fault in faults))
    everywhere = [fault for fault in faults if not fault.uuid]
    kept = frozenset(held)
    for uuid, story in stories.items():
        _judge_story(verdict, uuid, story, everywhere, kept)
    return verdict


def _gather(events: Iterable[Event]) -> tuple[dict[str, _Story], list[Fault]]:
    stories: dict[str, _Story] = defaultdict(_Story)
    faults: list[Fault] = []
    for event in events:
        match event:
            case Sent():
                stories[event.uuid].sent = event
            case Final():
                stories[event.uuid].code = event.code
                stories[event.uuid].answered_at = event.at
            case Got():
                stories[event.uuid].got[event.recipient].append(event)
            case Told():
                stories[event.uuid].told[event.recipient].append(event)
            case Fault():
                faults.append(event)
                if event.uuid:
                    stories[event.uuid].faults.append(event)
    return stories, faults


def _judge_story(
    verdict: Verdict, uuid: str, story: _Story, everywhere: Sequence[Fault], held: frozenset[str]
) -> None:
    sent = story.sent
    if sent is not None:
        verdict.messages += 1
        verdict.acknowledged += story.code is not None and story.code < 300
    known = set(sent.recipients) if sent else set()
    for recipient in {*story.got, *story.told} - known:
        # Nobody sent that.
        verdict.count(Fate.PHANTOM, uuid, recipient)
    for recipient in sorted(known):
        verdict.count(_fate(story, recipient, held), uuid, recipient)
        _judge_copies(verdict, story, recipient, everywhere)
    if story.code is not None and story.code < 300:
        firsts = [copies[0].at for copies in story.got.values()]
        firsts += [reports[0].at for reports in story.told.values()]
        for first in firsts:
            seconds = first - story.answered_at
            verdict.slowest_seconds = max(verdict.slowest_seconds, seconds)


def _fate(story: _Story, recipient: str, held: frozenset[str]) -> Fate:
    """What became of one recipient, its number of copies left aside."""
    arrived = story.has(recipient) or recipient in held
    if story.code is None:
        if arrived:
            return _way(story, recipient)
        assert story.sent is not None
        others = any(story.has(other) or other in held for other in story.sent.recipients)
        return Fate.PARTIAL if others else Fate.UNKNOWN_GONE
    if story.code >= 400:
        return Fate.PHANTOM if arrived else Fate.REFUSED
    return _way(story, recipient) if arrived else Fate.LOST


def _way(story: _Story, recipient: str) -> Fate:
    if recipient in story.got:
        return Fate.CONTRADICTION if recipient in story.told else Fate.OK
    return Fate.BOUNCED if recipient in story.told else Fate.HELD


def _judge_copies(
    verdict: Verdict, story: _Story, recipient: str, everywhere: Sequence[Fault]
) -> None:
    """Compare the copies that one recipient got, and the reports about it."""
    assert story.sent is not None
    uuid = story.sent.uuid
    got, told = story.got.get(recipient, []), story.told.get(recipient, [])
    if any(copy.digest != story.sent.digest for copy in got) or len({c.whole for c in got}) > 1:
        verdict.count(Fate.CORRUPT, uuid, recipient)
    if len({copy.added_id for copy in got}) > 1:
        verdict.count(Fate.CORRUPT, uuid, recipient)
    if len({report.report_id for report in told}) > 1:
        # A report is made once, in the transaction that ends its recipient.
        verdict.count(Fate.DUPLICATE, uuid, recipient)
    faults = [*story.faults, *everywhere]
    for copies in ([copy.at for copy in got], [report.at for report in told]):
        verdict.copies_beyond_first += max(len(copies) - 1, 0)
        for first, second in pairwise(copies):
            excuse = next(
                (one for one in faults if verdict.excuses_copy(one, uuid, first, second)), None
            )
            if excuse is None:
                verdict.count(Fate.DUPLICATE, uuid, recipient)
            else:
                verdict.excuses[excuse.kind] += 1
