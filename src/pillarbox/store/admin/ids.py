"""Ids of rows of the directory. They are made by processes that hold no instance number, so the
lower part is random."""

import secrets

from pillarbox.mail.envelope import Timestamp
from pillarbox.store.due import first_id

_RANDOM_BITS = 22


def directory_id(now: Timestamp) -> int:
    """A new id, in order of time."""
    return first_id(now) | secrets.randbits(_RANDOM_BITS)
