"""How long ago something was written to the store, also when a clock was set meanwhile.

The store tells times by the clock of the database. On the machine where it was written, and until
that starts anew, there is one that nobody sets: the shorter of both times holds, so what was used
of a limit counts too long rather than too short.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from pillarbox.store.lanes import SavedUsage

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Uptime:
    """Milliseconds since this start of this machine; `boot` names it, "" if nobody knows."""

    boot: str
    milliseconds: int


def uptime() -> Uptime:
    """Now. Time in which the machine slept counts."""
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        boot = ""
    return Uptime(boot, int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000))


def elapsed_ms(saved: SavedUsage, now: Uptime) -> int:
    """How long ago it was written, at least."""
    elapsed = saved.age_ms
    if now.boot and saved.record.boot == now.boot:
        elapsed = min(elapsed, now.milliseconds - saved.record.uptime_ms)
    return max(elapsed, 0)
