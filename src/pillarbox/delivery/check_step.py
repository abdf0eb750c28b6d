"""What a step of a check came to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """What a step came to. `fixes` are sentences and cmdlets, in the order to try them."""

    name: str
    is_ok: bool
    text: str
    fixes: tuple[str, ...] = ()
