"""The order of a worker goes through a command line."""

from pathlib import Path

from pillarbox.app.order import WorkerOrder


def test_an_order_survives_the_command_line() -> None:
    """What the supervisor writes is what the worker reads."""
    order = WorkerOrder("/etc/x.toml", 1, 2, "token", ("a", "b"), {"submission": 4}, 5, 6, 7)

    assert WorkerOrder.from_text(order.to_text()) == order
    assert order.config_path == Path("/etc/x.toml")


def test_without_a_file_the_environment_configures() -> None:
    """An empty name is no file."""
    assert WorkerOrder("", 0, 1, "token", (), {}, 5, 6, 7).config_path is None
