"""The fate of every source field: mapped, residual or unsupported. Nothing that is not empty may be without an entry (INVARIANT below).

A mapping reads a segment only through a `Row`, and says with every read where the value goes; what no mapping read is `residual`: it stays in
the sealed original bytes. An entry has a place, a FHIR path and a reason, never a value.
"""

from functools import lru_cache
from typing import Final

from fhir_profiles.hl7v2 import NULL, Message, Segment, path_of
from fhir_profiles.shapes import Fate, Field

_Key = tuple[int, int, int, int]
_Mark = tuple[Fate, str, str]

NOT_MAPPED: Final = "no mapping for this element; it stays in the original message"
NULL_REASON: Final = "an explicit null: the element is not carried, and no earlier value is deleted"
BLANK_REASON: Final = "only blanks"
_STRUCTURE: Final = "structure of the message"


@lru_cache(maxsize=65_536)
def _entry(source: str, fate: Fate, path: str, reason: str) -> Field:
    """Make an entry once: entries hold no content, so the same one serves every message that has the same field."""
    return Field(source=source, fate=fate, path=path, reason=reason)


class FieldLedger:
    """The marks that a mapping makes while it reads one message."""

    __slots__ = ("_marks", "_residual", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self._marks: dict[int, dict[_Key, _Mark]] = {}
        self._residual: dict[int, str] = {}

    def mark(self, segment: Segment, key: _Key, mark: _Mark) -> None:
        """Note the fate of (field, repetition, component, subcomponent); a 0 stands for all that are below."""
        self.marks_of(segment)[key] = mark

    def marks_of(self, segment: Segment) -> dict[_Key, _Mark]:
        """Give the marks of one segment, to take one back."""
        return self._marks.setdefault(id(segment), {})

    def mark_field(self, segment: Segment, number: int, *, to: str) -> None:
        """Say that a whole field, with all its repetitions, went to `to`."""
        self.mark(segment, (number, 0, 0, 0), (Fate.MAPPED, to, ""))

    def leave(self, segment: Segment, reason: str) -> None:
        """Say why whatever is still unread in a segment stays unmapped."""
        self._residual.setdefault(id(segment), reason)

    def fields(self) -> tuple[Field, ...]:
        """Give one entry for every leaf of the message that is not empty, in the order of the message."""
        entries: list[Field] = []
        for segment in self.message.segments:
            marks = self._marks.get(id(segment), {})
            reason = self._residual.get(id(segment), NOT_MAPPED)
            for number, raw in enumerate(segment.fields):
                if raw and number:
                    _account(entries, segment, number, raw, marks, reason)
        return tuple(entries)


def _account(
    entries: list[Field],
    segment: Segment,
    number: int,
    raw: str,
    marks: dict[_Key, _Mark],
    reason: str,
) -> None:
    """Add the entries of one field.

    INVARIANT: every leaf that is not empty gets exactly one entry, whatever the mapping did (issue 2: nothing is dropped silently).
    """
    name, occurrence, delimiters = segment.name, segment.occurrence, segment.delimiters
    if name == "MSH" and number <= 2:
        entries.append(_entry(f"MSH-{number}", Fate.RESIDUAL, "", _STRUCTURE))
        return
    repetitions = raw.split(delimiters.repetition) if delimiters.repetition in raw else (raw,)
    for repetition, repeated in enumerate(repetitions, start=1):
        components = repeated.split(delimiters.component)
        for position, component in enumerate(components, start=1):
            if not component:
                continue
            sign = delimiters.subcomponent
            parts = component.split(sign) if sign and sign in component else (component,)
            several = len(parts) > 1
            for subposition, value in enumerate(parts, start=1):
                if not value:
                    continue
                mark = (
                    marks.get((number, repetition, position, subposition))
                    or marks.get((number, repetition, position, 0))
                    or marks.get((number, repetition, 0, 0))
                    or marks.get((number, 0, 0, 0))
                )
                source = path_of(
                    name,
                    occurrence,
                    number,
                    repetition,
                    position if several or len(components) > 1 else 0,
                    subposition if several else 0,
                )
                entries.append(_entry(source, *_fate(value, mark, reason)))


def _fate(value: str, mark: _Mark | None, reason: str) -> _Mark:
    if value == NULL:
        return Fate.UNSUPPORTED, "", NULL_REASON
    if not value.strip():
        return Fate.RESIDUAL, "", BLANK_REASON
    return mark if mark is not None else (Fate.RESIDUAL, "", reason)


class Row:
    """One segment as a mapping reads it. Every read says where the value goes, and that is written into the ledger."""

    __slots__ = ("ledger", "message", "segment")

    def __init__(self, segment: Segment, ledger: FieldLedger) -> None:
        self.segment = segment
        self.ledger = ledger
        self.message = ledger.message

    def peek(self, number: int, component: int = 1, repetition: int = 1, subcomponent: int = 1) -> str:
        """Read a value without saying anything about its fate: no escapes, blanks cut off; empty when absent or null."""
        raw = self.segment.raw_value(number, repetition, component, subcomponent)
        if not raw or raw == NULL:
            return ""
        return (self.message.text(raw) if self.segment.delimiters.escape in raw else raw).strip()

    def text(self, number: int, component: int = 1, repetition: int = 1, subcomponent: int = 1, *, to: str) -> str:
        """Read a value that goes to the FHIR path `to`; empty when absent or null."""
        value = self.peek(number, component, repetition, subcomponent)
        if value:
            self.ledger.mark(self.segment, (number, repetition, component, subcomponent), (Fate.MAPPED, to, ""))
        return value

    def mapped(self, number: int, component: int = 0, repetition: int = 1, *, to: str) -> None:
        """Say that a whole component, or a whole repetition, went to `to`."""
        self.ledger.mark(self.segment, (number, repetition, component, 0), (Fate.MAPPED, to, ""))

    def residual(self, number: int, component: int = 0, repetition: int = 1, *, reason: str) -> None:
        """Say why a value was read and is not carried as FHIR."""
        self.ledger.mark(self.segment, (number, repetition, component, 0), (Fate.RESIDUAL, "", reason))

    def unsupported(self, number: int, component: int = 1, repetition: int = 1, *, reason: str) -> None:
        """Say that a value cannot be understood; this takes back what an earlier read said of it."""
        self.ledger.mark(self.segment, (number, repetition, component, 0), (Fate.UNSUPPORTED, "", reason))
        marks = self.ledger.marks_of(self.segment)
        for key in [key for key in marks if key[:3] == (number, repetition, component) and key[3]]:
            del marks[key]

    def has(self, number: int) -> bool:
        """Say whether a field has any value at all."""
        raw = self.segment.field(number)
        return bool(raw) and raw != NULL

    def count(self, number: int) -> int:
        """Give the number of repetitions of a field."""
        return len(self.segment.repetitions(number))

    def place(self, number: int, component: int = 0, repetition: int = 1) -> str:
        """Write the path of a value for an issue."""
        return path_of(self.segment.name, self.segment.occurrence, number, repetition, component, 0)
