"""Takes messages from a watched folder: one client, one file at a time, in the order of their times.

    folder/name           the sender's; taken when it has lain still
    folder/taken/name     in hand: claimed by a rename, kept until its answer is on disk
    folder/answered/name.ack     the acknowledgement, whole or not there
    folder/refused/name   moved aside, with name.error beside it

A name that is used again before the sender has read what was said of the first replaces nothing: the next are `name.2.ack`, `name.2` and
`name.2.error`.

INVARIANT: custody before removal. A file leaves `taken/` only when the gateway has committed it and its answer is on disk; whatever a
crash leaves there is handed over again, and the same bytes get the same answer. One process at a time takes from a folder. This
module MUST NOT read, keep or write about what a file holds, nor say its name to anybody but the sender.
"""

import asyncio
import contextlib
import fcntl
import heapq
import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from adapters.contract import Accept, Answer, Arrival
from adapters.file_drop.folder import put, require_fit, sync
from adapters.file_drop.settings import InboundSettings

UNFINISHED = (".part", ".tmp")
_LONGEST_NAME = 200  # bytes: an ending is added to it
_UNREADABLE = Answer(
    body=b"the file cannot be read here: see to its mode and owner\n", content_type="text/plain", status=403
)


@dataclass(kw_only=True)
class Counts:
    """What a folder has given. Numbers only."""

    taken: int = 0
    answered: int = 0
    refused: int = 0
    left_out: int = 0
    """Names that are never taken: a link, a folder, a name too long to be answered."""
    failures: int = 0


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """How a file lay there, and since when (the loop's clock)."""

    size: int
    changed: int
    since: float


class FileDropInbound:
    """The watcher of one channel. `start` returns when it watches."""

    def __init__(self, settings: InboundSettings) -> None:
        self.settings = settings
        self.counts = Counts()
        self._accept: Accept | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._seen: dict[str, _Seen] = {}
        self._lock: int | None = None
        self._taken, self._answered, self._refused = (
            settings.folder / name for name in ("taken", "answered", "refused")
        )

    def counted(self) -> Mapping[str, int]:
        """Its counts, by name."""
        return asdict(self.counts)

    async def start(self, accept: Accept) -> None:
        """Watch. Raises OSError when the folder is not there or everybody can use it."""
        require_fit(self.settings.folder)
        for folder in (self._taken, self._answered, self._refused):
            folder.mkdir(mode=0o770, exist_ok=True)
            require_fit(folder)
        self._accept = accept
        self._stopping.clear()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Take no more, and let the file in hand finish."""
        self._stopping.set()
        if self._watching is not None:
            await asyncio.wait({self._watching}, timeout=self.settings.stop_seconds)
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                if await asyncio.to_thread(self._is_ours):
                    await self._turn()
            except Exception:  # noqa: BLE001 - a folder that is away for a while, or an answer that did not come: looked at again
                self.counts.failures += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.poll_seconds):
                    await self._stopping.wait()

    def _is_ours(self) -> bool:
        """INVARIANT: one process takes from a folder; another one waits until it has gone."""
        if self._lock is None:
            descriptor = os.open(self._taken / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return False
            self._lock = descriptor
        return True

    async def _turn(self) -> None:
        """Everything in hand, then everything that lies still, oldest first. The first that cannot be taken now ends the turn: order holds."""
        for name in await asyncio.to_thread(self._in_hand):
            if self._stopping.is_set() or not await self._hand_over(name):
                return
        for name in await asyncio.to_thread(self._still, asyncio.get_running_loop().time()):
            if self._stopping.is_set():
                return
            await asyncio.to_thread(self._claim, name)
            if not await self._hand_over(name):
                return

    def _in_hand(self) -> list[str]:
        return [name for name, _ in self._oldest(self._taken)]

    def _still(self, now: float) -> list[str]:
        """Names of files whose size and time of change have not moved for long enough."""
        found = dict(self._oldest(self.settings.folder))
        self._seen = {
            name: before
            if (before := self._seen.get(name)) and (before.size, before.changed) == (at.st_size, at.st_mtime_ns)
            else _Seen(size=at.st_size, changed=at.st_mtime_ns, since=now)
            for name, at in found.items()
        }
        return [name for name in found if now - self._seen[name].since >= self.settings.stable_seconds]

    def _oldest(self, folder: Path) -> list[tuple[str, os.stat_result]]:
        """`max_files` of a folder, oldest first. Of all that lie there, so that in a backlog too none goes before an older one."""
        return heapq.nsmallest(self.settings.max_files, self._files(folder), key=_by_age)

    def _files(self, folder: Path) -> Iterator[tuple[str, os.stat_result]]:
        """Ordinary files of a folder."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(UNFINISHED):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    at = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(at.st_mode) and len(os.fsencode(entry.name)) <= _LONGEST_NAME:
                        yield entry.name, at
                    elif not stat.S_ISDIR(at.st_mode):
                        self.counts.left_out += 1

    def _claim(self, name: str) -> None:
        (self.settings.folder / name).rename(self._taken / name)
        sync(self._taken)
        sync(self.settings.folder)
        self._seen.pop(name, None)
        self.counts.taken += 1

    async def _hand_over(self, name: str) -> bool:
        """One file in hand. False when it cannot be taken now: it stays in hand and is handed over again."""
        try:
            body, truncated = await asyncio.to_thread(self._read, name)
        except PermissionError:
            await asyncio.to_thread(self._refuse, name, _UNREADABLE)
            return True
        assert self._accept is not None
        answer = await self._accept(
            Arrival(
                channel=self.settings.channel,
                client=self.settings.client,
                body=body,
                content_type=self.settings.content_type,
                truncated=truncated,
            )
        )
        if answer.status >= 500:
            return False
        await asyncio.to_thread(self._refuse if answer.status >= 400 else self._finish, name, answer)
        return True

    def _read(self, name: str) -> tuple[bytes, bool]:
        """The file, and whether it is longer than is taken: then only its beginning."""
        most = self.settings.max_file_bytes
        descriptor = os.open(self._taken / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            body = file.read(most + 1)
        return body[:most], len(body) > most

    def _finish(self, name: str, answer: Answer) -> None:
        if answer.body:
            free = _free(self._answered, name, ".ack", answer.body)
            put(self._answered, f"{free}.ack", answer.body)
        (self._taken / name).unlink()
        sync(self._taken)
        self.counts.answered += 1

    def _refuse(self, name: str, answer: Answer) -> None:
        free = _free(self._refused, name, ".error", answer.body)
        put(self._refused, f"{free}.error", answer.body)
        (self._taken / name).rename(self._refused / free)
        sync(self._refused)
        sync(self._taken)
        self.counts.refused += 1


def _free(folder: Path, name: str, ending: str, body: bytes) -> str:
    """`name`, or the first of `name.2`, `name.3` and so on under which nothing lies there but what a process that died had already put."""
    names = itertools.chain([name], (f"{name}.{number}" for number in itertools.count(2)))
    return next(
        each for each in names if not (folder / each).exists() and _is_free_for(folder / f"{each}{ending}", body)
    )


def _is_free_for(path: Path, body: bytes) -> bool:
    return not path.exists() or path.read_bytes() == body


def _by_age(item: tuple[str, os.stat_result]) -> tuple[int, str]:
    return item[1].st_mtime_ns, item[0]
