"""Connections belong to the process that opened them: one that is forked off begins without.

Both would speak on the same connection, and the good-bye of one would end it for the other.
"""

import os
from typing import Protocol
from weakref import WeakSet


class Owner(Protocol):
    """Who keeps connections."""

    def begin_anew(self) -> None:
        """In the process that was forked off: forget connections, and locks that others held."""


_owners: WeakSet[Owner] = WeakSet()


def renew_after_fork(owner: Owner) -> None:
    """Let it begin anew in each process that is forked off."""
    _owners.add(owner)


def _renew() -> None:
    for owner in list(_owners):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
