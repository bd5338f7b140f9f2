"""A folder that two systems share: is it fit to hold letters, and how a file gets there so that it is whole or not there at all."""

import os
import stat
from pathlib import Path
from typing import Final

_OTHERS: Final = 0o007


class FolderUnfit(OSError):
    """The folder is not there, is no folder, or can be read or written by everybody. The text says which, and names no file."""


def require_fit(folder: Path) -> None:
    """INVARIANT: nothing about anyone is put where everybody can read, or taken from where everybody can write. Raises FolderUnfit."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        raise FolderUnfit("the folder is not there") from None
    if not stat.S_ISDIR(mode):
        raise FolderUnfit("it is not a folder")
    if mode & _OTHERS:
        raise FolderUnfit("others can use the folder: chmod o-rwx")


def write_beside(folder: Path, name: str, body: bytes) -> Path:
    """The bytes on disk under a hidden name of mode 0600; rename it to `name`. Raises OSError, and then nothing is left."""
    beside = folder / f".{name}.part"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(body)
        os.fsync(descriptor)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return beside


def sync(folder: Path) -> None:
    """What was renamed or removed in the folder survives a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put(folder: Path, name: str, body: bytes) -> None:
    """A whole file under its name, durable when this returns. Raises OSError."""
    write_beside(folder, name, body).rename(folder / name)
    sync(folder)
