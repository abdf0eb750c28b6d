"""A next hop that takes nothing before somebody changes something, a login that was switched off
say: what is known of that, when it is told, and when it is over.

Such a hop is closed and probed like one that can not be reached (delivery.pacing), so no mail
bounces; it waits, and expires as any other. What this adds is the reason, and one alert.
"""

import math

from pillarbox.delivery.courier import AttemptResult, HopReason
from pillarbox.explain.replies import Explanation
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.reply import Reply
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.store.suspensions import Suspension

REFUSALS = 2
"""So many messages in a row have to be refused: a single one may be refused for its own sake, in
words that sound like more."""


class Standstill:
    """One for each lane. `now` is a monotonic time in seconds, `wall` the time of day."""

    def __init__(self, hop: str) -> None:
        self._hop = hop
        self.suspension: Suspension | None = None
        """Why the hop takes nothing; None while it does, or may do so again by itself."""
        self._began = -math.inf
        self._refusals = 0

    def believes(self, reason: HopReason | None) -> bool:
        """Whether a failure counts for the hop. A refusal of mail in a session that stands does
        only if it is not the first."""
        if reason is None or not reason.session_stands or self.suspension is not None:
            return True
        self._refusals += 1
        return self._refusals >= REFUSALS

    def close(
        self, failure: Reply, reason: HopReason | None, *, pause: float, now: float, wall: Timestamp
    ) -> None:
        """The hop was closed for `pause` seconds: tell it. A suspension is told once, at its begin;
        a probe that fails in another way does not show that it is over."""
        reply = str(failure)
        if self.suspension is not None:
            log.info("delivery.probe_failed", next_hop=self._hop, reply=reply, pause_seconds=pause)
        elif reason is None or not reason.explanation.suspends:
            log.warning("delivery.hop_closed", next_hop=self._hop, reply=reply, pause_seconds=pause)
        else:
            self._began = now
            self._suspend(reason.said or reply, reason.explanation, wall)

    def _suspend(self, said: str, why: Explanation, wall: Timestamp) -> None:
        remedy = why.remedy.value
        self.suspension = Suspension(wall, said, why.id, remedy, why.cause, why.fix)
        metrics.HOPS_SUSPENDED.inc()
        log.warning(
            "delivery.hop_suspended",
            next_hop=self._hop,
            reply=said,
            explanation=why.id,
            remedy=remedy,
            cause=why.cause,
            fix=why.fix,
        )

    def inherit(self, suspension: Suspension) -> None:
        """It was suspended when another process had the lane; that was told then."""
        self.suspension = suspension

    def is_probe_put_off(self, result: AttemptResult) -> bool:
        """Whether a suspended hop put off what was to show whether it takes mail again."""
        return self.suspension is not None and result.throttled

    def is_older(self, begun: float) -> bool:
        """Whether an attempt was under way already when the hop was suspended: it shows nothing."""
        return self.suspension is not None and begun < self._began

    def end(self) -> None:
        """An attempt went through."""
        self._refusals = 0
        if self.suspension is not None:
            self.suspension = None
            log.warning("delivery.hop_resumed", next_hop=self._hop)
