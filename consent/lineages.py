"""Versions of one consent: which is the newest, and what a lineage says by it (consent.md 3.4 a, c, f and 3.4b 3, 10).

A lineage is the versions of one Consent resource, and Consents that share an identifier. The same policy does not make a lineage: two
consents under one policy can be about two recipients, and the newer would silence the older.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from consent.provisions import DENY, NONE, PERMIT, SILENCE, Finding, Question, Reading, Source, fold, join
from consent.reading import concept_codings, holds_key, identifiers, obj, objects, text
from consent.shapes import Json, RegisteredConsent
from consent.ternary import Match
from consent.when import BEGINNING, END, Span, span

Standing = Callable[[Json, Json], Match]
"""Is this consent about this resource's subject, and about sharing at all?"""

WITHDRAWN_CODES = frozenset({("http://read.info/ctv3", "XaNwU"), ("http://read.info/readv2", "9NdJ.")})
"""Coded withdrawals by the person (reference: consent-codes, "consent withdrawn to share patient data with specified third party")."""
_IGNORED = frozenset({"draft", "proposed"})


@dataclass(frozen=True, eq=False)
class Version:
    registered: RegisteredConsent
    issued: Span
    kept: datetime

    @property
    def consent(self) -> Json:
        return self.registered.consent

    @property
    def status(self) -> str:
        return text(self.consent, "status")

    @property
    def number(self) -> int | None:
        written = text(obj(self.consent, "meta"), "versionId")
        return int(written) if written.isascii() and written.isdigit() and len(written) < 10 else None

    @cached_property
    def may_permit(self) -> bool:
        """A consent that says something which we do not understand, or that nobody verified where it asks for it, can deny but not permit."""
        if "implicitRules" in self.consent or holds_key(self.consent, "modifierExtension"):
            return False
        if "verification" not in self.consent:
            return True
        checks, readable = objects(self.consent, "verification")
        return readable and all(check.get("verified") is True for check in checks)

    def withdrawn_by_person(self) -> bool:
        if self.registered.withdrawn_by_person:
            return True
        held = [item for concept in objects(self.consent, "category")[0] for item in concept_codings(concept)]
        held += concept_codings(self.consent.get("policyRule"))
        return any((item.system, item.code) in WITHDRAWN_CODES for item in held)


def make_version(registered: RegisteredConsent) -> Version:
    consent = registered.consent
    kept = span(registered.registered)
    meta = span(text(obj(consent, "meta"), "lastUpdated"))
    issued = span(text(consent, "dateTime")) or meta or kept or Span(BEGINNING, END)
    return Version(registered, issued, (meta or kept or Span(BEGINNING, END)).start)


def is_newer(one: Version, other: Version) -> bool:
    """Certainly newer: between versions of one resource by versionId, else by dateTime; where those overlap, by when it was kept."""
    own = text(one.consent, "id")
    same = bool(own) and own == text(other.consent, "id")
    if same and one.number is not None and other.number is not None and one.number != other.number:
        return one.number > other.number
    if one.issued.start >= other.issued.end and one.issued.start > other.issued.start:
        return True
    if other.issued.start >= one.issued.end and other.issued.start > one.issued.start:
        return False
    return same and one.kept > other.kept


def newest(versions: Sequence[Version]) -> list[Version]:
    """Every version that no other is certainly newer than: more than one is a tie."""
    heads = [one for one in versions if not any(is_newer(other, one) for other in versions if other is not one)]
    return heads or list(versions)


def lineages(consents: Iterable[RegisteredConsent], as_of: datetime) -> list[list[Version]]:
    """Versions issued by `as_of`, grouped, in an order that does not depend on the order they came in.

    INVARIANT: two lineages become one only by the word of an authority. A refusal, or a source that may only narrow, that carries the
    names of two lineages speaks in both, and joins none: joined, the newer permit would silence the older denial.
    """
    versions = [make_version(registered) for registered in consents]
    versions = [item for item in versions if item.issued.start <= as_of and item.status not in _IGNORED]
    joining = [item for item in versions if item.registered.authority and not is_dissent(item)]
    groups = _connected(joining)
    alone: list[Version] = []
    for version in (item for item in versions if item not in joining):
        spoken_in = [members for keys, members in groups if keys & _names(version)]
        for members in spoken_in:
            members.append(version)
        alone += [] if spoken_in else [version]
    found = [sorted(members, key=_place) for _, members in (*groups, *_connected(alone))]
    return sorted(found, key=lambda members: [_place(member) for member in members])


