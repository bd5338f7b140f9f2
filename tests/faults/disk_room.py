"""How many more writes a disk takes before it is full, for processes that disk_log.c is loaded into."""

import mmap
import os
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

_LEFT, _REFUSED = 0, 8  # two numbers of eight bytes, which disk_log.c shares


class Room:
    """The disk of all files whose paths begin with `root`; `environment` is what a process gets whose disk it is."""

    def __init__(self, folder: Path, library: Path, root: str) -> None:
        """In a folder that the process's user may go into: an engine's is not ours."""
        self._path = folder / "room"
        self._path.write_bytes(struct.pack("qq", -1, 0))
        self._path.chmod(0o666)
        self._library, self._root = Path(shutil.copy(library, folder)), root
        with self._path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 16)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "DISK_LOG": os.devnull,
            "DISK_LOG_ROOT": self._root,
            "DISK_ROOM": str(self._path),
        }

    def limit(self, writes: int) -> None:
        """So many more; a negative number: no end."""
        self._put(_LEFT, writes)

    def free(self) -> int:
        """There is room again; the answer is what was left of it."""
        left = self._get(_LEFT)
        self.limit(-1)
        return left

    @property
    def refused(self) -> int:
        """How many writes found no room, ever."""
        return self._get(_REFUSED)

    def _put(self, at: int, number: int) -> None:
        self._shared[at : at + 8] = struct.pack("q", number)

    def _get(self, at: int) -> int:
        return int(struct.unpack("q", self._shared[at : at + 8])[0])
