"""Microsoft 365 as the next hop of the crash tests: the emulator as a process of its own.

What it took, when, and whether its answer went out is known by it alone; the ledger gets that at
the end. While `trouble` stands it refuses, cuts, waits and takes without saying so, by chance.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from tests.crash.ledger import Event, Fault, Got
from tests.crash.letters import message_of, read_arrival
from tests.e2e.letters import SENDER
from tests.support.emulator_process import EmulatorProcess

from pillarbox.emulate.config import SAMPLE_SECRET

Order: TypeAlias = Mapping[str, object]

WAYS = ("smtp", "graph")
A_MINUTE = 30
MINUTE_SECONDS = 60.0
"""Microsoft's limit of messages for a mailbox, which routes have by default."""

DRIFT_SECONDS = 0.5
"""So much the two clocks may differ in a campaign."""

ANSWER_LOST = "answer lost"

_CUT: Order = {"action": "cut"}
_LATE: Order = {"action": "delay", "seconds": 0.5}


def _smtp(stage: str, percent: float, what: str | Order) -> Order:
    answer = {"reply": what} if isinstance(what, str) else what
    return {"service": "smtp", "stage": stage, "percent": percent, "times": None, **answer}


def _graph(stage: str, percent: float, what: int | Order, retry_after: str = "") -> Order:
    answer = {"status": what} if isinstance(what, int) else what
    headers = {"Retry-After": retry_after} if retry_after else {}
    order = {"service": "graph", "stage": stage, "percent": percent, "times": None}
    return {**order, **answer, "headers": headers}


TROUBLE: Sequence[Order] = (
    _smtp("connect", 2, "forest-busy"),
    _smtp("connect", 1, _CUT),
    _smtp("auth", 2, "login-busy"),
    _smtp("mail", 1, "try-later"),
    _smtp("mail", 0.5, _CUT),
    _smtp("rcpt", 1, "recipient-busy"),
    _smtp("data", 0.5, _CUT),
    _smtp("content", 3, "many-connections"),
    _smtp("content", 2, "many-threads"),
    _smtp("content", 1, _CUT),
    _smtp("taken", 0.5, "try-later"),
    _smtp("taken", 1.5, _CUT),
    _smtp("taken", 3, _LATE),
    _graph("request", 2, 429, "1"),
    _graph("request", 2, 503, "2"),
    _graph("request", 1, 503),
    _graph("request", 1, 408),
    _graph("request", 1, 500),
    _graph("request", 0.5, 504, "1"),
    _graph("request", 1, _CUT),
    _graph("content", 0.5, _CUT),
    _graph("taken", 0.5, 500),
    _graph("taken", 0.5, 503),
    _graph("taken", 1, _CUT),
    _graph("taken", 3, _LATE),
)
"""What goes wrong by itself, in percent of what comes to that stage. What is answered otherwise at
the stage "taken" is what nobody but Microsoft can know."""

TROUBLE_WITH_SIGN_IN: Sequence[Order] = (
    {"service": "login", "stage": "request", "status": 503, "percent": 10, "times": None},
    {"service": "login", "stage": "taken", "percent": 5, "times": None, **_CUT},
)
"""After each of these nobody asks for a token for 15 seconds."""

HANGS: Sequence[Order] = tuple(
    {"service": service, "stage": stage, "action": "hang"}
    for service, stages in (("smtp", "mail data content taken taken"), ("graph", "content taken"))
    for stage in stages.split()
)
"""Where an answer can be kept back for a kill."""


