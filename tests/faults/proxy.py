"""A line between the gateway and an engine or a recipient that breaks half way: so many bytes pass, then every connection is cut.

It listens on a port of loopback and passes on what it gets. It MUST NOT change, keep or look at a byte.
"""

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from enum import Enum, auto

RESET = struct.pack("ii", 1, 0)  # linger for no time: the other side hears a reset, as from a cable that was pulled
CHUNK = 65_536


class Way(Enum):
    """Which bytes are counted."""

    THERE = auto()
    BACK = auto()


class Proxy:
    """Everything in a thread of its own. `port` is where it listens, `target` the port that it passes on to."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.cuts = 0
        self._left: tuple[Way, int] | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        opened = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._join, "127.0.0.1", 0), self._loop)
        self._server = opened.result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def cut_after(self, number: int, way: Way) -> None:
        """Once: when that many more bytes have passed in this direction, every connection is cut."""
        self._loop.call_soon_threadsafe(self._arm, number, way)

    def _arm(self, number: int, way: Way) -> None:
        self._left = (way, number)

    def let_pass(self) -> None:
        """A cut that nothing has met yet is off. Returns when it is."""

        async def disarm() -> None:
            self._left = None

        asyncio.run_coroutine_threadsafe(disarm(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        self._cut()
        own = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not own]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways, until one side ends."""
        self._lines.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self._drop(writer)
            return
        self._lines.add(back)
        await asyncio.gather(self._pass_on(reader, back, Way.THERE), self._pass_on(there, writer, Way.BACK))
        self._drop(writer)
        self._drop(back)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                left = self._left
                if left is not None and left[0] is way:
                    if len(data) >= left[1]:
                        writer.write(data[: left[1]])
                        self._left = None
                        self.cuts += 1
                        self._cut()
                        return
                    self._left = (way, left[1] - len(data))
                writer.write(data)
                await writer.drain()
        if not writer.is_closing():
            with suppress(OSError):
                writer.write_eof()

    def _cut(self) -> None:
        for writer in list(self._lines):
            self._drop(writer)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        if writer in self._lines:
            self._lines.discard(writer)
            line = writer.get_extra_info("socket")
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
