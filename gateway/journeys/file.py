"""A person's file: the current version of every resource that messages brought, each sealed under the person's key.

Joining is pure; reading and writing are one function each. This module MUST NOT decide what leaves.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, update

from fhir_profiles import fhir_json
from fhir_profiles.elements import well_formed
from fhir_profiles.hl7_times import is_before
from fhir_profiles.label import flagged, is_sensitive, keep_labels
from fhir_profiles.late_words import is_late
from fhir_profiles.shapes import Json
from gateway.among import Several, among
from gateway.keys import Thing
from gateway.parts import Parts
from gateway.store.locks import held
from gateway.store.schema import OF_A_PERSON, person, resource, sealed
from gateway.store.statement import Statement

RENEWED_AFTER_DAYS = 30
"""How old a retention date may be before a contact renews it: not every message writes every row."""
REGISTERED_ELSEWHERE = frozenset({"Consent"})
"""Never filed: the register of consents keeps them with their authority."""

_NOW: Final = (
    select(
        person.c.id, person.c.consent_version, person.c.file_version, person.c.link_version, person.c.flagged_by_hand
    )
    .where(among(person.c.id))
    .order_by(person.c.id)
)
_PEOPLE: Final = Several(_NOW, person.c.id)
_HELD_PEOPLE: Final = Several(held(_NOW), person.c.id)
_CURRENT: Final = Several(
    select(resource.c.person_id, resource.c.sealed_id)
    .where(among(resource.c.person_id), resource.c.current)
    .order_by(resource.c.created_at, resource.c.type, resource.c.fhir_id),
    resource.c.person_id,
)
_SAME: Final = (
    resource.c.person_id == bindparam("person_id"),
    resource.c.type == bindparam("type"),
    resource.c.fhir_id == bindparam("fhir_id"),
)
_WHICH: Final = (resource.c.person_id, resource.c.type, resource.c.fhir_id)
_SAME_NAMES: Final = tuple(column.name for column in _WHICH)
_LAST_VERSIONS: Final = Several(
    select(*_WHICH, func.max(resource.c.version).label("version")).where(among(*_WHICH)).group_by(*_WHICH), *_WHICH
)
_SUPERSEDE: Final = Statement(update(resource).where(*_SAME, resource.c.current).values(current=False))
_INSERT: Final = Statement.insert(resource)
_MOVE_FILE: Final = Statement(
    update(person).where(person.c.id == bindparam("person_id")).values(file_version=person.c.file_version + 1)
)
_MOVE_CONSENT: Final = Statement(
    update(person).where(person.c.id == bindparam("person_id")).values(consent_version=person.c.consent_version + 1)
)
_FLAGGED: Final = Statement(select(person.c.flagged_by_hand).where(person.c.id == bindparam("person_id")))
_FLAG: Final = Statement(
    update(person).where(person.c.id == bindparam("person_id")).values(flagged_by_hand=bindparam("flagged"))
)
_KEEP_LONGER: Final = Statement(
    update(sealed)
    .where(
        OF_A_PERSON,
        sealed.c.wrapped_by == bindparam("person_id"),
        sealed.c.category == bindparam("category"),
        sealed.c.ends_at < bindparam("before"),
    )
    .values(ends_at=bindparam("ends_at"))
)


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The versions that a letter is made from; any that moved makes it stale."""

    consent: int
    file: int
    link: int


@dataclass(frozen=True, kw_only=True)
class PersonFile:
    """A person's file at one moment. `resources` are labelled FHIR with internal ids, as they are kept.

    `flagged_by_hand`: somebody marked the record sensitive. That is no word of any source, and is not kept in what they said.
    """

    person_id: str
    versions: Versions
    resources: tuple[Json, ...]
    flagged_by_hand: bool

    def in_letters(self, resources: Iterable[Json]) -> tuple[Json, ...]:
        """These resources of the file, as whoever makes a letter or decides about one has them.

        INVARIANT: a mark by hand weighs what the same mark of a source weighs, in every letter.
        """
        return flagged_by_hand(resources) if self.flagged_by_hand else tuple(resources)


@dataclass(frozen=True, kw_only=True)
class Filing:
    """A message's resources joined to a file: `added` are the new versions to write, `resources` is the file afterwards.

    `flags`: the person's record is flagged sensitive by it, and was not before.
    """

    added: tuple[Json, ...]
    resources: tuple[Json, ...]
    flags: bool = False


def flagged_by_hand(resources: Iterable[Json]) -> tuple[Json, ...]:
    """The same resources, of a person whose record is flagged sensitive."""
    return tuple(flagged(each) if each["resourceType"] == "Patient" else each for each in resources)


def is_flagged_by_hand(c: Connection, person_id: str) -> bool:
    """Did somebody mark this person's record sensitive?"""
    return bool(_FLAGGED.value(c, person_id=person_id))


def flag_by_hand(c: Connection, person_id: str, *, to: bool) -> None:
    """Set or take back the mark. INVARIANT: what was decided before is decided again before it leaves."""
    _FLAG.run(c, person_id=person_id, flagged=to or None)
    _MOVE_CONSENT.run(c, person_id=person_id)