class Microsoft:
    """Some mailboxes for each way, with Microsoft's limits."""

    def __init__(self, folder: Path, *, mailboxes: int, seed: int) -> None:
        self.mailboxes = {
            way: [f"{way}-{number}@contoso.example" for number in range(mailboxes)] for way in WAYS
        }
        everyone = [address for addresses in self.mailboxes.values() for address in addresses]
        self.process = EmulatorProcess(folder, everyone, author=SENDER, seed=seed)
        self.arrived: set[str] = set()
        """The messages that it has, as far as `look` has seen."""
        self.copies = 0
        """So many it has, seen likewise."""
        self._begun = self._offset()

    @staticmethod
    def _offset() -> float:
        """From the time of day to that of the ledger."""
        return time.monotonic() - time.time()

    def routes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The words of `route add` for each way, by the domain smtp.example or graph.example, and
        what it reads."""
        rules = ("--may-send-as", SENDER)
        for way, addresses in self.mailboxes.items():
            words = self.process.route_words(way, addresses)
            yield ("--to", f"{way}.example", *rules, *words), f"{SAMPLE_SECRET}\n"

    def look(self) -> int:
        """See what has come since; how many copies there are."""
        for one in self.process.ask("GET", f"/messages?after={self.copies}"):
            self.arrived |= {message_of(recipient) for recipient in one["recipients"]}
            self.copies = one["id"]
        return self.copies

    # What is done to it

    def make_trouble(self, orders: Sequence[Order]) -> None:
        """From now on things go wrong by chance."""
        for order in orders:
            self.order(order)

    def order(self, order: Order) -> int:
        """Order a fault; its number."""
        number: int = self.process.ask("POST", "/faults", order)["id"]
        return number

    def cancel(self, number: int) -> None:
        """It does not happen any more."""
        self.process.ask("DELETE", f"/faults/{number}")

    def hits(self, number: int) -> int:
        """How often a fault happened so far."""
        orders = self.process.ask("GET", "/faults")
        return sum(order["hits"] for order in orders if order["id"] == number)

    def end_tokens(self) -> None:
        """All tokens that were given out are over."""
        self.process.ask("DELETE", "/tokens")

    def turn(self, switch: str, position: str) -> None:
        """As an administrator does, or forgets to do."""
        self.process.ask("PUT", "/switches", {switch: position})

    def be_well(self) -> Counter[str]:
        """End of all trouble; what there was of it."""
        orders = self.process.ask("GET", "/faults")
        self.process.ask("DELETE", "/faults")
        self.process.ask("DELETE", "/switches")
        told: Counter[str] = Counter()
        for order in orders:
            told[_name(order)] += order["hits"]
        return told

    # What it has seen

    def events(self) -> Iterator[Event]:
        """All that came, for the ledger; where its answer was lost, that too."""
        offset = self._offset()
        assert abs(offset - self._begun) < DRIFT_SECONDS, "the time of day was set"
        facts = self.process.ask("GET", "/messages")
        octets = self.process.raw(one["id"] for one in facts)
        for one, raw in zip(facts, octets, strict=True):
            at, number = one["received_at"] + offset, one["id"]
            found = read_arrival(raw)
            uuid = found.uuid if found else ""
            marks = (found.digest, found.whole, found.added_id) if found else ("", "", "")
            for recipient in one["recipients"]:
                yield Got(uuid, recipient, *marks, number, at=at)
            if not one["answered"]:
                yield Fault(ANSWER_LOST, at, uuid, at=at)

    def too_fast(self) -> list[str]:
        """The mailboxes that were given more in a minute than they may be given."""
        found = []
        for mailbox, one in self.process.ask("GET", "/stats").items():
            arrived: list[float] = one["arrived_at"]
            later = zip(arrived, arrived[A_MINUTE:], strict=False)
            if one["delayed"] or any(end - begin < MINUTE_SECONDS for begin, end in later):
                found.append(mailbox)
        return found

    def told(self, name: str) -> list[int]:
        """A number of the statistics, of each mailbox."""
        return [one[name] for one in self.process.ask("GET", "/stats").values()]


def _name(order: Mapping[str, Any]) -> str:
    what = order["action"]
    if what == "reply":
        what = order["reply"] or str(order["status"])
    return f"{order['service']} {order['stage']} {what}"