def _names(version: Version) -> set[object]:
    own = text(version.consent, "id")
    return set(identifiers(version.consent)) | ({own} if own else set())


def _connected(versions: Iterable[Version]) -> list[tuple[set[object], list[Version]]]:
    """Groups of versions that share a name, directly or through others."""
    groups: list[tuple[set[object], list[Version]]] = []
    for version in versions:
        names = _names(version)
        joined = [group for group in groups if group[0] & names]
        groups = [group for group in groups if not group[0] & names]
        groups.append(
            (names.union(*(keys for keys, _ in joined)), [item for _, held in joined for item in held] + [version])
        )
    return groups


def _place(version: Version) -> tuple[datetime, str, str, str, bool, str]:
    consent = version.consent
    return (
        version.issued.start,
        text(consent, "id"),
        text(obj(consent, "meta"), "versionId"),
        version.registered.registered,
        version.registered.authority,
        repr(sorted(consent.items(), key=str)) if "id" not in consent else "",
    )


def _agree(one: int, other: int) -> int:
    """Between versions that tie, and where a source without authority adds its word: any deny denies, only all together permit."""
    if DENY in (one, other):
        return DENY
    return PERMIT if one == other == PERMIT else NONE


def agree(left: Finding, right: Finding) -> Finding:
    return Finding(
        fold(left.possible, right.possible, _agree),
        _agree(left.known, right.known),
        _both(left.permit, right.permit),
        left.deny if left.known & DENY or right.deny is None or (left.deny and not right.known & DENY) else right.deny,
    )


def _both(one: Source | None, other: Source | None) -> Source | None:
    """Where only all together permit, each of them does: on its own conditions."""
    if one is None or other is None:
        return one or other
    return replace(one, said_in=(*one.said_in, *other.said_in))


def only_narrowing(found: Finding) -> Finding:
    """What is left of a finding from which no permit may come."""
    possible = found.possible & ~PERMIT
    if found.possible & PERMIT:
        possible |= NONE
    return Finding(possible, NONE if found.known == PERMIT else found.known, None, found.deny)


@dataclass(frozen=True)
class Sources:
    """Who speaks among some versions: the newest of the authorities; everybody else who is not older than one, and the newest of those."""

    ruling: Sequence[Version]
    heard: Sequence[Version]
    adding: Sequence[Version]


def _sources(versions: Sequence[Version]) -> Sources:
    """INVARIANT: a source without authority never silences one with authority; it adds its word if it is not older."""
    with_authority = [item for item in versions if item.registered.authority]
    others = [item for item in versions if not item.registered.authority]
    heard = [item for item in others if not any(is_newer(other, item) for other in with_authority)]
    return Sources(newest(with_authority), heard, newest(heard))


