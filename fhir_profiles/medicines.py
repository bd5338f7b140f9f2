"""What a recorded medicine contains: which positive test it can explain, and whether it treats substance misuse.

The knowledge is `terminology/` (formulary, substances) and, for everything else that people take, `medicines.toml`. It must never guess: a
medicine that no row recognises is unknown, which is not the same as harmless.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources as package_files
from typing import Final

from fhir_profiles import systems, terminology
from fhir_profiles.elements import as_object, as_objects, as_text, codings, find, referenced
from fhir_profiles.frozen_concepts import Frozen, frozen, thawed
from fhir_profiles.shapes import Json

_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?|(?<=/))\s*(micrograms?|mcg|milligrams?|mg|millilitres?|ml)\b")
_DEPOT: Final = re.compile(
    r"\bprolonged[ -]release\b|\bdepot\b|\bbuvidal\b|\bsublocade\b|\bbrixadi\b|\bbuprenorphine\b.*\binjection\b"
)
_WORD: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is known of one medicine. `names` of its substances; empty means that the medicine is not known at all."""

    names: frozenset[str]
    explains: frozenset[str]
    may_explain: frozenset[str]
    substitute: bool
    treats: bool


class Same(StrEnum):
    """Is it the same medicine? `perhaps`: of one of the two it is not known what it contains."""

    YES = "yes"
    PERHAPS = "perhaps"
    NO = "no"


@dataclass(frozen=True, kw_only=True)
class _Row:
    name: str
    explains: frozenset[str]
    may_explain: frozenset[str]


@cache
def _rows() -> dict[str, _Row]:
    """Read `medicines.toml` once: word -> row. Raises ValueError when a word stands in two rows."""
    text = package_files.files("fhir_profiles").joinpath("medicines.toml").read_text("utf-8")
    by_word: dict[str, _Row] = {}
    for entry in tomllib.loads(text)["medicine"]:
        row = _Row(
            name=entry["name"],
            explains=frozenset(entry.get("explains", ())),
            may_explain=frozenset(entry.get("may_explain", ())),
        )
        for word in entry["words"]:
            if word in by_word:
                raise ValueError(f"medicines.toml: {word} stands in two rows")
            by_word[word] = row
    return by_word


def medication_concepts(resource: Json, resources: Sequence[Json]) -> Iterator[Json]:
    """Give the CodeableConcepts that say what the medicine is: in place, contained, or of the Medication that is referred to."""
    yield from as_objects(resource.get("medicationCodeableConcept"))
    reference = as_object(resource.get("medicationReference"))
    medication: Json | None = None
    if referenced(reference).startswith("#"):
        wanted = referenced(reference)[1:]
        contained = as_objects(resource.get("contained"))
        medication = next((item for item in contained if as_text(item.get("id")) == wanted), None)
    elif referenced(reference):
        medication = find(resources, reference)
    if as_text(reference.get("display")):
        yield {"text": as_text(reference.get("display"))}
    if medication is not None:
        yield from as_objects(medication.get("code"))
        for ingredient in as_objects(medication.get("ingredient")):
            yield from as_objects(ingredient.get("itemCodeableConcept"))


def _names_of(resource: Json, resources: Sequence[Json]) -> Iterator[str]:
    """Give every name of a medicine: as it is written, and as the formulary has it."""
    for concept in medication_concepts(resource, resources):
        yield from (
            as_text(name) for name in (concept.get("text"), *(each.get("display") for each in codings(concept)))
        )
        known = terminology.product(concept)
        if known is not None:
            yield known.name


def contents_of(resource: Json, resources: Sequence[Json]) -> Contents:
    """Read what a MedicationRequest, MedicationStatement or MedicationAdministration contains."""
    return _contents(tuple(map(frozen, medication_concepts(resource, resources))))


