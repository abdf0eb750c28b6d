"""What the owner of a lane writes about the windows of its next hop."""

from pillarbox.delivery.usage import Cost, Usage
from pillarbox.route import Window


def full(window: Window, *, seconds_ago: float) -> str:
    """The window was used up so long before this was written."""
    usage = Usage()
    usage.set_windows((window,))
    all_of_it = Cost(window.amount, window.amount, window.amount)
    usage.begin(all_of_it)
    usage.end(0.0, all_of_it, counts=True)
    return usage.last_plan(seconds_ago).text
