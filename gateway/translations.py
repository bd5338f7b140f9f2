"""What was read lately of messages, so that a message is read once on its way: reading is pure, and this only saves time.

Bounded in number and in bytes of the messages: a backlog of large ones MUST NOT stand in memory.
"""

from threading import Lock
from typing import Final

from fhir_profiles.shapes import Translation

KEPT: Final = 256
KEPT_BYTES: Final = 32_000_000
"""Of the messages that they were read from: of a message that is mostly a document, what was read is as much."""


class Translations:
    """By message id. Use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[str, tuple[Translation, int]] = {}
        self._bytes = 0

    def get(self, message_id: str) -> Translation | None:
        found = self._kept.get(message_id)
        return found[0] if found is not None else None

    def keep(self, message_id: str, translation: Translation, size: int) -> None:
        """`size`: bytes of the message. The oldest make room; what would fill it alone is not kept."""
        if size > KEPT_BYTES:
            return
        with self._lock:
            self._drop(message_id)
            while len(self._kept) >= KEPT or self._bytes + size > KEPT_BYTES:
                self._drop(next(iter(self._kept)))
            self._kept[message_id] = (translation, size)
            self._bytes += size

    def forget(self, message_id: str) -> None:
        """Its message has ended, or waits for a person."""
        with self._lock:
            self._drop(message_id)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._kept

    def _drop(self, message_id: str) -> None:
        _, size = self._kept.pop(message_id, (None, 0))
        self._bytes -= size
