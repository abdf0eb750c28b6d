"""Libraries in C that are loaded before all others and change what calls of a process do."""

from pathlib import Path

from tests.e2e.programs import program, run


def build(source: str, folder: Path) -> Path:
    """Make one of the libraries beside this file, for LD_PRELOAD."""
    library = (folder / source).with_suffix(".so")
    options = ("-shared", "-fPIC", "-O2", "-Wall", "-Werror")
    path = Path(__file__).with_name(source)
    run([program("cc", "gcc libc6-dev"), *options, "-o", library, path])
    return library
