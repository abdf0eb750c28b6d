"""What of a sign-in ends soon, so that somebody renews it in time. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pillarbox.mail.envelope import Timestamp

STAGES_DAYS: Final = (3, 14, 30)
"""A warning is given when so many days are left, the most urgent first."""

UNUSED_DAYS: Final = 60
"""Refresh tokens of Microsoft end when they were not used for 90 days."""

_DAY_MS = 86_400_000


class What(StrEnum):
    """What ends."""

    SECRET = "client secret"  # noqa: S105 - the name of a thing
    CERTIFICATE = "certificate"
    GRANT = "grant"


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends. `stage` is one of STAGES_DAYS, 0 after the end; of a grant that nobody
    uses it is UNUSED_DAYS, and `days` says since when."""

    what: What
    days: int
    stage: int

    def __str__(self) -> str:
        if self.what is What.GRANT:
            return (
                f"the {self.what} was not used for {self.days} days: sign in again before it ends"
            )
        if self.stage == 0:
            return f"the {self.what} has ended: give the route another one"
        return f"the {self.what} ends in {self.days} days: give the route another one"


def endings(
    *,
    secret_ends_at: Timestamp | None,
    certificate_ends_at: Timestamp | None,
    grant_used_at: Timestamp | None,
    now: Timestamp,
) -> list[Ending]:
    """What of one sign-in deserves a warning now; None: there is no such thing."""
    found = []
    for what, end in ((What.SECRET, secret_ends_at), (What.CERTIFICATE, certificate_ends_at)):
        ending = None if end is None else _ending(what, end - now)
        if ending is not None:
            found.append(ending)
    if grant_used_at is not None and now - grant_used_at >= UNUSED_DAYS * _DAY_MS:
        found.append(Ending(What.GRANT, (now - grant_used_at) // _DAY_MS, UNUSED_DAYS))
    return found


def _ending(what: What, left_ms: int) -> Ending | None:
    if left_ms <= 0:
        return Ending(what, 0, 0)
    days = left_ms // _DAY_MS
    stage = next((stage for stage in STAGES_DAYS if left_ms <= stage * _DAY_MS), None)
    return None if stage is None else Ending(what, days, stage)