def read_versions(c: Connection, person_id: str) -> Versions:
    """The versions in force."""
    return _versions(_PEOPLE.of(c, (person_id,)))[person_id]


def hold_people(c: Connection, person_ids: Iterable[str]) -> dict[str, Versions]:
    """The versions of these people, whom nobody else does anything to until this transaction ends: see `hold_person`, in one statement.

    INVARIANT: whoever holds several holds them in one order, so that two who do never wait for each other.
    """
    return _versions(_HELD_PEOPLE.of(c, sorted(set(person_ids))))


def _versions(rows: Iterable[Any]) -> dict[str, Versions]:
    return {row.id: Versions(consent=row.consent_version, file=row.file_version, link=row.link_version) for row in rows}


@dataclass(frozen=True, kw_only=True)
class SealedFile:
    """A person's current file as it lies in the store, for `open_file`."""

    person_id: str
    versions: Versions
    flagged_by_hand: bool
    sealed_ids: tuple[str, ...]
    rows: Mapping[str, Any]


def read_file(c: Connection, parts: Parts, person_id: str) -> PersonFile:
    """The person's current file, oldest resource first."""
    return open_file(parts, find_files(c, parts, (person_id,))[person_id])


def find_files(c: Connection, parts: Parts, person_ids: Collection[str]) -> dict[str, SealedFile]:
    """The current files of several people, each to be opened by itself: what cannot be opened is its person's matter alone."""
    current: dict[str, list[str]] = {each: [] for each in person_ids}
    for row in _CURRENT.of(c, person_ids):
        current[row.person_id].append(row.sealed_id)
    rows = parts.keys.sealed_rows(c, [each for ids in current.values() for each in ids])
    people = _PEOPLE.of(c, person_ids)
    versions = _versions(people)
    return {
        row.id: SealedFile(
            person_id=row.id,
            versions=versions[row.id],
            flagged_by_hand=bool(row.flagged_by_hand),
            sealed_ids=tuple(current[row.id]),
            rows=rows,
        )
        for row in people
    }


def open_file(parts: Parts, found: SealedFile) -> PersonFile:
    """SealedError where any of it cannot be opened."""
    opened = parts.keys.unsealed_all(found.sealed_ids, found.rows)
    return PersonFile(
        person_id=found.person_id,
        versions=found.versions,
        resources=well_formed(map(fhir_json.read_again, opened)),
        flagged_by_hand=found.flagged_by_hand,
    )


def join_file(held: Sequence[Json], arrived: Sequence[Json]) -> Filing:
    """Join what a message brought. The same id supersedes; a Patient, and the start of a prescription or a stay, keep what the new one does not say.

    The same content adds nothing, nor does a version that was overtaken on its way (fhir_profiles/late_words.py).
    """
    current = {_name(each): each for each in held}
    added: dict[str, Json] = {}
    for each in arrived:
        if each["resourceType"] in REGISTERED_ELSEWHERE:
            continue
        name = _name(each)
        before = current.get(name)
        after = each
        if before is not None:
            # INVARIANT: labels only rise, whoever speaks last.
            join = _KEEPING.get(each["resourceType"], _replace)
            older, newer = (each, before) if is_late(before, each) else (before, join(before, each))
            after = keep_labels(older, newer)
        if before is not None and fhir_json.canonical(before) == fhir_json.canonical(after):
            continue
        current[name] = after
        added[name] = after
    flags = any(map(_is_flagged, added.values())) and not any(map(_is_flagged, held))
    return Filing(added=tuple(added.values()), resources=well_formed(current.values()), flags=flags)


def write_filing(c: Connection, parts: Parts, person_id: str, message_id: str, filing: Filing) -> None:
    """Write the new versions and move the file's version. Nothing new moves nothing."""
    write_filings(c, parts, [(person_id, message_id, filing)])


def write_filings(c: Connection, parts: Parts, filings: Sequence[tuple[str, str, Filing]]) -> None:
    """The same for several people: each filing with its person and its message."""
    now = parts.now()
    ends_at = parts.after(days=parts.settings.retention.days("resource"))
    added = [(person_id, message_id, each) for person_id, message_id, filing in filings for each in filing.added]
    if not added:
        return
    things = [
        (person_id, Thing(category="resource", plaintext=fhir_json.encode(each), ends_at=ends_at))
        for person_id, _, each in added
    ]
    sealed_ids = parts.keys.seal_each(c, things, now=now)
    names = [(person_id, each["resourceType"], _hidden(parts, each)) for person_id, _, each in added]
    versions = {(row.person_id, row.type, row.fhir_id): row.version for row in _LAST_VERSIONS.of(c, names)}
    _SUPERSEDE.many(c, [dict(zip(_SAME_NAMES, name, strict=True)) for name in names if name in versions])
    rows = []
    for name, (_, message_id, _), sealed_id in zip(names, added, sealed_ids, strict=True):
        new = {"version": versions.get(name, 0) + 1, "current": True, "message_id": message_id, "created_at": now}
        rows.append({**dict(zip(_SAME_NAMES, name, strict=True)), **new, "sealed_id": sealed_id})
    _INSERT.many(c, rows)
    _MOVE_FILE.many(c, [{"person_id": person_id} for person_id, _, filing in filings if filing.added])
    # INVARIANT: what was decided before the record was flagged is decided again before it leaves.
    _MOVE_CONSENT.many(c, [{"person_id": person_id} for person_id, _, filing in filings if filing.flags])


