"""Workers take turns at one file."""

import threading
from pathlib import Path

from pillarbox.store.turns import Turns


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    """Until the turn ends, or its process does."""
    file = tmp_path / "pillarbox.sqlite3"
    first, second = Turns(file), Turns(file)
    order: list[str] = []
    first.begin()

    def wait() -> None:
        second.begin()
        order.append("second")

    waiting = threading.Thread(target=wait)
    waiting.start()
    order.append("first")
    first.end()
    waiting.join(10)

    assert order == ["first", "second"]
    second.close()
    first.begin()
    first.close()


def test_postgresql_needs_no_turns() -> None:
    """Nothing is opened, and nobody waits."""
    turns = Turns(None)

    turns.begin()
    turns.begin()
    turns.end()
    turns.close()
