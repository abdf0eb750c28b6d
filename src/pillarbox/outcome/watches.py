"""Who looks at results beside the store: each is told of every attempt."""

from dataclasses import dataclass

from pillarbox.outcome.bounce_watch import BounceWatch
from pillarbox.outcome.settle import Judgement, Tried
from pillarbox.outcome.unknown_watch import UnknownWatch


@dataclass(frozen=True, slots=True)
class Watches:
    """Those of one worker."""

    unknown: UnknownWatch
    bounces: BounceWatch

    def note(self, tried: Tried, judgement: Judgement) -> None:
        """An attempt has ended."""
        self.unknown.note(tried, judgement)
        if judgement.has_failed:
            self.bounces.note(tried, judgement)
