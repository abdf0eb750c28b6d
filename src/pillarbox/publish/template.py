"""Templates of examples: marks like @SERVER@ in a text, filled for one language. Pure."""

import re
from collections.abc import Callable, Mapping

from pillarbox.publish.client_settings import (
    EXAMPLE_RECIPIENT,
    PASSWORD_PLACEHOLDER,
    ClientSettings,
)

_MARK = re.compile(r"@([A-Z_]+)@")


def fill(
    template: str,
    settings: ClientSettings,
    literal: Callable[[str], str],
    facts: Mapping[str, str],
) -> str:
    """Put the facts into a template. A line that holds nothing but an empty fact goes away.

    Each mark is replaced in one pass: what a password holds is never looked at again.
    """
    values = {
        "SERVER": literal(settings.server),
        "PORT": str(settings.preferred_door().port),
        "USER": literal(settings.username),
        "SENDER": literal(settings.sender),
        "PASSWORD": literal(settings.password or PASSWORD_PLACEHOLDER),
        "RECIPIENT": literal(EXAMPLE_RECIPIENT),
        **facts,
    }
    lines: list[str] = []
    for line in template.strip("\n").split("\n"):
        filled = _MARK.sub(lambda match: values[match[1]], line)
        if filled or not line:
            lines.append(filled)
    return "\n".join(lines)
