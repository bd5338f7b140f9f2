"""Bytes into MLLP frames, however they were cut. Holds the bytes of one connection and nothing else; it MUST NOT read a message.

A frame is <VT> payload <FS><CR>. What stands outside frames is junk: counted, never kept. An <FS> that is followed by anything but
<CR> or a new <VT> belongs to the payload, so that a message is never cut short in silence; one with nothing behind it may be ended
by `end_without_cr` when the sender leaves its <CR> out. A frame that begins again inside (`<VT>MSH`) drops the unfinished one,
which was never acknowledged and will be sent again.
"""

import re
from typing import Final

VT: Final = 0x0B
FS: Final = 0x1C
CR: Final = 0x0D
_RESTART: Final = b"\x0bMSH"
_END: Final = re.compile(rb"\x1c[\x0d\x0b]")


class FrameTooLarge(Exception):
    """The frame is beyond the limit. `beginning` is its first bytes, so that a refusal can name the message."""

    def __init__(self, beginning: bytes) -> None:
        super().__init__("frame too large")
        self.beginning = beginning


class Frames:
    """One connection's reader. `junk_bytes` counts what stood outside frames (line ends between frames do not count)."""

    def __init__(self, max_frame_bytes: int) -> None:
        self.max_frame_bytes = max_frame_bytes
        self.junk_bytes = 0
        self._buffer = bytearray()
        self._inside = False
        self._searched = 0

    @property
    def buffered(self) -> int:
        """Bytes held now."""
        return len(self._buffer)

    @property
    def inside(self) -> bool:
        """Has a frame begun that has not ended?"""
        return self._inside

    @property
    def waits_for_cr(self) -> bool:
        """Is <FS> the last byte so far?"""
        return self._inside and bool(self._buffer) and self._buffer[-1] == FS

    def feed(self, data: bytes) -> None:
        """Take what came in. Ask `next` for frames."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole frame's payload, or None. Raises FrameTooLarge."""
        if not self._inside and not self._begin():
            return None
        end = self._find_end()
        length = len(self._buffer) if end is None else end
        if length > self.max_frame_bytes + (1 if end is None and self.waits_for_cr else 0):
            raise FrameTooLarge(bytes(self._buffer[: self.max_frame_bytes]))
        return None if end is None else self._take(end)

    def end_without_cr(self) -> bytes | None:
        """The frame whose last byte is <FS> and whose <CR> did not come; None when that is not so."""
        return self._take(len(self._buffer) - 1) if self.waits_for_cr else None

    def _begin(self) -> bool:
        """Skip to behind the next <VT>, counting junk."""
        start = self._buffer.find(VT)
        before = self._buffer if start < 0 else self._buffer[:start]
        self.junk_bytes += len(before) - before.count(CR) - before.count(b"\n")
        if start < 0:
            self._buffer.clear()
            return False
        del self._buffer[: start + 1]
        self._inside, self._searched = True, 0
        return True

    def _find_end(self) -> int | None:
        """Where the payload ends: the first <FS> with <CR> or <VT> behind it. Each byte is searched once."""
        if found := _END.search(self._buffer, self._searched):
            return found.start()
        self._searched = len(self._buffer) - (1 if self.waits_for_cr else 0)
        return None

    def _take(self, end: int) -> bytes:
        payload = bytes(self._buffer[:end])
        followed_by_cr = len(self._buffer) > end + 1 and self._buffer[end + 1] == CR
        del self._buffer[: end + (2 if followed_by_cr else 1)]
        self._inside = False
        restart = payload.rfind(_RESTART)
        if restart >= 0:
            self.junk_bytes += restart
            payload = payload[restart + 1 :]
        return payload


def framed(payload: bytes) -> bytes:
    """<VT> payload <FS><CR>."""
    return b"\x0b" + payload + b"\x1c\x0d"
