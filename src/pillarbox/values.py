"""Values of which many are made for each message.

    @quick(frozen=True, slots=True)
    class Reply: ...

The constructor of a frozen dataclass costs a call for each field. Those of `quick` are dataclasses
with the same equality and hash whose fields mypy alone keeps from being changed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

__all__ = ["quick"]

if TYPE_CHECKING:
    from dataclasses import dataclass as quick
else:

    def quick(*, frozen: bool, slots: bool):  # noqa: ANN201 - the type checker sees `dataclass`
        """A dataclass that is not guarded at run time."""
        return dataclass(unsafe_hash=frozen, slots=slots)
