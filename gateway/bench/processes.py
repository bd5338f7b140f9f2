"""The processes of a run: each is started, watched for its memory, frozen while another is measured, and ended. None outlives the run."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Self

from gateway.errors import ThroughgateError

START_SECONDS = 60
END_SECONDS = 30
STATUS = re.compile(r"VmHWM:\s+(\d+) kB")


class DidNotStart(ThroughgateError):
    """A process of the bench ended, or was not ready in time; its last words are the text."""


class Process:
    """One child. `name` is what results call it; its errors go to `log`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self.output = process.stdout
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, command: Sequence[str], log: Path, *, speaks: bool) -> Self:
        """Start it. What it says is read by the caller where it `speaks`, else it goes to `log` as its errors do."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE if speaks else errors,
                stderr=errors,
                limit=1 << 20,
                start_new_session=True,
            )
        return cls(name, process, log)

    def last_words(self) -> str:
        return self._log.read_text("utf-8", errors="replace")[-2000:]

    async def ready_at(self, port: int) -> None:
        """Wait until it listens. Raises DidNotStart."""
        ends = time.monotonic() + START_SECONDS
        while self._process.returncode is None and time.monotonic() < ends:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)
        raise DidNotStart(f"{self.name} did not start: {self.last_words()}")

    async def says(self, line: str) -> None:
        """Wait for its first line, which is this one. Raises DidNotStart."""
        assert self.output is not None
        async with asyncio.timeout(START_SECONDS):
            if (await self.output.readline()).decode().strip() != line:
                raise DidNotStart(f"{self.name} did not start: {self.last_words()}")

    def peak_mb(self) -> float:
        """The most memory that was ever resident, in megabytes of 10^6 bytes; its own children are not in it."""
        found = STATUS.search(Path(f"/proc/{self.pid}/status").read_text("utf-8"))
        return round(int(found[1]) * 1024 / 1e6, 1) if found else 0.0

    def cpu_seconds(self) -> float:
        """Processor time that it has used, which a machine with other things to do changes least."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It gets no processor inside."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    async def end(self) -> None:
        """SIGTERM, and SIGKILL for one that does not hear it."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


@contextlib.asynccontextmanager
async def running(name: str, command: Sequence[str], log: Path, *, speaks: bool = False) -> AsyncIterator[Process]:
    """A process for the length of a block."""
    process = await Process.start(name, command, log, speaks=speaks)
    try:
        yield process
    finally:
        await process.end()


def python(module: str, *arguments: str) -> list[str]:
    """A module of ours in a Python of its own."""
    return [sys.executable, "-m", module, *arguments]