@lru_cache(maxsize=4_096)
def _contents(held: tuple[Frozen, ...]) -> Contents:
    """The lists do not change while the program runs, so that a medicine by the same names and codes is looked up once."""
    concepts = tuple(map(thawed, held))
    rows = {row.name: row for concept in concepts for row in _rows_named(concept)}
    names = frozenset(rows)
    explains = frozenset().union(*(row.explains for row in rows.values()))
    for concept in concepts:
        names |= terminology.substances_of(concept)
        explains |= terminology.explained_groups(concept)
    return Contents(
        names=names,
        explains=explains,
        may_explain=frozenset().union(*(row.may_explain for row in rows.values())),
        substitute=any(terminology.is_substitute_medication(concept) for concept in concepts),
        treats=any(terminology.is_substance_misuse_medication(concept) for concept in concepts),
    )


def _rows_named(concept: Json) -> Iterator[_Row]:
    by_word = _rows()
    for name in (concept.get("text"), *(coding.get("display") for coding in codings(concept))):
        for word in _WORD.findall(as_text(name).lower()):
            if word in by_word:
                yield by_word[word]


def other_strength(concept: Json) -> str:
    """Give the name of the formulary's product where the words of a medicine name another strength than its code means; else nothing.

    INVARIANT: a reader of codes and one of words never take two strengths for one without being told: ten times the dose is between them.
    """
    for one in codings(concept):
        known = terminology.product({"coding": [{name: one[name] for name in ("system", "code") if name in one}]})
        words = {as_text(name).lower() for name in (concept.get("text"), one.get("display")) if as_text(name)}
        if known is not None and any(_differ(name, known.name) for name in words):
            return known.name
    return ""


def _differ(name: str, known: str) -> bool:
    """Do the amounts of a name mean another strength? What names no milligrams, or of a liquid by the millilitre no volume, names none."""
    (written, volume), (meant, measure) = _strength(name), _strength(known)
    if not written or (measure == 1 and volume is None):
        return False
    same_ratio = (
        len(written) == len(meant) == 1 and volume and measure and min(written) * measure == min(meant) * volume
    )
    return not same_ratio and (measure == 1 or not written <= meant)


def _strength(name: str) -> tuple[frozenset[Decimal], Decimal | None]:
    """The milligrams that a name holds, and the one volume in millilitres (`/ml` is one)."""
    milligrams: set[Decimal] = set()
    volume: Decimal | None = None
    for digits, unit in _AMOUNT.findall(name.lower().replace(",", "")):
        number = Decimal(digits or 1)
        if unit in {"ml", "millilitre", "millilitres"}:
            volume = number
        elif digits:
            milligrams.add(number if unit.startswith(("mg", "milligram")) else number / 1000)
    return frozenset(milligrams), volume


def same_medicine(one: Json, other: Json, resources: Sequence[Json]) -> Same:
    """Compare the medicines of two resources: by their substances; by code, then by words, where one of the two is not known.

    INVARIANT: what is not known is not different: two unlike names may be of one medicine.
    """
    known, also = contents_of(one, resources).names, contents_of(other, resources).names
    if known and also:
        return Same.YES if known & also else Same.NO
    return Same.YES if _written(one, resources) & _written(other, resources) else Same.PERHAPS


def _written(resource: Json, resources: Sequence[Json]) -> frozenset[tuple[str, str]]:
    """How the medicine is written: each code that everybody reads alike (two senders may use one local code for two), and its words."""
    concepts = tuple(medication_concepts(resource, resources))
    coded = ((as_text(each.get("system")), as_text(each.get("code"))) for each in codings(concepts))
    shared = {each for each in coded if all(each) and not each[0].startswith(systems.LOCAL_CODE)}
    names = (
        as_text(name) for each in concepts for name in (each.get("text"), *(c.get("display") for c in codings(each)))
    )
    return frozenset(shared | {("", name.casefold()) for name in names if name})


def is_substitute(resource: Json, resources: Sequence[Json]) -> bool:
    """Say whether the medicine is substitute medication (opioid agonist treatment: methadone, buprenorphine)."""
    return contents_of(resource, resources).substitute


def is_depot(resource: Json, resources: Sequence[Json]) -> bool:
    """Say whether a medicine is substitute medication that is injected and acts for a week or a month."""
    if not is_substitute(resource, resources):
        return False
    return any(_DEPOT.search(name.lower()) for name in _names_of(resource, resources))
