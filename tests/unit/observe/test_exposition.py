"""The metrics of several workers become one text."""

from pillarbox.observe.exposition import add_up

FIRST = b"""# HELP pillarbox_x_total Things.
# TYPE pillarbox_x_total counter
pillarbox_x_total{state="a"} 2.0
pillarbox_process_start_time_seconds 100.0
"""
SECOND = b"""# HELP pillarbox_x_total Things.
# TYPE pillarbox_x_total counter
pillarbox_x_total{state="a"} 3.0
pillarbox_x_total{state="b c"} 1.0
pillarbox_process_start_time_seconds 90.0
"""


def test_one_worker_is_told_as_it_is() -> None:
    """Nothing is parsed where nothing has to be added."""
    assert add_up([FIRST]) == FIRST


def test_samples_are_added_and_moments_are_not() -> None:
    """Each sample once; of start times the latest."""
    assert add_up([FIRST, SECOND]).decode().splitlines() == [
        "# HELP pillarbox_x_total Things.",
        "# TYPE pillarbox_x_total counter",
        'pillarbox_x_total{state="a"} 5.0',
        "pillarbox_process_start_time_seconds 100.0",
        'pillarbox_x_total{state="b c"} 1.0',
    ]


def test_nobody_answers() -> None:
    """Then there is nothing to tell."""
    assert add_up([]) == b""
