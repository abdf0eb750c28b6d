"""Waiting for what can be observed from outside, with a deadline. Nothing here is a fixed pause."""

import select
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

LOOK_AGAIN_SECONDS = 0.02


def wait_until(
    look: Callable[[], Result],
    seconds: float,
    what: str,
    *,
    again_seconds: float = LOOK_AGAIN_SECONDS,
) -> Result:
    """Look again and again until there is something true; that is the result.

    Raises AssertionError, which says `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        select.select([], [], [], again_seconds)
