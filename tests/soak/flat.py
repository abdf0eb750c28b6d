"""What is measured of the service, and when a series of it counts as flat. Linux: /proc."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The last third may be so much above the middle third: a share of it, and so much more."""

    share: float
    more: int


TOLERANCES = {
    "RSS": Tolerance(0.05, 4 * MIB),
    "files": Tolerance(0.1, 10),
    "threads": Tolerance(0, 1),
    "database": Tolerance(0.1, 8 * MIB),
    "log": Tolerance(0.1, 8 * MIB),
}
"""By the last word of what was measured. Open files are sessions and connections too, which come
and go; database and log (WAL) grow by whole messages of up to 5 MiB."""

Sample = Mapping[str, int]
"""Octets and counts by name: `worker 1 RSS`, `database`."""


def sample(processes: Mapping[str, int], database: Path) -> Sample:
    """Measure processes, by what they are called, and a SQLite database."""
    found: dict[str, int] = {}
    for name, pid in processes.items():
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in status)
        found[f"{name} RSS"] = int(fields["VmRSS"].split()[0]) * KIB
        found[f"{name} threads"] = int(fields["Threads"])
        found[f"{name} files"] = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    log = database.with_name(f"{database.name}-wal")
    found["database"] = database.stat().st_size
    found["log"] = log.stat().st_size if log.exists() else 0
    return found


def growth(samples: Sequence[Sample]) -> list[str]:
    """What is not flat: the median of the last third is above that of the middle third by more
    than its tolerance."""
    third = len(samples) // 3
    said = []
    for name in samples[0]:
        series = [one[name] for one in samples]
        middle, last = median(series[third:-third]), median(series[-third:])
        tolerance = TOLERANCES[name.split()[-1]]
        if last > middle * (1 + tolerance.share) + tolerance.more:
            said.append(f"{name}: {middle:,.0f}, then {last:,.0f}")
    return said


def row(minute: float, one: Sample, queued: int, acknowledged: int) -> str:
    """A line for people."""
    words = [f"{minute:5.1f} min", f"{acknowledged} acknowledged", f"{queued} queued"]
    for name, value in one.items():
        is_octets = name.split()[-1] in {"RSS", "database", "log"}
        words.append(f"{name} {value / MIB:.0f} MiB" if is_octets else f"{name} {value}")
    return ", ".join(words)
