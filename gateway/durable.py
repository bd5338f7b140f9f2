"""Files that have to survive a power cut: whole on disk, and so is the name that each has in its folder.

Who renames one to its place syncs the folder after it. This module MUST NOT write over anything but what it is told to.
"""

import os
from pathlib import Path

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
OVER = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def write(path: Path, body: bytes, how: int) -> None:
    """All of it, on disk, mode 0600. `how` is NEW (FileExistsError where it is there) or OVER. Raises OSError."""
    with os.fdopen(os.open(path, how, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """What was made, renamed or removed in this folder stays so. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """The folder, mode 0700, and those above it that are not there. Nothing happens to one that is there."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync(folder.parent)
