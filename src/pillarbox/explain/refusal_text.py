"""Codes and words of one refusal (explain.refusals lists them). Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefusalText:
    """Codes and texts of one refusal. `text` may have places such as `{limit}` to fill."""

    code: int
    enhanced: str
    text: str
    cause_hint: str


def refusal_text(codes: str, text: str, cause_hint: str) -> RefusalText:
    """`codes` is the code and the enhanced code, with a blank between."""
    code, _, enhanced = codes.partition(" ")
    return RefusalText(int(code), enhanced, text, cause_hint)
