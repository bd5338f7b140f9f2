"""A person whose record is flagged sensitive (PDS `R` or `V`): what of a letter would say where they are, or who near them gives care.

Address, telecom, GP, establishment and area never leave, whoever lets the letter go (decision 0036). Cut by the element's name in whatever
holds it, by the kind of resource, and in text by the words that the record itself has for those places. It MUST NOT take a dose, a result,
a date or a risk from a letter; and what only a person's free words know of a place it cannot know.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from consent import labels
from consent.reading import identifiers, label_of, obj, objects, text
from consent.shapes import Json, Party, Unplaced

_WHERE: Final = (
    "address telecom contact generalPractitioner managingOrganization serviceProvider location locationCode locationReference "
    "origin destination receiver photo birthPlace endpoint healthcareService coverageArea position"
)
WHERE: Final = frozenset(_WHERE.split())
"""Elements that say where somebody is or can be reached, or who near them gives care, in whatever resource they stand."""
WHERE_PATHS: Final = frozenset(
    {
        "Appointment.comment",  # words for the person: how to get there
        "Appointment.description",
        "Appointment.patientInstruction",
        "CareTeam.name",
        "MedicationRequest.identifier",  # the number of an electronic prescription holds the code of its practice
    }
)
NAMELESS: Final = frozenset({"Organization", "Location", "HealthcareService", "Practitioner"})
"""Kinds of which only that there is one leaves: who works at a place, or prescribes there, says where it is."""
NOT_NAMED: Final = "Not named in this letter"
"""What stands in the place of a name, and of a place in somebody's words."""
_NAMED_BY_TEXT: Final = frozenset({"Practitioner"})
_CLINICAL_KINDS: Final = (
    "Medication MedicationRequest MedicationStatement MedicationAdministration MedicationDispense Observation DiagnosticReport Condition "
    "AllergyIntolerance CarePlan Goal Flag Specimen ServiceRequest Questionnaire Composition Communication Patient RelatedPerson"
)
_CLINICAL: Final = frozenset(_CLINICAL_KINDS.split())
"""Kinds whose name in a reference (`display`) says what, and not where."""
_TEXTS: Final = "text display title comment note description patientInstruction instruction conclusion name reason"
_WORDS: Final = frozenset(_TEXTS.split())
_NO_PLACE: Final = frozenset(
    {"use", "type", "period", "system", "rank", "country", "id", "extension", "purpose", "relationship", "coding"}
)
_NOT_A_PLACE: Final = frozenset({"name", "relationship", "gender"})
"""What of a contact is about who it is."""
_EVERYDAY_WORDS: Final = (
    "january february march april may june july august september october november december "
    "monday tuesday wednesday thursday friday saturday sunday morning noon evening night day week "
    "reading deal send sale bath battle bury ash wells rugby hope stone street ford hook nelson beer street end rest ware wing settle "
    "diss eye hove hull lea lee looe moreton over read rye sandwich sheet ball barking barrow bow castle church clinic chapel "
    "barnes bude burn cheddar cross crook dale dose epsom flint hale ham hay hill home hospital house husk ide ince kid lake leigh "
    "low mill mold mumbles newport north south east west nutts park pill pharmacy pool poole port prison row ryde "
    "sharp shell shop ship sleep slough stay stroke surgery swan tablet team tongue town ward wash water well wick wing wool yell york "
    "methadone buprenorphine subutex espranor buvidal naloxone naltrexone lofexidine diazepam chlordiazepoxide thiamine acamprosate disulfiram "
    "pregabalin gabapentin codeine morphine tramadol heroin cocaine cannabis alcohol sertraline mirtazapine olanzapine quetiapine insulin"
)
_EVERYDAY: Final = frozenset(_EVERYDAY_WORDS.split())
"""Words of everyday English, dates and medicines that are a place too: taken out, they would take a date or a dose with them."""
_BRACKETS: Final = re.compile(r"\s*\([^)]*\)\s*$")
_PRISON: Final = re.compile(r"^(?:HM\s+Prison|HMP/YOI|HMP|HMYOI|YOI|IRC)\s+", re.IGNORECASE)
_LEAST_WORD: Final = 3
_LEAST_DIGITS: Final = 6
_GAP: Final = r"[\s().\u00ad\u2010-\u2015\u2212-]{0,8}"
"""What can stand between the signs of a number: blanks of every kind, hyphens, dots."""


def is_sensitive(resources: Iterable[Json]) -> bool:
    """Is the letter about a person whose record is flagged?"""
    return any(each.get("resourceType") == "Patient" and labels.is_restricted(each) for each in resources)


