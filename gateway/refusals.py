"""Refusals that leave no row of their own are counted, by client and minute, so that nobody fills the ledger or the disk by being refused.

Also how many refused messages of a client are kept today. Only this process's memory. It MUST NOT hold anything of what was refused:
a client's name is that of a registered one or `UNKNOWN`, a reason is a closed word.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, func, select

from gateway.states import MessageState
from gateway.store.schema import message

UNKNOWN: Final = "unknown"
_DAY, _MINUTE = len("2026-01-15"), len("2026-01-15T12:00")


class What(StrEnum):
    """What was refused."""

    ASSERTION = "assertion"
    MESSAGE = "message"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """`count` refusals of one client since the last entry; `reason` is the first one's."""

    what: What
    client: str
    reason: str
    count: int


class Refusals:
    """Use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[What, str], Refused] = {}
        self._entered: dict[tuple[What, str], str] = {}
        self._day = ""
        self._kept: dict[str, int] = {}

    def may_keep(self, c: Connection, client: str, now: str, limit: int) -> bool:
        """May one more refused message of this client be kept today? Asked once for each; a process that starts counts what is there."""
        day = now[:_DAY]
        with self._lock:
            if day != self._day:
                self._day, self._kept = day, {}
            kept = self._kept.get(client)
            if kept is None:
                today = (
                    message.c.client == client,
                    message.c.state == MessageState.REJECTED.value,
                    message.c.received_at >= day,
                )
                kept = int(c.execute(select(func.count()).select_from(message).where(*today)).scalar_one())
            self._kept[client] = kept + (kept < limit)
            return kept < limit

    def count(self, what: What, client: str, reason: str, number: int = 1) -> None:
        """One was refused (or several, as `taken` gave them)."""
        with self._lock:
            before = self._waiting.get((what, client))
            first = before.reason if before is not None else reason
            total = number + (before.count if before is not None else 0)
            self._waiting[(what, client)] = Refused(what=what, client=client, reason=first, count=total)

    def take(self, now: str) -> tuple[Refused, ...]:
        """Those of whom nothing was entered in this minute; they are counted from nothing again."""
        minute = now[:_MINUTE]
        with self._lock:
            due = [key for key in self._waiting if self._entered.get(key) != minute]
            self._entered |= dict.fromkeys(due, minute)
            return tuple(self._waiting.pop(key) for key in due)
