"""The resources of one decision and how they refer to each other: for Provision.data (instance, related, dependents, authoredby)."""

from collections.abc import Iterator, Sequence
from functools import cached_property

from consent.parties import Directory
from consent.reading import identifiers, label_of, obj, objects, text
from consent.shapes import Json
from consent.ternary import Match, all_of, any_of

_AUTHORS = (
    "author",
    "performer",
    "recorder",
    "asserter",
    "requester",
    "sender",
    "informant",
    "source",
    "informationSource",
    "enterer",
)


def references(value: object) -> Iterator[str]:
    """Every literal reference inside, without its version."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            literal = item.get("reference")
            if isinstance(literal, str):
                yield literal.split("/_history/", 1)[0]
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


class Graph:
    """The letter's resources by name, with what each refers to."""

    def __init__(self, resources: Sequence[Json], directory: Directory) -> None:
        self.resources = resources
        self.directory = directory

    @cached_property
    def by_name(self) -> dict[str, Json]:
        return {name: resource for resource in self.resources if (name := label_of(resource))}

    @cached_property
    def _refers_to(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(references(resource)) for name, resource in self.by_name.items()}

    def refers(self, source: str, target: str) -> bool:
        return target in self._refers_to.get(source, frozenset())

    def is_meant(self, data: Json, resource: Json, *, both_ways: bool) -> Match:
        """Provision.data: does it mean this resource? (http://hl7.org/fhir/R4/valueset-consent-data-meaning.html)

        `related` is, in core R4, the instance and what it refers to. IHE PCF writes it for what belongs to an encounter, that is for what
        refers to it: `both_ways`.
        """
        reference = obj(data, "reference")
        meaning = text(data, "meaning")
        if meaning == "authoredby":
            return self._is_authored_by(reference, resource)
        instance = self._is_instance(reference, resource)
        if meaning == "instance" or instance is Match.YES:
            return instance
        literal = text(reference, "reference").split("/_history/", 1)[0]
        own = label_of(resource)
        if meaning == "related":
            if self.refers(literal, own) or (both_ways and literal and self.refers(own, literal)):
                return Match.YES
            return instance if literal in self.by_name else Match.UNKNOWN
        if meaning == "dependents":
            return Match.YES if literal and self.refers(own, literal) else instance
        return Match.UNKNOWN

    def _is_instance(self, reference: Json, resource: Json) -> Match:
        answers: list[Match] = []
        if "identifier" in reference:
            named, held = identifiers(reference), identifiers(resource)
            if not set(named).isdisjoint(held):
                answers.append(Match.YES)
            else:
                comparable = {system for system, _ in named} & {system for system, _ in held}
                answers.append(Match.NO if comparable else Match.UNKNOWN)
        literal = text(reference, "reference").split("/_history/", 1)[0]
        own = label_of(resource)
        if literal:
            if "://" in literal or literal.startswith(("urn:", "#")) or not own:
                answers.append(Match.UNKNOWN)
            else:
                answers.append(Match.YES if literal == own else Match.NO)
        return any_of(answers) if answers else Match.UNKNOWN

    def _is_authored_by(self, author: Json, resource: Json) -> Match:
        answers: list[Match] = [self._same_author(author, held) for held in self._authors(resource)]
        return any_of(answers) if answers else Match.UNKNOWN

    def _authors(self, resource: Json) -> Iterator[Json]:
        for name in _AUTHORS:
            for item in objects(resource, name)[0]:
                yield obj(item, "actor") if "actor" in item else obj(item, "agent") if "agent" in item else item
        own = label_of(resource)
        for other in self.resources:
            if other.get("resourceType") == "Provenance" and any(
                text(target, "reference").split("/_history/", 1)[0] == own for target in objects(other, "target")[0]
            ):
                for agent in objects(other, "agent")[0]:
                    yield obj(agent, "who")

    def _same_author(self, stated: Json, held: Json) -> Match:
        left, right = text(stated, "reference"), text(held, "reference")
        if left and left == right:
            return Match.YES
        named, found = self._identities(stated), self._identities(held)
        if not named.isdisjoint(found):
            return Match.YES
        if named and found and {system for system, _ in named} & {system for system, _ in found}:
            return Match.NO
        known = all_of(
            Match.YES if item and "://" not in item and item[0] != "#" else Match.UNKNOWN for item in (left, right)
        )
        return Match.NO if known is Match.YES else Match.UNKNOWN

    def _identities(self, reference: Json) -> frozenset[tuple[str, str]]:
        found = set(identifiers(reference))
        for entry in self.directory.find(text(reference, "reference")):
            found |= set(identifiers(entry))
        return frozenset(found)
