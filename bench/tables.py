"""What was measured, as the tables of docs/performance.md."""

from collections.abc import Mapping, Sequence

from bench.long_profiles import Row
from bench.profiles import Profile
from bench.rounds import Round

OURS, THEIRS = "Pillarbox", "Postfix"


def usual_table(found: Mapping[Profile, Mapping[str, Round]]) -> list[str]:
    """The lines of the table of all profiles that give a rate."""
    with_postfix = any(THEIRS in rounds for rounds in found.values())
    if not with_postfix:
        head = ["profile", "through/s", "p99 ms", "CPU ms"]
        return _table(head, [[_title(p), *_alone(r[OURS])] for p, r in found.items()])
    head = ["profile", "Postfix through/s", "Pillarbox through/s", "ratio", "p99 ms"]
    head += ["CPU ms, Postfix", "CPU ms, Pillarbox"]
    return _table(head, [[_title(p), *_beside(r[THEIRS], r[OURS])] for p, r in found.items()])


def _title(profile: Profile) -> str:
    return f"{profile.name} {profile.title}"


def _alone(ours: Round) -> list[str]:
    return [_rate(ours), _milliseconds(ours.p99_ms), f"{ours.cpu_ms:.2f}"]


def _beside(theirs: Round, ours: Round) -> list[str]:
    return [
        _rate(theirs),
        _rate(ours),
        f"{ours.through_rate / theirs.through_rate:.1f}",
        f"{_milliseconds(theirs.p99_ms)} / {_milliseconds(ours.p99_ms)}",
        f"{theirs.cpu_ms:.2f}",
        f"{ours.cpu_ms:.2f}",
    ]


def _rate(one: Round) -> str:
    return f"{one.through_rate:,.0f}{'*' if one.generator_was_limit else ''}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def long_table(rows: Sequence[Row]) -> list[str]:
    """The lines of the table of P6, P7 and P7S."""
    names = list(rows[0].found)
    lines = [[row.title, *(row.found[name] for name in names)] for row in rows]
    return _table(["profile", *names], lines, figures=False)


def _table(
    head: Sequence[str], lines: Sequence[Sequence[str]], *, figures: bool = True
) -> list[str]:
    marks = ["---", *["---:" if figures else "---"] * (len(head) - 1)]
    rows = [f"| {' | '.join(words)} |" for words in (head, *lines)]
    return [rows[0], f"|{'|'.join(marks)}|", *rows[1:]]
