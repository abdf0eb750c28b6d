"""Pillarbox as it is, but for some constants: for what else would take hours or be hidden.

A pause of the product is made long where the test is that nobody needs to wait for it, or a day
short where the test is what happens at its end.
"""

import json
from collections.abc import Mapping
from pathlib import Path

_SITE = Path(__file__).parent / "constants_site"


def environment_with(constants: Mapping[str, float]) -> dict[str, str]:
    """What to add to the environment of a service that has these constants:
    `{"pillarbox.app.upkeep:PRUNE_SECONDS": 15}`."""
    return {"TEST_CONSTANTS": json.dumps(constants), "PYTHONPATH": str(_SITE)}
