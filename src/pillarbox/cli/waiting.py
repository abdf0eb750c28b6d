"""Why a recipient's mail is still here, in one sentence."""

from pillarbox.cli.output import printable
from pillarbox.cli.times import duration, for_people
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.store.database import Database
from pillarbox.store.hop_orders import HopOrder, list_orders


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


def pause_text(order: HopOrder) -> str:
    """Of a next hop that is paused: until when, and why."""
    until = f"until {for_people(order.paused_until)}" if order.paused_until else "by order"
    return f"paused {until}{f': {printable(order.reason)}' if order.reason else ''}"


def paused_hops(database: Database, now: Timestamp) -> dict[str, str]:
    """Why mail of each next hop that is paused waits, in one sentence."""
    orders = database.read_now(list_orders)
    return {
        hop: f"its next hop is {pause_text(order)}"
        for hop, order in orders.items()
        if order.is_paused(now)
    }
