"""The fate of every source field: mapped, minimised, residual or unsupported. Nothing that is not empty may be without an entry (INVARIANT below).

A mapping reads a segment only through a `Row`, and says with every read where the value goes. What no mapping read is `minimised` where a rule
of `minimised.toml` says why it is not carried, and else `residual`: either way it stays in the sealed original bytes. An entry has a place, a
FHIR path and a reason, never a value.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from fhir_profiles.hl7_times import fhir_date_time, zone_of_message
from fhir_profiles.hl7v2 import NULL, Delimiters, Message, Segment, path_of, unescape
from fhir_profiles.mappings import minimised
from fhir_profiles.shapes import Fate, Field

Key = tuple[int, int, int, int]
"""(field, repetition, component, subcomponent); 0 stands for all that are below."""
_Place = tuple[str, int, int, int, int, int]
_MAX_ENTRIES: Final = 4_096

NOT_MAPPED: Final = "no mapping for this element; it stays in the original message"
NULL_REASON: Final = "an explicit null: the element is not carried, and no earlier value is deleted"
BLANK_REASON: Final = "only blanks"


class Mark:
    """A fate that fields can share. `entries` keeps the entry of every place that had it: entries hold no content, so each is made once."""

    __slots__ = ("entries", "fate", "path", "reason")

    def __init__(self, fate: Fate, path: str, reason: str) -> None:
        self.fate = fate
        self.path = path
        self.reason = reason
        self.entries: dict[_Place, Field] = {}

    def entry(self, place: _Place) -> Field:
        """Give the entry of (segment, occurrence, field, repetition, component, subcomponent)."""
        found = self.entries.get(place)
        if found is None:
            if len(self.entries) >= _MAX_ENTRIES:
                self.entries.clear()
            found = Field(source=path_of(*place), fate=self.fate, path=self.path, reason=self.reason)
            self.entries[place] = found
        return found


@lru_cache(maxsize=4_096)
def went_to(path: str) -> Mark:
    """Make the mark of a value that went to a FHIR path."""
    return Mark(Fate.MAPPED, path, "")


@lru_cache(maxsize=1_024)
def _stayed(fate: Fate, reason: str) -> Mark:
    return Mark(fate, "", reason)


@lru_cache(maxsize=64)
def _kept_out(rule: str) -> Mark:
    """Make the mark of what is not carried by a rule of `minimised.toml`. Raises KeyError for a rule that is not there."""
    return Mark(Fate.MINIMISED, "", minimised.rules()[rule].reason)


_NOTHING: Final[Mapping[int, Mark]] = {}
_RULES: Final[Mapping[str, Mapping[int, Mark]]] = {
    segment: {number: _kept_out(rule.name) for number, rule in fields.items()}
    for segment, fields in minimised.by_place(minimised.rules().values()).items()
}
_NULL_MARK: Final = _stayed(Fate.UNSUPPORTED, NULL_REASON)
_BLANK_MARK: Final = _stayed(Fate.RESIDUAL, BLANK_REASON)
_LEFT: Final = _stayed(Fate.RESIDUAL, NOT_MAPPED)


class FieldLedger:
    """The rows of one message, each with the marks that a mapping made while it read."""

    __slots__ = ("_rows", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self._rows: dict[int, Row] = {}

    def row(self, segment: Segment) -> "Row":
        """Give the one Row of a segment."""
        found = self._rows.get(id(segment))
        if found is None:
            found = self._rows[id(segment)] = Row(segment, self.message)
        return found

    def fields(self) -> tuple[Field, ...]:
        """Give one entry for every leaf of the message that is not empty, in the order of the message."""
        entries: list[Field] = []
        for segment in self.message.segments:
            row = self.row(segment)
            rules = _RULES.get(segment.name, _NOTHING)
            left = rules.get(minimised.WHOLE_SEGMENT, row.left)
            for number, raw in enumerate(row.fields):
                if raw and number:
                    _account(entries, row, number, raw, rules.get(number, left))
        return tuple(entries)


def _account(entries: list[Field], row: "Row", number: int, raw: str, left: Mark) -> None:
    """Add the entries of one field; `left` is the fate of what no mapping read.

    INVARIANT: every leaf that is not empty gets exactly one entry, whatever the mapping did (issue 2: nothing is dropped silently).
    """
    segment, marks = row.segment, row.marks
    name, occurrence, delimiters = segment.name, segment.occurrence, segment.delimiters
    if raw.isalnum() or (name == "MSH" and number <= 2):
        mark = marks.get((number, 1, 1, 0)) if marks else left
        if mark is None:
            mark = marks.get((number, 1, 1, 1)) or marks.get((number, 1, 0, 0)) or marks.get((number, 0, 0, 0)) or left
        entries.append(mark.entry((name, occurrence, number, 1, 0, 0)))
        return
    repetitions = raw.split(delimiters.repetition) if delimiters.repetition in raw else (raw,)
    for repetition, repeated in enumerate(repetitions, start=1):
        components = repeated.split(delimiters.component)
        above = marks.get((number, repetition, 0, 0)) or marks.get((number, 0, 0, 0)) or left
        single = len(components) == 1
        for position, component in enumerate(components, start=1):
            if not component:
                continue
            whole = (
                marks.get((number, repetition, position, 0)) or marks.get((number, repetition, position, 1)) or above
            )
            sign = delimiters.subcomponent
            if not sign or sign not in component:
                place = 0 if single else position
                entries.append(_fate(component, whole).entry((name, occurrence, number, repetition, place, 0)))
                continue
            for subposition, value in enumerate(component.split(sign), start=1):
                if value:
                    read = (number, repetition, position, 0)
                    below = marks.get(read) if subposition == 1 or read not in row.firsts else None
                    mark = marks.get((number, repetition, position, subposition)) or below or above
                    where = (name, occurrence, number, repetition, position, subposition)
                    entries.append(_fate(value, mark).entry(where))


def _fate(value: str, mark: Mark) -> Mark:
    """Give the mark, unless the value itself says that there is nothing to carry."""
    if value == NULL:
        return _NULL_MARK
    return mark if value[0] not in " \t" or value.strip() else _BLANK_MARK


def component_text(raw: str, delimiters: Delimiters, charset: str) -> str:
    """Resolve a component that was taken as it is written: its first subcomponent, without escapes, blanks cut off."""
    if raw.isalnum():
        return raw
    sign = delimiters.subcomponent
    first = raw.split(sign, 1)[0] if sign and sign in raw else raw
    return "" if first == NULL else unescape(first, delimiters, charset).strip()


def keep_order(rows: Sequence["Row"], *, to: str) -> None:
    """Say of the set ids (field 1) of segments that `to` keeps in their order: they are carried by it where they count up from 0 or 1.

    A number that says another place than the one where the segment stands is residual.
    """
    first = rows[0].peek(1) if rows else ""
    start = int(first) if first in {"0", "1"} else None
    for place, row in enumerate(rows, start=start or 0):
        if start is not None and row.peek(1) == str(place):
            row.mapped(1, to=to)
        else:
            row.residual(1, reason="a sequence number that is not the place of the segment")


class Row:
    """One segment as a mapping reads it. Every read says where the value goes, and that is written into the ledger.

    `marks` has the fate of (field, repetition, component, subcomponent), where a 0 stands for all that are below; `firsts` names components
    of which only the first subcomponent was read; `left` is the fate of whatever no mapping reads.
    """

    __slots__ = ("fields", "firsts", "left", "marks", "message", "segment")

    def __init__(self, segment: Segment, message: Message) -> None:
        self.segment = segment
        self.fields = segment.fields
        self.message = message
        self.marks: dict[Key, Mark] = {}
        self.firsts: set[Key] = set()
        self.left: Mark = _LEFT

    def peek(self, number: int, component: int = 1, repetition: int = 1, subcomponent: int = 1) -> str:
        """Read a value without saying anything about its fate: no escapes, blanks cut off; empty when absent or null."""
        fields = self.fields
        if number >= len(fields):
            return ""
        raw = fields[number]
        if not raw:
            return ""
        if raw.isalnum():  # no delimiter, no escape, no blank: the usual case, and the fast one
            return raw if component == repetition == subcomponent == 1 else ""
        raw = self.segment.raw_value(number, repetition, component, subcomponent)
        if not raw or raw.isalnum():
            return raw
        return "" if raw == NULL else self.message.text(raw).strip()

    def moment(self, number: int, component: int = 1, repetition: int = 1, subcomponent: int = 1) -> str | None:
        """Read a timestamp as a FHIR dateTime, in the zone of the message where it has none of its own; says nothing about its fate."""
        return fhir_date_time(self.peek(number, component, repetition, subcomponent), self.zone)

    @property
    def zone(self) -> str:
        """The offset of the message's times where it is not London's (MSH-7)."""
        return zone_of_message(self.message.segments[0].raw_value(7))

    def text(self, number: int, component: int = 1, repetition: int = 1, subcomponent: int = 0, *, to: str) -> str:
        """Read a value that goes to the FHIR path `to`; empty when absent or null. Without a subcomponent, the first is read."""
        fields = self.fields
        if number >= len(fields) or not fields[number]:
            return ""
        value = self.peek(number, component, repetition, subcomponent or 1)
        if value:
            key = (number, repetition, component, subcomponent)
            self.marks[key] = went_to(to)
            if not subcomponent:
                self.firsts.add(key)
        return value

    def mapped(self, number: int, component: int = 0, repetition: int = 1, *, to: str) -> None:
        """Say that a whole component, or a whole repetition, went to `to`."""
        self._set((number, repetition, component, 0), went_to(to))

    def mapped_field(self, number: int, *, to: str) -> None:
        """Say that a whole field, with all its repetitions, went to `to`."""
        self._set((number, 0, 0, 0), went_to(to))

    def residual(self, number: int, component: int = 0, repetition: int = 1, *, reason: str) -> None:
        """Say why a value was read and is not carried as FHIR; this takes back what an earlier read said of it, or of its parts."""
        for key in [key for key in self.marks if key[:2] == (number, repetition) and component in {0, key[2]}]:
            del self.marks[key]
        self._set((number, repetition, component, 0), _stayed(Fate.RESIDUAL, reason))

    def minimise(self, number: int, component: int = 0, repetition: int = 1, *, rule: str) -> None:
        """Say by which rule what is not read of a component, or of a repetition, is not carried."""
        self._set((number, repetition, component, 0), _kept_out(rule))

    def unsupported(self, number: int, component: int = 1, repetition: int = 1, *, reason: str) -> None:
        """Say that a value cannot be understood; this takes back what an earlier read said of it."""
        for key in [key for key in self.marks if key[:3] == (number, repetition, component)]:
            del self.marks[key]
        self._set((number, repetition, component, 0), _stayed(Fate.UNSUPPORTED, reason))

    def _set(self, key: Key, mark: Mark) -> None:
        self.marks[key] = mark
        self.firsts.discard(key)

    def leave(self, reason: str) -> None:
        """Say why whatever is still unread in this segment stays unmapped."""
        self.left = _stayed(Fate.RESIDUAL, reason)

    def leave_by(self, rule: str) -> None:
        """Say by which rule whatever is still unread in this segment is not carried."""
        self.left = _kept_out(rule)

    def drop(self, reason: str) -> None:
        """Say why nothing of this segment is carried after all; this takes back what every earlier read said."""
        self.marks.clear()
        self.firsts.clear()
        self.leave(reason)

    def drop_by(self, rule: str) -> None:
        """Say by which rule nothing of this segment is carried after all."""
        self.drop("")
        self.leave_by(rule)

    def has(self, number: int) -> bool:
        """Say whether a field has any value at all."""
        return number < len(self.fields) and self.fields[number] not in {"", NULL}

    def count(self, number: int) -> int:
        """Give the number of repetitions of a field."""
        raw = self.fields[number] if number < len(self.fields) else ""
        return raw.count(self.segment.delimiters.repetition) + 1 if raw else 0

    def repetition(self, number: int, repetition: int = 1) -> str:
        """Give one repetition of a field as it is written; empty when it is absent."""
        raw = self.fields[number] if number < len(self.fields) else ""
        sign = self.segment.delimiters.repetition
        if sign not in raw:
            return raw if repetition == 1 else ""
        repetitions = raw.split(sign)
        return repetitions[repetition - 1] if repetition <= len(repetitions) else ""

    def raw_components(self, number: int, repetition: int = 1) -> list[str]:
        """Give the components of one repetition as they are written; none when it is absent or null."""
        raw = self.repetition(number, repetition)
        return raw.split(self.segment.delimiters.component) if raw and raw != NULL else []

    def mark_firsts(self, marks: Mapping[Key, Mark]) -> None:
        """Note the fates of components of which the first subcomponent was read."""
        self.marks.update(marks)
        self.firsts.update(marks)

    def place(self, number: int, component: int = 0, repetition: int = 1) -> str:
        """Write the path of a value for an issue."""
        return path_of(self.segment.name, self.segment.occurrence, number, repetition, component, 0)
