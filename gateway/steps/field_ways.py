"""Where each source field went: the field ledger of a message, joined to what became of the element it went to in one recipient's letter.

It says only what the translation, the composed letter and the decision's paths say; it MUST NOT decide, and MUST NOT hold a value. What a letter
writes in its own words (its heading, its notice, who sends it) is no way of a field.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from consent.outcomes import PathGroup, PathOutcome, outcome_of
from fhir_profiles.shapes import Fate, Field, Json
from gateway.keys import SealedGone
from gateway.parts import Parts
from gateway.steps.identify import translation_of
from gateway.steps.kept import Kept
from gateway.store.schema import decision, message

NOT_IN_LETTER: Final = "not-in-letter"
"""The letter does not carry the element: it is about other things, or a later message says otherwise."""
AT_INTAKE: Final = "at-intake"
"""The field was not mapped: it is in nobody's letter, for the reason that the ledger gives."""
_REPETITION: Final = re.compile(r"\[[0-9x]+\]")
_EXTENSION: Final = "extension"
_TYPE: Final = "resourceType"


@dataclass(frozen=True, kw_only=True)
class FieldWay:
    """What became of one mapped field in one letter: a PathOutcome or NOT_IN_LETTER, and the rule that decided it (none for the last)."""

    outcome: str
    rule: str = ""


_ELSEWHERE: Final = FieldWay(outcome=NOT_IN_LETTER)


class LetterWays:
    """The ways of one message's fields into the letter of one decision. `brought` are the resources that the message was translated to."""

    def __init__(self, brought: Sequence[Json], kept: Kept) -> None:
        self._groups: Sequence[PathGroup] = kept.paths
        self._by_kind: dict[str, list[tuple[Json, Json | None]]] = {}
        self._ways: dict[str, FieldWay] = {}
        composed = {_name(entry["resource"]): entry["resource"] for entry in (kept.composed or {}).get("entry", ())}
        voted = {vote.resource for vote in kept.decision.votes}
        for resource in brought:
            name = _name(resource)
            # Results that are counted are in no letter: what was decided of them is said of the resource alone.
            held = composed.get(name) or (resource if kept.composed is None and name in voted else None)
            self._by_kind.setdefault(resource["resourceType"], []).append((resource, held))

    def of(self, field: Field) -> FieldWay | None:
        """Give the way of a field; None for one that was not mapped."""
        if field.fate is not Fate.MAPPED:
            return None
        path = _REPETITION.sub("", field.path)
        if path not in self._ways:
            self._ways[path] = self._way(path)
        return self._ways[path]

    def _way(self, path: str) -> FieldWay:
        kind, *steps = path.split(".")
        found: dict[FieldWay, None] = {}
        for resource, held in self._by_kind.get(kind, ()):
            there = _resolved(resource, steps)
            if not there:
                continue  # another resource of the same type brought it
            if held is None or (held is not resource and len(_resolved(held, steps)) < len(there)):
                found[_ELSEWHERE] = None
            else:
                found.update(dict.fromkeys(self._decided(held, there)))
        ways = tuple(found)
        if len(ways) <= 1:
            return ways[0] if ways else _ELSEWHERE
        back = next(way for way in ways if way.outcome != PathOutcome.LEAVES)
        return FieldWay(outcome=PathOutcome.PART.value, rule=back.rule or back.outcome)

    def _decided(self, held: Json, steps: Sequence[str]) -> Iterator[FieldWay]:
        name, kind = _name(held), held["resourceType"]
        if steps[0] == _TYPE:  # that there is such a resource leaves with whatever leaves of it
            group = next((each for each in self._groups if name in each.resources or not each.resources), None)
            yield _way_of(group)
        elif (
            steps[0] == _EXTENSION
        ):  # an extension of the resource itself is named by its url, and where none may leave by its name
            for each in held[_EXTENSION]:
                path = f"{kind}.{_EXTENSION}"
                named = outcome_of(self._groups, name, f"{path}({each.get('url', '')})")
                yield _way_of(named or outcome_of(self._groups, name, path))
        else:
            yield _way_of(outcome_of(self._groups, name, ".".join((kind, *steps))))


def _way_of(group: PathGroup | None) -> FieldWay:
    return _ELSEWHERE if group is None else FieldWay(outcome=group.outcome.value, rule=group.rule)


def ways_of_decision(
    c: Connection, parts: Parts, decision_id: str, kept: Kept
) -> Mapping[Field, FieldWay | None] | None:
    """Give every field of the message that a decision is about, as it is read today, with its way into the letter; None for a field that
    is in nobody's. None where no message stands behind the decision (a calendar report), or its bytes are no longer kept.
    """
    row = c.execute(
        select(message)
        .join(decision, decision.c.message_id == message.c.id)
        .where(decision.c.id == decision_id, message.c.body_id.is_not(None))
    ).one_or_none()
    if row is None:
        return None
    try:
        found = translation_of(c, parts, row)
    except SealedGone:
        return None
    ways = LetterWays([entry["resource"] for entry in found.bundle.get("entry", ())], kept)
    return {field: ways.of(field) for field in found.fields}


def counted(ways: Iterable[FieldWay | None]) -> Mapping[str, int]:
    """Give how many fields had each outcome: the sum is the number of fields."""
    return dict(sorted(Counter(way.outcome if way is not None else AT_INTAKE for way in ways).items()))


def _name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource.get('id', '')}"


def _resolved(value: Any, steps: Sequence[str]) -> list[str]:
    """Give the names of the longest part of `steps` that is there; `value` stands for any of its types, as `valueQuantity`."""
    if isinstance(value, list):
        return max((_resolved(item, steps) for item in value), key=len, default=[])
    if not steps or not isinstance(value, dict):
        return []
    named = [key for key in value if key == steps[0] or (key.startswith(steps[0]) and key[len(steps[0])].isupper())]
    return max(([key, *_resolved(value[key], steps[1:])] for key in named), key=len, default=[])
