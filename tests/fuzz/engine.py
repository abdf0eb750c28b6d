"""Runs one fuzz target with atheris, guided by coverage, until time is up or it finds something.

    python -m tests.fuzz.engine TARGET [options of libFuzzer] [folders]

`make fuzz` calls it for each target. What breaks is written to the folder of `-artifact_prefix`.
"""

import importlib
import sys

import atheris


def main(arguments: list[str]) -> None:
    """Fuzz; ends the process."""
    name = arguments.pop(1)
    with atheris.instrument_imports(include=["pillarbox"]):
        targets = importlib.import_module("tests.fuzz.targets")
    atheris.Setup(arguments, targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
