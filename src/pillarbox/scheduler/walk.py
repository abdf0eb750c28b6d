"""How far a walk over the waiting mail of a lane has come (scheduler.loader)."""

from dataclasses import dataclass

from pillarbox.mail.envelope import Timestamp

STEP_MESSAGES = 200
"""Messages of one step; between two steps other lanes have their turn."""

WALK_SECONDS = 60.0
"""So often mail that waits is looked at."""


@dataclass(slots=True, eq=False)
class Walk:
    """Over all that came before a moment, from the queue id `after` on. `unnotified`: only those
    without a delay notice. One step a second, unless it `is_urgent`."""

    received_before: Timestamp
    unnotified: bool = False
    is_urgent: bool = False
    after: int = 0
