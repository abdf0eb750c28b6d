"""The words for one kind of failure. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FailureText:
    """Codes and texts of one kind. `what`, `cause` and `fix` may name `{hop}`, `{said}` (what the
    next hop answered) and `{detail}`."""

    code: int
    enhanced: str
    what: str
    cause: str
    fix: str


def failure_text(codes: str, what: str, cause: str, fix: str) -> FailureText:
    """A text; `codes` are both of them: "451 4.4.1"."""
    code, _, enhanced = codes.partition(" ")
    return FailureText(int(code), enhanced, what, cause, fix)
