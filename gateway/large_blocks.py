"""Large blocks of memory go back to the system as soon as nobody holds them.

The C library of Linux raises the size from which that is so to the largest block it has seen let go, and keeps what is below it, in each
thread: a few documents of some megabytes left hundreds of megabytes behind. This module MUST NOT matter where the library is another one.
"""

import contextlib
import ctypes
from typing import Final

LARGE: Final = 256 * 1024
"""Bytes."""
_M_MMAP_THRESHOLD: Final = -3
"""Of `mallopt(3)`; whoever sets it says that it does not change any more."""


def give_back_large_blocks() -> None:
    """From now on, in this process."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
