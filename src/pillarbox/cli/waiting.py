"""Why a recipient's mail is still here, in one sentence."""

from pillarbox.cli.times import duration
from pillarbox.mail.envelope import RecipientState, Timestamp


def why_waiting(
    state: RecipientState, next_attempt_at: Timestamp | None, *, attempts: int, now: Timestamp
) -> str:
    """The sentence for a recipient in this state. It leaves out the last reply: that stands
    beside it, in the words of the host that gave it."""
    due = None if next_attempt_at is None else (next_attempt_at - now) / 1000
    match state:
        case RecipientState.HELD:
            return "held by an administrator: release or bounce it"
        case RecipientState.QUEUED | RecipientState.DEFERRED if due is None:
            return "waits for an administrator"
        case RecipientState.QUEUED if due is not None and due > 0:
            return f"not tried yet; first attempt in {duration(due)}"
        case RecipientState.QUEUED:
            return "not tried yet; its turn comes when its next hop can be given more"
        case RecipientState.DEFERRED if due is not None and due > 0:
            return f"put off {_times(attempts)}; next attempt in {duration(due)}"
        case RecipientState.DEFERRED:
            return f"put off {_times(attempts)}; due, waits for a connection"
        case RecipientState.DELIVERED | RecipientState.CAPTURED:
            return "is done"
        case RecipientState.FAILED | RecipientState.EXPIRED:
            return "was given up"


def _times(attempts: int) -> str:
    return "once" if attempts == 1 else f"{attempts} times"
