"""A campaign whose mail goes by Microsoft 365, by SMTP and by Graph: strikes at the service and at
what it needs of Microsoft, the end of all trouble, and the verdict on the ledger."""

import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.campaign import Trial
from tests.crash.clients import Clients, Load
from tests.crash.ledger import Fault, Final, Ledger, read
from tests.crash.letters import Kind, Letter, compose
from tests.crash.microsoft import HANGS, WAYS, Microsoft
from tests.crash.moments import Moment, Moments
from tests.crash.verdict import Verdict, judge
from tests.crash.victim import Victim
from tests.e2e.waiting import wait_until

from pillarbox.mail.spooled import CHUNK_OCTETS

HANG_SECONDS = 5.0
"""So long a kill waits for the answer that is to be kept back."""

REFUSED_SECONDS = 20.0
"""So long a sign-in is left refused, unless it is noticed before."""

QUIET_SECONDS = 90.0
"""Nothing came for longer than a minute of a limit: it will not come any more."""

EMPTY_SECONDS = 300.0
"""For the queue to be empty after that."""

_FAILED_SIGN_INS = re.compile(r"(?m)^pillarbox_net_failed_sign_ins_total (\d+)")

SIZES: Mapping[tuple[int, int], float] = {
    (1024, 8 * 1024): 0.97,
    (8 * 1024, 100 * 1024): 0.02,
    (CHUNK_OCTETS + 1, 2 * CHUNK_OCTETS): 0.01,
}
"""Octets; the largest go to the store in chunks. The emulator keeps all of them in memory."""


class MicrosoftClients(Clients):
    """Clients whose letters go by either way."""

    def _compose(self, rng: random.Random) -> Letter:
        ((least, most),) = rng.choices(list(SIZES), list(SIZES.values()))
        return compose(
            rng,
            kinds={Kind.TAKEN: 1.0},
            most_recipients=self._load.most_recipients,
            domain=f"{rng.choice(WAYS)}.example",
            size_octets=rng.randint(least, most),
        )


@dataclass(slots=True)
class MicrosoftTrial(Trial):
    """`done` counts what was done beside kills, `trouble` what went wrong by itself."""

    microsoft: Microsoft
    done: Counter[str] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)

    def clients(self, load: Load, name: str = "", victim: Victim | None = None) -> MicrosoftClients:
        """See Trial."""
        return MicrosoftClients(
            victim or self.victim, self.ledger, self.moments, seed=f"{self.seed}{name}", load=load
        )

    def kill_at_answer(self, rng: random.Random) -> None:
        """SIGKILL to the whole service while Microsoft keeps an answer back; start it again."""
        microsoft, victim = self.microsoft, self.victim
        order = rng.choice(HANGS)
        number = microsoft.order(order)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: microsoft.hits(number), HANG_SECONDS, "an answer to keep back")
            self.done[f"kill at {order['service']} {order['stage']}"] += 1
        struck_at = time.monotonic()
        victim.shoot()
        # Before the next one begins, which would wait for minutes.
        microsoft.cancel(number)
        victim.bury()
        victim.start()
        self.ledger.note(Fault("kill of the service", time.monotonic(), at=struck_at))

    def refuse_sign_ins(self, what: str) -> None:
        """No token is good any more and no new one is given, until that was noticed: the secret
        has been revoked, or is over, or the server is away."""
        microsoft, before = self.microsoft, self._failed_sign_ins()
        number = 0
        if what == "away":
            away = {"service": "login", "stage": "request", "times": None}
            number = microsoft.order(away)
        else:
            microsoft.turn("secret", what)
        microsoft.end_tokens()
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self._failed_sign_ins() > before, REFUSED_SECONDS, "a refusal")
            self.done[f"sign-in {what}"] += 1
        if number:
            microsoft.cancel(number)
        else:
            microsoft.turn("secret", "valid")

    def _failed_sign_ins(self) -> int:
        """0 also where nobody tells, so soon after a start."""
        with contextlib.suppress(OSError):
            found = _FAILED_SIGN_INS.search(self.victim.get("/metrics")[1])
            if found is not None:
                return int(found[1])
        return 0

    def strike_by_chance(self, rng: random.Random) -> None:
        """Most strikes are kills; some are at what the service needs to sign in."""
        kind = rng.random()
        if kind < 0.4:
            self.kill_service(rng)
        elif kind < 0.75:
            self.kill_at_answer(rng)
        elif kind < 0.85:
            self.microsoft.end_tokens()
            self.done["tokens ended"] += 1
        else:
            self.refuse_sign_ins(rng.choice(("expired", "replaced", "away")))

    def await_copies(self, count: int, seconds: float) -> None:
        """Wait until Microsoft has so many. Raises AssertionError."""
        microsoft = self.microsoft
        wait_until(lambda: microsoft.look() >= count, seconds, "mail", again_seconds=0.2)

    # The end

    def _acknowledged(self) -> set[str]:
        events = read(self.ledger.file)
        return {one.uuid for one in events if isinstance(one, Final) and one.code < 300}

    def drain(self) -> list[str]:
        """End all trouble and wait until nothing waits any more; nothing is held."""
        self.trouble += self.microsoft.be_well()
        self.victim.admin("queue", "retry", "--all")
        wanted = self._acknowledged()
        # What is lost never comes; then the queue is empty.
        with contextlib.suppress(AssertionError):
            while not wanted <= self.microsoft.arrived:
                wait_until(self._has_more, QUIET_SECONDS, "more mail", again_seconds=0.2)
        wait_until(self._is_empty, EMPTY_SECONDS, "an empty queue", again_seconds=1.0)
        return []

    def _has_more(self) -> bool:
        before = self.microsoft.copies
        return self.microsoft.look() > before

    def _is_empty(self) -> bool:
        return not self.victim.admin_json("queue", "list", "--limit", "1")

    def verdict(self) -> Verdict:
        """Drain and judge."""
        held = self.drain()
        self.ledger.note(*self.microsoft.events())
        return judge(read(self.ledger.file), held)

    def told(self) -> str:
        """What was done and went wrong, for the report."""
        microsoft = self.microsoft
        parts = {
            "done": _counted(self.done),
            "by itself": _counted(self.trouble),
            "429": sum(microsoft.told("throttled")),
            "sooner than Retry-After": sum(microsoft.told("too_early")),
            "sessions at most": max(microsoft.told("most_connections")),
            "requests at once at most": max(microsoft.told("most_parallel_requests")),
            "most in 60 s": max(microsoft.told("most_in_window")),
        }
        return "; ".join(f"{name}: {value}" for name, value in parts.items())


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items()) if count)


@contextmanager
def microsoft_trial(
    folder: Path, seed: str, *, mailboxes: int, environment: Mapping[str, str] | None = None
) -> Iterator[MicrosoftTrial]:
    """A service that runs, with a pool of so many mailboxes for each way."""
    ledger, moments = Ledger(folder / "ledger"), Moments()
    number = random.Random(f"{seed}/microsoft").getrandbits(32)
    microsoft = Microsoft(folder / "emulator", mailboxes=mailboxes, seed=number)
    victim = Victim(folder / "data", environment=environment)
    try:
        victim.admin("tenant", "change", "--retry-first", "1", "--retry-longest", "2")
        for words, secret in microsoft.routes():
            victim.admin("route", "add", *words, stdin=secret)
        victim.start()
        reached = (Moment.ACKNOWLEDGED,)
        yield MicrosoftTrial(seed, victim, ledger, moments, microsoft, reached=reached)
    finally:
        victim.stop()
        microsoft.process.stop()
        ledger.close()
