"""A message that was filed before, joined to its person's file once more: what today's mapping reads in it, and what stood there then.

Reads only. It MUST NOT put an older word over a newer one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from fhir_profiles import fhir_json
from fhir_profiles.elements import name_of
from fhir_profiles.shapes import Json, Translation
from gateway.journeys.file import Filing, join_file
from gateway.parts import Parts
from gateway.steps.letters import Seen
from gateway.store.schema import message, resource


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What today's mapping makes of a message. `then` is the file as of that message, read by today's mapping, `before` the file before it."""

    filing: Filing
    before: tuple[Json, ...]
    then: tuple[Json, ...]


def read_again(c: Connection, parts: Parts, seen: Seen, translation: Translation, ahead: Mapping[str, Json]) -> Reading:
    """Join a message to its person's file once more. `ahead`, by name, is what earlier messages of a look ahead would have filed.

    INVARIANT: what a later message has said of a resource stands; only what this one said last, or never could say, is read anew. It is
    joined to what was there before this message, as it was at first: joined to itself it would forget what it once kept.
    """
    held = {name_of(each): each for each in seen.file.resources} | dict(ahead)
    rows = _versions(c, seen.file.person_id)

    def of(each: Json) -> Sequence[Any]:
        return rows.get((each["resourceType"], parts.keys.index("resource", name_of(each)).hex()), ())

    def opened(row: Any) -> Json:
        return fhir_json.decode(parts.keys.unseal(c, row.sealed_id))

    arrived = [entry["resource"] for entry in translation.bundle.get("entry", [])]
    read = [each for each in arrived if not of(each) or of(each)[0].sequence <= seen.sequence]
    own = {name_of(each) for each in read if of(each) and of(each)[0].message_id == seen.message_id}
    earlier = (
        next((row for row in of(each) if row.message_id != seen.message_id), None)
        for each in read
        if name_of(each) in own
    )
    before = (
        *(each for name, each in held.items() if name not in own),
        *(opened(row) for row in earlier if row is not None),
    )
    joined = {name_of(each): each for each in join_file(before, read).resources}
    now = {**held, **joined}
    added = {name: each for name, each in now.items() if name not in held or _differ(held[name], each)}
    first = {name_of(each): each for each in _as_of(rows, seen.sequence - 1, opened, held, of)} | dict(ahead)
    then = {**{name_of(each): each for each in _as_of(rows, seen.sequence, opened, held, of)}, **ahead, **added}
    return Reading(
        filing=Filing(added=tuple(added.values()), resources=tuple(now.values())),
        before=tuple(first.values()),
        then=tuple(then.values()),
    )


def _as_of(
    rows: Mapping[tuple[str, str], Sequence[Any]],
    until: int,
    opened: Callable[[Any], Json],
    held: Mapping[str, Json],
    of: Callable[[Json], Sequence[Any]],
) -> Iterator[Json]:
    """The person's file as it stood with the message of this place in it: of each resource what no later message has said."""
    current = {of(each)[0].sealed_id: each for each in held.values() if of(each)}
    for versions in rows.values():
        row = next((one for one in versions if one.sequence <= until), None)
        if row is not None:
            yield current[row.sealed_id] if row.sealed_id in current else opened(row)


def _differ(one: Json, other: Json) -> bool:
    return fhir_json.canonical(one) != fhir_json.canonical(other)


def _versions(c: Connection, person_id: str) -> Mapping[tuple[str, str], Sequence[Any]]:
    """Every version of every resource of a person, the newest first, with the place of its message in the order of acceptance."""
    rows = c.execute(
        select(resource.c.type, resource.c.fhir_id, resource.c.message_id, resource.c.sealed_id, message.c.sequence)
        .join(message, message.c.id == resource.c.message_id)
        .where(resource.c.person_id == person_id)
        .order_by(resource.c.version.desc())
    ).all()
    found: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        found.setdefault((row.type, row.fhir_id), []).append(row)
    return found
