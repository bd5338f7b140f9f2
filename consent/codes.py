"""Codes by subsumption. The table comes with the facts (made by fhir_profiles for these resources and these consents); there is no code list here."""

from collections.abc import Iterable, Iterator, Mapping

from consent.reading import coding, concept_codings, obj, objects
from consent.shapes import Coding, Json, RegisteredConsent
from consent.ternary import Match, any_of

Subsumes = Mapping[tuple[str, str], bool]

PRIMARY = ("code", "medicationCodeableConcept", "vaccineCode", "type")
"""Where a resource says what it is about."""
FURTHER = (
    "valueCodeableConcept",
    "reasonCode",
    "category",
    "bodySite",
    "method",
    "addresses",
    "statusReason",
    "serviceType",
)
"""Where it can say the same thing again: a deny looks here too, so that a fact does not leave by its other spelling."""
WITHOUT_CODE = frozenset(
    {
        "Patient",
        "Organization",
        "Practitioner",
        "RelatedPerson",
        "MessageHeader",
        "Bundle",
        "Provenance",
        "Consent",
        "Binary",
    }
)
"""Types that have no code of their own: a provision about codes is not about them."""

MOST_ASKED = 50_000
"""Pairs of codes that one decision may ask about: everybody's letters wait for the answers."""


def key(item: Coding) -> str:
    return f"{item.system}|{item.code}"


def covers(general: Coding, specific: Coding, subsumes: Subsumes) -> Match:
    """Does the first subsume the second? The same code does; a pair that the table does not hold is unknown."""
    if not general.system or not general.code or not specific.system or not specific.code:
        return Match.UNKNOWN
    if general == specific:
        return Match.YES
    answer = subsumes.get((key(general), key(specific)))
    if answer is None:
        return Match.UNKNOWN
    return Match.YES if answer else Match.NO


def resource_codings(resource: Json, related: Mapping[str, Json], *, wide: bool) -> list[Coding]:
    """The codings that say what a resource is about; `wide` adds every other place where it says so (for a deny)."""
    found: list[Coding] = []
    for name in PRIMARY:
        if name in resource and not isinstance(
            resource[name], str
        ):  # AllergyIntolerance.type and others are bare codes of another kind
            for concept in _concepts(resource, name):
                found.extend(concept_codings(concept))
    medication = related.get(str(obj(resource, "medicationReference").get("reference", "")))
    if medication is not None:
        found.extend(concept_codings(medication.get("code")))
    elif "medicationReference" in resource:
        found.append(Coding(system="", code=""))
    if not found and resource.get("resourceType") not in WITHOUT_CODE:
        found.append(Coding(system="", code=""))
    if wide:
        found.extend(_further(resource))
    return found


def _concepts(holder: Json, name: str) -> list[Json]:
    found, readable = objects(holder, name)
    return found if readable else [*found, {}]


def _further(resource: Json) -> Iterator[Coding]:
    for name in FURTHER:
        for concept in objects(resource, name)[0]:
            if "coding" in concept:
                yield from concept_codings(concept)
    for part in (*objects(resource, "component")[0], *objects(resource, "reaction")[0]):
        for name in ("code", "valueCodeableConcept", "substance"):
            if name in part:
                yield from concept_codings(part.get(name))


def any_covers(stated: Iterable[Coding], found: Iterable[Coding], subsumes: Subsumes) -> Match:
    held = list(found)
    return any_of(covers(general, specific, subsumes) for general in stated for specific in held)


def pairs_asked(consents: Iterable[RegisteredConsent], resources: Iterable[Json]) -> tuple[tuple[str, str], ...]:
    """Every (general, specific) pair of `system|code` that a decision over these may look up, sorted: what a `subsumes` table must answer.

    No more than `MOST_ASKED`, the consents with the fewest codes first. INVARIANT: what is not asked is unknown: it permits nothing, and a
    denial by it holds what it may be about.
    """
    said = sorted((_stated(registered.consent) for registered in consents), key=len)
    if not any(said):
        return ()
    held: set[str] = set()
    for resource in resources:
        held |= {key(item) for item in resource_codings(resource, {}, wide=True)}
        held |= {key(coding(item)) for item in objects(obj(resource, "meta"), "security")[0]}
    stated: set[str] = set()
    for each in said:
        if len(stated | each) * len(held) > MOST_ASKED:
            break
        stated |= each
    return tuple(
        sorted(
            (general, specific)
            for general in stated
            for specific in held
            if general != specific and "|" not in (general, specific)
        )
    )


def _stated(consent: Json) -> set[str]:
    found: set[str] = set()
    for node in provisions(consent):
        found |= {key(item) for concept in objects(node, "code")[0] for item in concept_codings(concept)}
        found |= {key(coding(item)) for name in ("securityLabel", "class") for item in objects(node, name)[0]}
    return found


def provisions(consent: Json) -> Iterator[Json]:
    """Every provision of a consent that can be read, the root first."""
    waiting = objects(consent, "provision")[0]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(objects(node, "provision")[0])
