"""Adds up the metrics of several workers, each in the text format of Prometheus. Pure."""

from collections.abc import Sequence

_HIGHEST = ("_start_time_seconds", "_max_fds", "_draining", "_in_trouble")
"""Of these the highest counts, not the sum."""


def add_up(texts: Sequence[bytes]) -> bytes:
    """One text with each sample once."""
    if len(texts) == 1:
        return texts[0]
    lines: dict[str, float | None] = {}
    for text in texts:
        for line in text.decode().splitlines():
            if line.startswith("#"):
                lines.setdefault(line, None)
                continue
            name, _, number = line.rpartition(" ")
            value = float(number)
            before = lines.get(name)
            if before is None:
                lines[name] = value
            elif name.endswith(_HIGHEST):
                lines[name] = max(before, value)
            else:
                lines[name] = before + value
    return "".join(
        f"{name}\n" if value is None else f"{name} {value!r}\n" for name, value in lines.items()
    ).encode()
