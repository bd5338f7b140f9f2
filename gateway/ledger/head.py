"""Where the last signed head is kept: outside the database, so that a database cannot be turned back without it showing.

The file is made by `init`, and by a person who begins a new epoch. A head file that is missing is a fault, never a new beginning.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from gateway import durable
from gateway.failpoints import pass_point


class HeadConflict(Exception):
    """The head is not the one expected: somebody else signed in between."""


class HeadMissing(Exception):
    """There is no head: the file was deleted or `init` never ran."""


class HeadKeeper(Protocol):
    """Keeps one text; replaces it only if it still is what the caller read."""

    def locked(self) -> AbstractContextManager[None]:
        """While inside, nobody else reads or replaces."""
        ...

    def read(self) -> str:
        """HeadMissing when there is none."""
        ...

    def replace(self, expected: str, new: str) -> None:
        """Durable when it returns. HeadConflict when the head is not `expected`. Only inside `locked`."""
        ...

    def begin_again(self, new: str, *, former: str) -> None:
        """A person's new epoch: `new` in the place of whatever is there, which is kept beside it as `former`. Only inside `locked`."""
        ...


class HeadFile:
    """A file, compared and swapped by an atomic rename under a lock that other processes respect."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path, first: str) -> "HeadFile":
        """Makes the file, once. FileExistsError when it is there."""
        durable.write(path, first.encode(), durable.NEW)
        durable.sync(path.parent)
        return cls(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._lock:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

    def read(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            raise HeadMissing("the head file is not there") from None

    def replace(self, expected: str, new: str) -> None:
        if self.read() != expected:
            raise HeadConflict("the head file was replaced by somebody else")
        self._put(new)

    def begin_again(self, new: str, *, former: str) -> None:
        with suppress(FileNotFoundError, FileExistsError):
            os.link(self._path, self._path.with_name(f"{self._path.name}.{former}"))
        self._put(new)

    def _put(self, new: str) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        durable.write(beside, new.encode(), durable.OVER)
        pass_point("head-file.before-commit")
        beside.rename(self._path)
        durable.sync(self._path.parent)
        pass_point("head-file.after-commit")


class HeadInMemory:
    """For `try` and tests: a head that ends with the process."""

    def __init__(self, first: str) -> None:
        self._text = first
        self._lock = threading.Lock()

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._lock:
            yield

    def read(self) -> str:
        return self._text

    def replace(self, expected: str, new: str) -> None:
        if self._text != expected:
            raise HeadConflict("the head was replaced by somebody else")
        self._text = new

    def begin_again(self, new: str, *, former: str) -> None:  # noqa: ARG002  nothing is kept beside what ends with the process
        self._text = new