def keep_longer(c: Connection, parts: Parts, person_ids: Collection[str]) -> None:
    """The retention of people's files and consents counts from the last contact: what is there is kept as long as what comes now.

    INVARIANT: a consent never ends before the file that it protects.
    """
    for category in ("resource", "consent"):
        days = parts.settings.retention.days(category)
        until = {"before": parts.after(days=days - RENEWED_AFTER_DAYS), "ends_at": parts.after(days=days)}
        _KEEP_LONGER.many(c, [{"person_id": each, "category": category, **until} for each in person_ids])


def _is_flagged(each: Json) -> bool:
    return each["resourceType"] == "Patient" and is_sensitive(each)


def _hidden(parts: Parts, each: Json) -> str:
    """A resource's own id in a column, which says nothing."""
    return parts.keys.index("resource", _name(each)).hex()


def _name(each: Json) -> str:
    return f"{each['resourceType']}/{each['id']}"


def _merge_patient(before: Json, after: Json) -> Json:
    """An element that the new Patient does not have keeps its value; identifiers are united, the newer word first."""
    merged = {**before, **after}
    identifiers = list(after.get("identifier", []))
    known = {(each.get("system"), each.get("value")) for each in identifiers}
    identifiers += [
        each for each in before.get("identifier", []) if (each.get("system"), each.get("value")) not in known
    ]
    if identifiers:
        merged["identifier"] = identifiers
    return merged


def _keep_start(before: Json, after: Json) -> Json:
    """A later word about a prescription that does not repeat when it began keeps the day: a stop ends it, it never unmakes what was taken.

    Without its start a test of last month would be judged as if nothing had been prescribed.
    """
    kept = dict(after)
    if "authoredOn" in before:
        kept.setdefault("authoredOn", before["authoredOn"])
    known = [start for start in map(_start_of, before.get("dosageInstruction", ())) if start is not None]
    told: Sequence[Json] = after.get("dosageInstruction", ())
    if not known or any(_start_of(dosage) is not None for dosage in told):
        return kept
    start = min(known)
    kept.setdefault("authoredOn", start)
    kept["dosageInstruction"] = [_started(dosage, start) for dosage in told or _ONE_EMPTY]
    return kept


_ONE_EMPTY: Final[Sequence[Json]] = ({},)


def _start_of(dosage: Json) -> str | None:
    found = dosage.get("timing", {}).get("repeat", {}).get("boundsPeriod", {}).get("start")
    return found if isinstance(found, str) else None


def _started(dosage: Json, start: str) -> Json:
    """The dosage with that start. A duration, which counts from a start, stays; an end before the start becomes the start."""
    timing = dosage.get("timing", {})
    repeat = timing.get("repeat", {})
    if {"boundsDuration", "boundsRange"} & repeat.keys():
        return dosage
    period = {"start": start, **repeat.get("boundsPeriod", {})}
    if "end" in period and is_before(period["end"], start):
        period["end"] = start
    return {**dosage, "timing": {**timing, "repeat": {**repeat, "boundsPeriod": period}}}


def _keep_stay(before: Json, after: Json) -> Json:
    """An update does not say how a stay stands, and a move does not say when it began: both keep what is known.

    A new admission after a stay that has ended is a new one, whatever it is called; an end before the stay began is of an earlier one.
    """
    begun, ended = _start(before.get("period", {})), after.get("period", {}).get("end")
    if before.get("status") == "in-progress" and begun and ended is not None and is_before(ended, begun["start"]):
        return before  # a late word: feeds of movements are not in order
    kept = dict(after)
    unsaid = after.get("status") == "unknown"
    if unsaid:
        kept["status"] = before.get("status", "unknown")
    begun = before.get("period", {})
    if begun and (unsaid or before.get("status") == "in-progress") and "start" not in after.get("period", {}):
        period = {**begun, **after.get("period", {})} if unsaid else {**_start(begun), **after.get("period", {})}
        if not ("end" in period and "start" in period and is_before(period["end"], period["start"])):
            kept["period"] = period
    return kept


def _start(period: Json) -> Json:
    return {"start": period["start"]} if "start" in period else {}


def _replace(_before: Json, after: Json) -> Json:
    return after


_KEEPING: Final[Mapping[str, Callable[[Json, Json], Json]]] = {
    "Patient": _merge_patient,
    "MedicationRequest": _keep_start,
    "Encounter": _keep_stay,
}
"""What a later version of a resource keeps of the one before. Everything else is superseded whole."""
