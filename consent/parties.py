"""Is the recipient the actor that a provision names? By resolved identifiers, through organisations, groups and roles; a name alone is nobody.

A reference that resolves to nothing is unknown, never "somebody else".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from consent.reading import concept_codings, identifiers, label_of, obj, objects, text
from consent.shapes import Coding, Json, Party
from consent.ternary import Match, all_of, any_of
from consent.when import contains

PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
RECIPIENT_ROLES = frozenset({Coding(system=PARTICIPATION, code="IRCP"), Coding(system=PARTICIPATION, code="PRCP")})
"""Roles that say no more than "the one who receives" (IHE PCF uses IRCP)."""
CLASS_SYSTEM = "https://throughgate.example/code/recipient-class"
"""Local: the classes of recipient (`community-provider`, `pharmacy`, ...), for a consent that names a class."""
_PERSONS = frozenset({"Practitioner", "Patient", "RelatedPerson", "Device"})
_DEPTH = 12


@dataclass(frozen=True)
class Directory:
    """What references resolve to. Two different entries under one name are an ambiguity, so both are kept."""

    entries: Mapping[str, tuple[Json, ...]]

    @classmethod
    def of(cls, resources: Iterable[Json]) -> "Directory":
        entries: dict[str, list[Json]] = {}
        for resource in resources:
            name = label_of(resource)
            if name and resource not in entries.setdefault(name, []):
                entries[name].append(resource)
        return cls({name: tuple(found) for name, found in entries.items()})

    def find(self, reference: str) -> tuple[Json, ...]:
        return self.entries.get(reference.split("/_history/", 1)[0], ())


@dataclass
class Recipient:
    """The recipient with what the directory knows of it: its own entries and the organisations above them."""

    party: Party
    directory: Directory
    as_of: datetime
    own: frozenset[tuple[str, str]] = field(init=False)
    above: frozenset[tuple[str, str]] = field(init=False)
    is_organization: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.own = frozenset(pair for pair in self.party.identifiers if pair[0] and pair[1])
        above: set[tuple[str, str]] = set()
        for entry in (item for found in self.directory.entries.values() for item in found):
            if self.own.isdisjoint(identifiers(entry)):
                continue
            self.is_organization = self.is_organization or entry.get("resourceType") == "Organization"
            above |= self._parents(entry)
        self.above = frozenset(above)

    def _parents(self, entry: Json) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for _ in range(_DEPTH):
            parent = obj(entry, "partOf")
            found |= set(identifiers(parent))
            entries = self.directory.find(text(parent, "reference"))
            if len(entries) != 1:
                return found
            entry = entries[0]
            found |= set(identifiers(entry))
        return found

    def is_actor(self, actor: Json, contained: Mapping[str, Json]) -> Match:
        """Provision.actor: its role and its reference both."""
        role = self._has_role(actor)
        if "reference" not in actor:
            generic = "role" not in actor or any(item in RECIPIENT_ROLES for item in concept_codings(actor["role"]))
            return min(role, Match.UNKNOWN) if generic else role
        return all_of((role, self.is_referred_to(actor.get("reference"), contained)))

    def _has_role(self, actor: Json) -> Match:
        if "role" not in actor:
            return Match.YES
        return any_of(self._plays(item) for item in concept_codings(actor["role"]))

    def _plays(self, role: Coding) -> Match:
        if role in RECIPIENT_ROLES:
            return Match.YES
        if role.system == CLASS_SYSTEM:
            return Match.YES if role.code == self.party.recipient_class else Match.NO
        stated = set(self.party.roles)
        if role.code and {role.code, f"{role.system}|{role.code}"} & stated:
            return Match.YES
        same_system = any(item.startswith(f"{role.system}|") for item in stated)
        return Match.NO if role.system and same_system else Match.UNKNOWN

    def is_referred_to(self, reference: object, contained: Mapping[str, Json], depth: int = 0) -> Match:
        """Does a Reference name the recipient, directly or through a group it belongs to?"""
        if not isinstance(reference, dict) or depth > _DEPTH:
            return Match.UNKNOWN
        answers: list[Match] = []
        if "identifier" in reference:
            answers.append(self._has_one_of(identifiers(reference), kind=text(reference, "type")))
        literal = text(reference, "reference")
        if literal:
            held = contained.get(literal[1:]) if literal.startswith("#") else None
            entries = (held,) if held is not None else self.directory.find(literal)
            found = {self._is_entry(entry, contained, depth + 1) for entry in entries}
            answers.append(found.pop() if len(found) == 1 else Match.UNKNOWN)
        return any_of(answers) if answers else Match.UNKNOWN

    def _is_entry(self, entry: Json, contained: Mapping[str, Json], depth: int) -> Match:
        kind = text(entry, "resourceType")
        if kind in ("Group", "CareTeam"):
            return self._is_member(entry, kind, contained, depth)
        if kind == "PractitionerRole":
            person = self.is_referred_to(entry.get("practitioner"), contained, depth)
            return any_of((self._has_one_of(identifiers(entry), kind=kind), person))
        return self._has_one_of(identifiers(entry), kind=kind)

    def _has_one_of(self, named: Sequence[tuple[str, str]], *, kind: str) -> Match:
        if not named or not self.own:
            return Match.UNKNOWN
        if not (self.own | self.above).isdisjoint(named):
            return Match.YES
        systems = {system for system, _ in self.own}
        if any(system in systems for system, _ in named):
            return Match.NO
        return Match.NO if kind in _PERSONS and self.is_organization else Match.UNKNOWN

    def _is_member(self, group: Json, kind: str, contained: Mapping[str, Json], depth: int) -> Match:
        members, readable = objects(group, "member" if kind == "Group" else "participant")
        if kind == "CareTeam" and text(group, "status") not in ("", "active"):
            return Match.NO
        answers = [self._is_one_member(member, kind, contained, depth) for member in members]
        if not readable or not members:
            answers.append(Match.UNKNOWN)
        return min(self._stands(group, kind), any_of(answers))

    def _stands(self, group: Json, kind: str) -> Match:
        """A team exists in its period; a Group that is kept for history only (`active` false) may or may not still be one."""
        if kind == "Group":
            return Match.YES if group.get("active", True) is True else Match.UNKNOWN
        return contains(obj(group, "period"), self.as_of) if "period" in group else Match.YES

    def _is_one_member(self, member: Json, kind: str, contained: Mapping[str, Json], depth: int) -> Match:
        if member.get("inactive") is True:
            return Match.NO
        now = contains(obj(member, "period"), self.as_of) if "period" in member else Match.YES
        return all_of(
            (now, self.is_referred_to(member.get("entity" if kind == "Group" else "member"), contained, depth))
        )
