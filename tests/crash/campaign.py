"""A campaign: load, faults, the end of all faults, a drain, and the verdict on the ledger.

A seed decides what clients send, what the sink does and when it is struck; the report names it.
PILLARBOX_CRASH_SEED gives one, PILLARBOX_CRASH_KILLS the number of kills; where a campaign counts
by messages, PILLARBOX_CRASH_MESSAGES.
"""

import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.crash.clients import Clients, Load
from tests.crash.ledger import Fault, Ledger, read
from tests.crash.moments import Moment, Moments
from tests.crash.sink import Sink
from tests.crash.verdict import Verdict, judge
from tests.crash.victim import Start, Victim

DRAIN_SECONDS = 180.0

SHORTEST_SECONDS, LONGEST_SECONDS = 0.2, 3.0
"""Between a start and the next kill."""


# Taken out of the environment: the command line refuses a name of ours that is no option.
_SEED = os.environ.pop("PILLARBOX_CRASH_SEED", "")
_KILLS = os.environ.pop("PILLARBOX_CRASH_KILLS", "")
_MESSAGES = os.environ.pop("PILLARBOX_CRASH_MESSAGES", "")


def seed_of_run() -> str:
    """That of the environment, else a new one."""
    return _SEED or secrets.token_hex(4)


def number_of_kills(usual: int) -> int:
    """That of the environment, else the usual one."""
    return int(_KILLS or usual)


def messages_to_send(usual: int) -> int:
    """That of the environment, else the usual one."""
    return int(_MESSAGES or usual)


def report(text: str) -> None:
    """Show a line of the report; `make crash` does not capture it."""
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()


@dataclass(slots=True)
class Trial:
    """The parties of one campaign but for the next hop, and what they need. `reached` are the
    moments at which a strike can wait to fall."""

    seed: str
    victim: Victim
    ledger: Ledger
    moments: Moments
    reached: Sequence[Moment] = field(default=tuple(Moment), kw_only=True)

    @property
    def rng(self) -> random.Random:
        """The injector's random numbers, from the start."""
        return random.Random(f"{self.seed}/injector")

    def clients(self, load: Load, name: str = "", victim: Victim | None = None) -> Clients:
        """Clients of this campaign, not running yet; `name` is part of their seed."""
        return Clients(
            victim or self.victim,
            self.ledger,
            self.moments,
            seed=f"{self.seed}{name}",
            load=load,
        )

    def kill_service(self, rng: random.Random) -> None:
        """SIGKILL to the whole service by chance in time or at a chosen moment; start it again."""
        self.strike("kill of the service", self.victim.shoot, rng, self._restart)

    def kill_worker(self, rng: random.Random) -> None:
        """SIGKILL to the worker, whose supervisor starts another one."""
        victim = self.victim
        self.strike("kill of the worker", victim.shoot_worker, rng, victim.await_worker)

    def _restart(self) -> None:
        self.victim.bury()
        self.victim.start()

    def strike(
        self,
        kind: str,
        shoot: Callable[[], None],
        rng: random.Random,
        mend: Callable[[], None],
        under_way: int = 0,
    ) -> None:
        """Strike once, by chance in time or at a chosen moment; mend, and note how long it was, and
        how many messages may have been under way and go on now."""
        struck_at = 0.0

        def strike() -> None:
            nonlocal struck_at
            struck_at = time.monotonic()
            shoot()

        seconds = rng.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
        moment = rng.choice(self.reached) if rng.random() < 0.5 else None
        if moment is None:
            time.sleep(seconds)
            strike()
        else:
            time.sleep(seconds / 2)
            self.moments.strike_at(moment, strike, seconds=seconds / 2)
        mend()
        self.ledger.note(Fault(kind, time.monotonic(), under_way=under_way, at=struck_at))

    def drain(self) -> list[str]:
        """Have everything tried until nothing but held mail waits; the recipients of that."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while True:
            waiting = self.victim.admin_json("queue", "list", "--limit", "100000")
            if all(entry["state"] == "held" for entry in waiting):
                return [entry["recipient"] for entry in waiting]
            assert time.monotonic() < deadline, f"not drained: {waiting[:5]}"
            self.victim.admin("queue", "retry", "--all")
            time.sleep(0.5)

    def verdict(self) -> Verdict:
        """Drain and judge."""
        return judge(read(self.ledger.file), self.drain())

    def end(self) -> Verdict:
        """The verdict, after which the service must end well and leave a sound database."""
        verdict = self.verdict()
        code = self.victim.stop()
        assert code == 0, self.victim.log[-4000:]
        assert self.victim.damage() == []
        return verdict

    def starts(self, bar_seconds: float) -> str:
        """How long the starts took, and how many were within the bar."""
        text = f"starts: {_spread(self.victim.starts, bar_seconds)}"
        if self.victim.worker_starts:
            text += f"; new workers: {_spread(self.victim.worker_starts, bar_seconds)}"
        return text


@dataclass(slots=True)
class Campaign(Trial):
    """A campaign whose mail goes to the sink."""

    sink: Sink


def share_within(starts: Sequence[Start], bar_seconds: float) -> float:
    """So many of the starts took no longer, but for the time in which others computed."""
    return sum(start.own_seconds <= bar_seconds for start in starts) / len(starts)


def _spread(starts: Sequence[Start], bar_seconds: float) -> str:
    """How long something took, as the clock says and without the time for which it had to wait for
    a processor."""
    within = sum(start.seconds <= bar_seconds for start in starts)
    return (
        f"{len(starts)}, {within} within {bar_seconds:g} s, "
        f"{_points([start.seconds for start in starts])}; without waiting for a processor "
        f"{share_within(starts, bar_seconds):.1%} within, "
        f"{_points([start.own_seconds for start in starts])}"
    )


def _points(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return (
        f"median {median(ordered):.2f} s, 95 % within {ordered[int(len(ordered) * 0.95)]:.2f} s, "
        f"slowest {ordered[-1]:.2f} s"
    )


@contextmanager
def campaign(folder: Path, seed: str, victim: Victim | None = None) -> Iterator[Campaign]:
    """A service that runs and a sink that all its mail goes to."""
    ledger, moments = Ledger(folder / "ledger"), Moments()
    sink = Sink(ledger, moments, seed=seed)
    victim = victim or Victim(folder / "data")
    try:
        victim.set_up(sink.port)
        victim.start()
        yield Campaign(seed, victim, ledger, moments, sink)
    finally:
        victim.stop()
        sink.close()
        ledger.close()
