"""Files that have to be whole, private and durable: keys, certificates, configuration."""

import os
from pathlib import Path


def replace_file(
    path: Path, octets: bytes, *, mode: int, owner: tuple[int, int] | None = None
) -> None:
    """Write a file under a new inode, durable on return: who reads at that moment, also after a
    power cut, finds the old one or the new one. `owner`: the ids of a user and a group."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    # The mode is set as the file is made: a key is never readable for others, not for a moment.
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None and owner != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), *owner)
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
