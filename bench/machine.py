"""What a service uses, by /proc: of its first process and all below it."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 11, 12, 13, 14
"""Places in /proc/PID/stat behind the name of the program."""


@dataclass(frozen=True, slots=True)
class Use:
    """CPU time so far, that of ended processes too; memory now. Pages that several processes
    share count in each of them for `rss_octets`, and once for `pss_octets`."""

    cpu_seconds: float
    rss_octets: int
    pss_octets: int
    processes: int


def use_of(leader: int) -> Use:
    """What the processes from `leader` on use."""
    stats = _stats()
    below = [leader]
    for pid in below:
        below += [child for child, fields in stats.items() if int(fields[_PARENT]) == pid]
    ticks = sum(
        int(stats[pid][place])
        for pid in below
        if pid in stats
        for place in (_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM)
    )
    sizes = [_sizes(pid) for pid in below]
    return Use(
        ticks / _TICK, sum(rss for rss, _ in sizes), sum(pss for _, pss in sizes), len(below)
    )


def _stats() -> dict[int, list[str]]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def _sizes(pid: int) -> tuple[int, int]:
    """RSS and PSS in octets; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines[1:])
    return int(fields["Rss"].split()[0]) * 1024, int(fields["Pss"].split()[0]) * 1024


def describe() -> str:
    """This machine, in a line."""
    names = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0))
    return (
        f"{next(names, 'processor')}, {cores} cores, {memory:.1f} GiB, Linux {os.uname().release}"
    )
