"""Changes seeds at random: the short form of what the fuzzing engine does with more knowledge."""

import re
from pathlib import Path
from random import Random

FOLDER = Path(__file__).parent
_ENTRY = re.compile(r'"(.*)"')


def seeds(target: str) -> list[bytes]:
    """The inputs that are kept for a target: of our making, or found."""
    return [file.read_bytes() for file in sorted((FOLDER / "corpus" / target).iterdir())]


def words() -> list[bytes]:
    """The dictionary that the engine uses too."""
    lines = (FOLDER / "words.dict").read_text(encoding="ascii").splitlines()
    entries = [match[1] for line in lines if (match := _ENTRY.fullmatch(line))]
    return [entry.encode("ascii").decode("unicode_escape").encode("latin-1") for entry in entries]


def mutate(rng: Random, corpus: list[bytes], dictionary: list[bytes]) -> bytes:
    """One seed with a few changes."""
    octets = bytearray(rng.choice(corpus))
    for _ in range(rng.randint(1, 5)):
        start = rng.randint(0, len(octets))
        end = min(len(octets), start + rng.choice((0, 1, 2, 8, 32)))
        match rng.randrange(5):
            case 0:
                octets[start:start] = rng.choice(dictionary)
            case 1:
                octets[start:end] = rng.randbytes(end - start)
            case 2:
                del octets[start:end]
            case 3:
                octets[start:start] = octets[start:end] * rng.randint(1, 4)
            case _:
                other = rng.choice(corpus)
                cut = rng.randint(0, len(other))
                octets[start:] = other[cut:]
    return bytes(octets)
