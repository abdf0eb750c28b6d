"""The tokens of workers outlive a service that was killed."""

from pathlib import Path

from pillarbox.supervisor.tokens import FILE_NAME, TokenFile


def test_tokens_are_read_again(tmp_path: Path) -> None:
    """The next service learns under which tokens lanes may still be owned."""
    TokenFile(tmp_path).write(["a", "b"])
    TokenFile(tmp_path).write(["b", "c"])

    assert TokenFile(tmp_path).read() == ["b", "c"]


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    """The first start; a file that is no text is worth as little."""
    assert TokenFile(tmp_path).read() == []

    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe")

    assert TokenFile(tmp_path).read() == []


def test_a_folder_that_can_not_be_written_hurts_nobody(tmp_path: Path) -> None:
    """Leases end by themselves."""
    TokenFile(tmp_path / "missing").write(["a"])
