"""Time-ordered 64-bit ids, shown in Crockford's base32.

    63 ········ 22 | 21 ····· 12 | 11 ······ 0
    milliseconds   | instance    | sequence

Milliseconds count from 2020-01-01 UTC (good until 2159), the instance is the number of the
process (0 to 1023, leased in the store), the sequence counts inside a millisecond. The ids of one
process only grow, also when its clock is set back.
"""

from functools import lru_cache

from pillarbox.mail.envelope import Timestamp

EPOCH: Timestamp = 1_577_836_800_000
INSTANCES = 1024
ID_DIGITS = 13
_SEQUENCES = 4096
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHOWN = 4096
"""The same ids are shown again and again: a message in its reply and in the lines of the log."""

_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_VALUES = {digit: value for value, digit in enumerate(_ALPHABET)} | {
    "O": 0,
    "I": 1,
    "L": 1,
}


class IdGenerator:
    """Makes ids for one process."""

    def __init__(self, instance: int) -> None:
        if not 0 <= instance < INSTANCES:
            raise ValueError(f"instance {instance} is not within 0 to {INSTANCES - 1}")
        self._instance = instance << 12
        self._millisecond = 0
        self._sequence = 0

    def next_id(self, now: Timestamp) -> int:
        """The next id. More than 4,096 in one millisecond borrow from the next one."""
        millisecond = now - EPOCH
        if millisecond > self._millisecond:
            self._millisecond = millisecond
            self._sequence = 0
        else:
            self._sequence += 1
            if self._sequence == _SEQUENCES:
                self._millisecond += 1
                self._sequence = 0
        return (self._millisecond << 22) | self._instance | self._sequence


def time_of(identifier: int) -> Timestamp:
    """The moment at which the id was made."""
    return (identifier >> 22) + EPOCH


@lru_cache(_SHOWN)
def format_id(identifier: int) -> str:
    """13 digits of Crockford's base32; the order of texts is the order of ids."""
    pairs = _PAIRS
    return (
        _ALPHABET[identifier >> 60 & 31]
        + pairs[identifier >> 50 & 1023]
        + pairs[identifier >> 40 & 1023]
        + pairs[identifier >> 30 & 1023]
        + pairs[identifier >> 20 & 1023]
        + pairs[identifier >> 10 & 1023]
        + pairs[identifier & 1023]
    )


def parse_id(text: str) -> int:
    """The id that `format_id` wrote. Case, O for 0 and I or L for 1 do not matter.

    Raises ValueError for anything else.
    """
    if len(text) != ID_DIGITS:
        raise ValueError(f"an id has {ID_DIGITS} characters")
    number = 0
    for digit in text.upper():
        value = _VALUES.get(digit)
        if value is None:
            raise ValueError(f"{digit!r} does not occur in an id")
        number = (number << 5) | value
    if number >= 1 << 63:
        raise ValueError("no id is so large")
    return number
