"""Whether the service takes mail, as /readyz tells it."""

from dataclasses import asdict, dataclass, field

import orjson


@dataclass(frozen=True, slots=True)
class Readiness:
    """`problems` says why it takes none; `listeners`: name to address and port."""

    problems: list[str] = field(default_factory=list)
    listeners: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The body of /readyz."""
        return orjson.dumps(
            {"ready": not self.problems, **asdict(self)}, option=orjson.OPT_APPEND_NEWLINE
        )