def unplaced(resources: Sequence[Json], places: Sequence[Json], whom: Party) -> Unplaced | None:
    """What a letter of these resources must not tell; None where the person's record is not flagged.

    `places` are what else is known of places: the person's file, and an Organization with the words for the sender.
    """
    if not is_sensitive(resources):
        return None
    known = (*resources, *places)
    themselves = [each for each in known if _is(each, whom)]
    names = {value for each in themselves for value in _values(each, ("name", "alias", "identifier"))}
    own = {label_of(each) for each in themselves} | {"|".join(each) for each in whom.identifiers} | names
    words = {value for each in known if each not in themselves for value in _places(each)}
    return Unplaced(own=tuple(sorted(own)), words=tuple(sorted(filter(_tells, words - names))))


def is_where(path: str) -> bool:
    """Does this path of an agreement, or element as it stands (`Encounter.location.period`), say where?"""
    steps = path.split(".")
    return not WHERE.isdisjoint(steps[1:]) or ".".join(steps[:2]) in WHERE_PATHS


def may_name(reference: Json, key: str, own: Sequence[str]) -> bool:
    """May a reference keep its name? Where it names something clinical, the person, or the recipient itself."""
    literal = text(reference, "reference").split("/_history/", 1)[0]
    kind = text(reference, "type") or "/".join(literal.split("/")[-2:-1])
    identifier = obj(reference, "identifier")
    said = {literal, f"{text(identifier, 'system')}|{text(identifier, 'value')}", text(reference, "display")}
    return kind in _CLINICAL or key.startswith("medication") or not said.isdisjoint(own)


def nameless(kind: str) -> Json:
    """What is left of an organisation, a place or somebody who gives care."""
    return {"name": [{"text": NOT_NAMED}] if kind in _NAMED_BY_TEXT else NOT_NAMED}


def is_of_a_code_or_a_medicine(path: str) -> bool:
    """Is it the name of a code or of a medicine? INVARIANT: no place takes anything from those."""
    named = (".coding.display", ".medicationReference.display")
    return path.startswith("Medication.") or path.endswith(named) or ".medicationCodeableConcept." in path


def without_words(key: str, said: str, words: tuple[str, ...]) -> str:
    """Text without the words for places; an element that is no text is as it was."""
    if not words or not (key in _WORDS or key.endswith(("String", "Markdown"))):
        return said
    return _pattern(words).sub(NOT_NAMED.lower(), said)


def _is(resource: Json, whom: Party) -> bool:
    return resource.get("resourceType") == "Organization" and not set(identifiers(resource)).isdisjoint(
        whom.identifiers
    )


def _places(resource: Json) -> Iterator[str]:
    """The words that a resource has for places: names and numbers of organisations, and where anybody can be reached."""
    kind = text(resource, "resourceType")
    if kind in NAMELESS - {"Practitioner"}:
        yield from _values(resource, ("name", "alias", "identifier", "telecom", "address"))
    for key in ("address", "telecom", "generalPractitioner", "managingOrganization", "contact", "serviceProvider"):
        for each in objects(resource, key)[0]:
            yield from _leaves({name: each[name] for name in each if name not in _NOT_A_PLACE})
    for stay in objects(resource, "location")[0] if kind == "Encounter" else ():
        yield text(obj(stay, "location"), "display")


def _values(resource: Json, keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        for value in _leaves(resource.get(key)):
            yield from _forms(value)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value if isinstance(value, list) else ():
        yield from _leaves(inner)
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key not in _NO_PLACE and key != "reference":
            yield from _leaves(inner)


def _forms(name: str) -> Iterator[str]:
    """A name as it stands, and as people say it: HMP Fellgate (YOI) is HMP Fellgate, and Fellgate."""
    yield name
    plain = _BRACKETS.sub("", name)
    yield plain
    yield _PRISON.sub("", plain)


def _tells(word: str) -> bool:
    """Is it a word for a place at all? A house number or two signs would take a dose from a sentence."""
    letters, digits = sum(map(str.isalpha, word)), sum(map(str.isdigit, word))
    if word.strip().lower() in _EVERYDAY:
        return False  # whoever lets the letter go reads for it (decision 0036)
    return len(word.strip()) >= _LEAST_WORD and letters > 1 if letters else digits >= _LEAST_DIGITS


@lru_cache(maxsize=64)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(_in_its_case, longest_first))})(?!\w)", re.IGNORECASE)


def _in_its_case(word: str) -> str:
    """A name of one word with a capital is found with a capital, or in capitals: without it is a word like any other."""
    if word.isalpha() and word[0].isupper():
        return f"(?-i:{word[0]}){_written(word[1:])}"
    return _written(word)


def _written(word: str) -> str:
    """However it is spaced: a number with or without its gaps, as an identifier of letters and digits, a postcode in one piece."""
    if not any(map(str.isalpha, word)):
        return _GAP.join(filter(str.isdigit, word))
    if len(word) >= _LEAST_DIGITS and word.isalnum() and any(map(str.isdigit, word)):
        return _GAP.join(word)
    return r"\s*".join(map(re.escape, word.split()))
