"""Notices recipients that nobody has, so that their tenant does not send to them again for a while.
Waits in memory until somebody writes it down; what is lost in a crash comes back once more."""

from pillarbox.explain.remedies import Bounce
from pillarbox.explain.replies import ReplyContext, bounce_of
from pillarbox.mail.envelope import RecipientState
from pillarbox.outcome.settle import Judgement, Tried
from pillarbox.store.suppressions import Bounced

MOST_WAITING = 10_000
"""More than so many between two looks are not noticed."""


class BounceWatch:
    """Counts for one worker."""

    def __init__(self) -> None:
        self._bounced: list[Bounced] = []

    def note(self, tried: Tried, judgement: Judgement) -> None:
        """An attempt has ended by which a recipient failed."""
        days = tried.tenant.suppress_days
        if not days or not tried.is_attempt or tried.message.account_id is None:
            return
        if len(self._bounced) >= MOST_WAITING:
            return
        for spooled in tried.recipients:
            number = spooled.recipient.number
            record = next((one for one in judgement.records if one.number == number), None)
            # Only what a next hop said: our own verdicts are about the route.
            if record is None or record.state is not RecipientState.FAILED:
                continue
            context = ReplyContext(host=record.remote_host)
            if record.remote_host and bounce_of(record.reply, context) is Bounce.HARD:
                key = spooled.recipient.forward_path.key
                self._bounced.append(Bounced(tried.tenant.tenant_id, key, str(record.reply), days))

    def take(self) -> list[Bounced]:
        """What was noticed since the last time."""
        found, self._bounced = self._bounced, []
        return found