@dataclass
class Lineage:
    """All versions of one consent, asked one question."""

    versions: Sequence[Version]
    question: Question
    standing: Standing

    def __post_init__(self) -> None:
        self._readings: dict[tuple[int, bool], Reading] = {}
        self._sources: dict[tuple[int, ...], Sources] = {}
        self._said: dict[tuple[tuple[int, ...], int], Finding] = {}

    def finding(self, resource: Json) -> Finding:
        """What this lineage says of a resource of the question: worked out once for each."""
        return self._together(self.versions, resource)

    def _together(self, versions: Sequence[Version], resource: Json) -> Finding:
        """What these versions say: the newest of the authorities, and what any other source adds to it.

        Worked out once: a long row of refusals asks for what stood before each of them.
        """
        among = tuple(id(version) for version in versions)
        held = self._said.get((among, id(resource)))
        if held is None:
            sources = self._sources.get(among)
            if sources is None:
                sources = self._sources[among] = _sources(versions)
            held = self._said[(among, id(resource))] = self._combined(versions, sources, resource)
        return held

    def _combined(self, versions: Sequence[Version], sources: "Sources", resource: Json) -> Finding:
        own = self._voice(sources.ruling, versions, resource)
        other = self._other_voices(versions, sources, resource)
        if own is None:
            return only_narrowing(other) if other is not None else SILENCE
        return own if other is None else agree(own, other)

    def _other_voices(self, versions: Sequence[Version], sources: "Sources", resource: Json) -> Finding | None:
        """INVARIANT: only a consent authority can widen: a denial from another source stands until an authority speaks after it."""
        found = self._voice(sources.adding, versions, resource)
        if found is None:
            return None
        for earlier in sources.heard:
            if earlier not in sources.adding:
                found = join(only_narrowing(self._says(earlier, versions, resource)), found)
        return found

    def _voice(self, heads: Sequence[Version], among: Sequence[Version], resource: Json) -> Finding | None:
        """What the newest say; where several tie, all of them together."""
        result: Finding | None = None
        for head in heads:
            found = self._says(head, among, resource)
            result = found if result is None else agree(result, found)
        return result

    def _says(self, version: Version, among: Sequence[Version], resource: Json) -> Finding:
        status = version.status
        if status == "active":
            return self._reads(version, resource)
        older = [item for item in among if is_newer(version, item)]
        if status == "rejected":
            return self._dissents(version, older, resource, own_words="provision" in version.consent)
        if status == "inactive":
            if not version.withdrawn_by_person():
                return SILENCE
            return self._dissents(version, older, resource, own_words=False)
        found = self._before(version, older, resource)
        # A status that nobody knows may be a refusal.
        return (
            found
            if status == "entered-in-error"
            else agree(found, Finding(DENY | NONE, NONE, deny=self._source(version)))
        )

    def _before(self, version: Version, older: Sequence[Version], resource: Json) -> Finding:
        """`entered-in-error`: that version never was. An older deny stands; an older permit does not come back by itself."""
        result = SILENCE
        remaining = [item for item in older if item.status != "entered-in-error"]
        while remaining:
            heads = newest(remaining)
            result = join(result, only_narrowing(self._together(remaining, resource)))
            same = all(text(head.consent, "id") == text(version.consent, "id") for head in heads)
            if result.known == DENY or not same:
                break
            remaining = [item for item in remaining if item not in heads]
        return result

    def _dissents(self, version: Version, older: Sequence[Version], resource: Json, *, own_words: bool) -> Finding:
        """A recorded dissent: denies what its last active version was about, and what a refusal itself names.

        It only ever adds: whatever was denied before it stays denied (consent.md 3.6, taking consent away never releases more).
        """
        told = [item for item in older if item.status == "active"]
        with_authority = newest([item for item in told if item.registered.authority])
        active = [*with_authority, *(item for item in newest(told) if item not in with_authority)]
        covered = [*active, version] if own_words or not active else active
        result = only_narrowing(self._together(older, resource))
        for item in covered:
            found = self._reads(item, resource, dissent=True)
            possible = (DENY if found.possible & (PERMIT | DENY) else 0) | (found.possible & NONE)
            known = DENY if found.known != NONE else NONE
            source = found.deny or found.permit or self._source(version)
            said = Source("dissent", source.consent, source.version, source.provision)
            result = join(result, Finding(possible, known, None, said if possible & DENY else None))
        return result

    def _reads(self, version: Version, resource: Json, *, dissent: bool = False) -> Finding:
        key = (id(version), dissent)
        reading = self._readings.get(key)
        if reading is None:
            reading = self._readings[key] = Reading(version.consent, self.question, dissent)
        standing = self.standing(version.consent, resource)
        if standing is Match.NO:
            return SILENCE
        found = reading.finding(resource)
        if standing is Match.UNKNOWN:
            found = Finding(found.possible | NONE, NONE, found.permit, found.deny)
        return found if dissent or version.may_permit else only_narrowing(found)

    @staticmethod
    def _source(version: Version) -> Source:
        return Source("consent", text(version.consent, "id"), text(obj(version.consent, "meta"), "versionId"), "status")


def is_dissent(version: Version) -> bool:
    """Refused, or taken back by the person."""
    return version.status == "rejected" or (version.status == "inactive" and version.withdrawn_by_person())
