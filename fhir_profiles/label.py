"""Put the security labels on a resource that say how sensitive it is (HL7 v3-Confidentiality and v3-ActCode), by the rows of `labels.toml`.

It only ever raises: a higher label that is there stays, another one is added. It must never label what no row recognises; a resource without a
label counts as carrying every label, and one that no row recognises is said to be so beside the labels of its sender. It is idempotent, changes
nothing but `meta.security`, and never raises on malformed content.
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from fhir_profiles import systems, terminology
from fhir_profiles.frozen_concepts import Frozen, frozen, thawed
from fhir_profiles.shapes import Json
from fhir_profiles.terminology.concepts import coded, words_of

CONFIDENTIALITY_ORDER: Final = ("U", "L", "M", "N", "R", "V")
_UNRECOGNISED: Final = {"system": systems.CONTENT, "code": "unrecognised"}
"""No row says what it is about. A decision counts it as carrying every label (`consent.labels.UNRECOGNISED`)."""
_PLACES: Final = (
    "code", "category", "type", "serviceType", "serviceCategory", "specialty", "appointmentType", "reasonCode", "conclusionCode", "orderDetail",
    "medicationCodeableConcept", "valueCodeableConcept", "description", "topic", "title", "name", "docStatus",
)  # fmt: skip
"""The members that say what a resource is about; never a person's name (only concepts and texts of a concept's place are read)."""
_NAMED: Final = frozenset({"CareTeam", "Goal", "CarePlan", "Composition", "DocumentReference", "List", "Appointment"})
_EXPLAINING: Final = frozenset({"Medication", "Condition"})
_KEYS: Final = frozenset({"name", "types", "question", "codes", "words", "confidentiality", "sensitivity", "reason"})


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """One row of `labels.toml`."""

    name: str
    types: frozenset[str]
    question: str
    codes: frozenset[tuple[str, str]]
    words: tuple[str, ...]
    confidentiality: str
    sensitivity: tuple[str, ...]
    reason: str


class LabelTableError(ValueError):
    """`labels.toml` has a row that cannot be read. Names the row and the key."""


@cache
def label_rules() -> tuple[LabelRule, ...]:
    """Read the rows, once. Raises `LabelTableError`."""
    return read_rules(files("fhir_profiles").joinpath("labels.toml").read_text(encoding="utf-8"))


def read_rules(text: str) -> tuple[LabelRule, ...]:
    """Read rows from the text of a table. Raises `LabelTableError` for an unknown key or question, and for a row without a reason."""
    rules = []
    for row in tomllib.loads(text)["rule"]:
        name = row.get("name", "")
        if not row.keys() <= _KEYS or not {"name", "confidentiality", "sensitivity", "reason"} <= row.keys():
            raise LabelTableError(f"{name}: a key is unknown or missing")
        if not row["reason"].strip() or row["confidentiality"] not in CONFIDENTIALITY_ORDER:
            raise LabelTableError(f"{name}: reason or confidentiality")
        if row.get("question", "whole-type") not in _QUESTIONS or not {"question", "codes", "words"} & row.keys():
            raise LabelTableError(f"{name}: question")
        codes = [tuple(code.rsplit("|", 1)) for code in row.get("codes", ())]
        rules.append(
            LabelRule(
                name=name,
                types=frozenset(row.get("types", ())),
                question=row.get("question", ""),
                codes=frozenset((system, code) for system, code in codes),
                words=tuple(row.get("words", ())),
                confidentiality=row["confidentiality"],
                sensitivity=tuple(row["sensitivity"]),
                reason=row["reason"],
            )
        )
    return tuple(rules)


def label_resource(resource: Json) -> Json:
    """Give the resource with its labels; the same object when nothing is added. References to other resources are not followed."""
    return _label(resource, {}, composed=False)


def label_bundle(bundle: Json, *, composed: bool = False) -> Json:
    """Give the Bundle with every entry's resource labelled; what explains it (its Medication, the Condition that a plan addresses) is followed
    to the same Bundle. `composed`: it is a letter, whose labels are ours, or were looked at when they came.
    """
    entries = bundle.get("entry")
    if not isinstance(entries, list):
        return bundle
    explaining = {}
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and _kind(resource) in _EXPLAINING:
            explaining[f"{resource['resourceType']}/{resource.get('id')}"] = resource
            explaining[str(entry.get("fullUrl"))] = resource
    labelled = [
        {**entry, "resource": _label(entry["resource"], explaining, composed=composed)}
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
        else entry
        for entry in entries
    ]
    return {**bundle, "entry": labelled}


def looked_at_again(written: Iterable[Json], file: Sequence[Json]) -> Iterator[Json]:
    """Give what a letter holds, with what no row knows marked as such where the file has it without the mark: filed by an earlier version of the
    product, or by an earlier table. It is looked at whole, as the file has it: a letter holds less of it. Nothing else is changed.
    """
    explaining = {f"{kind}/{each.get('id')}": each for each in file if (kind := _kind(each)) in _EXPLAINING}
    # what a sender said nothing of has no labels but ours
    said = {(_kind(each), each.get("id")): each for each in file if _security(each)}
    for each in written:
        filed = said.get((_kind(each), each.get("id")))
        known = filed is None or _UNRECOGNISED in _security(filed) or _matching(filed, explaining)
        yield each if known else _with_labels(each, _still_unrecognised(_security(each)))


def _matching(resource: Json, explaining: Mapping[str, Json]) -> tuple[LabelRule, ...]:
    return _rules_of(_kind(resource), tuple(frozen(concept) for concept in _concepts(resource, explaining)))


def _label(resource: Json, explaining: Mapping[str, Json], *, composed: bool) -> Json:
    found = _matching(resource, explaining)
    meta = resource.get("meta") if isinstance(resource.get("meta"), dict) else {}
    before = [coding for coding in _as_list((meta or {}).get("security")) if isinstance(coding, dict)]
    unknown = before if composed else _still_unrecognised(before)
    after = _raised(before, found) if found else unknown
    return resource if after == before else _with_labels(resource, after)


@lru_cache(maxsize=8_192)
def _rules_of(kind: str, concepts: tuple[Frozen, ...]) -> tuple[LabelRule, ...]:
    """Give the rules that match: the same type about the same concepts has the same labels, so each is asked once."""
    about = _About([thawed(concept) for concept in concepts])
    return tuple(rule for rule in label_rules() if (not rule.types or kind in rule.types) and _matches(rule, about))


def _kind(resource: Json) -> str:
    kind = resource.get("resourceType")
    return kind if isinstance(kind, str) else ""


def _with_labels(resource: Json, security: list[Json]) -> Json:
    """Keep the order of members: `meta` stays where it is, or comes after `resourceType` and `id`."""
    if isinstance(resource.get("meta"), dict):
        return {key: {**value, "security": security} if key == "meta" else value for key, value in resource.items()}
    head: Json = {key: resource[key] for key in ("resourceType", "id") if key in resource}
    return {
        **head,
        "meta": {"security": security},
        **{key: value for key, value in resource.items() if key not in (*head, "meta")},
    }


def is_sensitive(patient: Json) -> bool:
    """Say whether a person's record is flagged sensitive: confidentiality R or V on the Patient, as PDS says it."""
    return any(
        each.get("system") == systems.CONFIDENTIALITY and each.get("code") in ("R", "V") for each in _security(patient)
    )


def flagged(patient: Json) -> Json:
    """Give a Patient as a record that is flagged sensitive; the same where it is one already."""
    if is_sensitive(patient):
        return patient
    others = [each for each in _security(patient) if each.get("system") != systems.CONFIDENTIALITY]
    return _with_labels(patient, [{"system": systems.CONFIDENTIALITY, "code": "R"}, *others])


def keep_labels(before: Json, after: Json) -> Json:
    """Give a later version of a resource the labels of the one before that are higher or that it lacks (DESIGN section 2 rule 8).

    A prison's message never says that a record is restricted: without this, its next word about a person would lift the mark. That an earlier
    version was not recognised says nothing of the later one; a later one that no row knows is not known by the labels of the one before.
    """
    had, has = _security(before), _security(after)
    levels = [_level(coding.get("code")) for coding in (*had, *has) if coding.get("system") == systems.CONFIDENTIALITY]
    highest = max(levels, default=-1)
    kept = [{"system": systems.CONFIDENTIALITY, "code": CONFIDENTIALITY_ORDER[highest]}] if highest >= 0 else []
    seen: set[tuple[Any, Any]] = set()
    for coding in (*has, *had):
        name = (coding.get("system"), coding.get("code"))
        if name[0] not in (systems.CONFIDENTIALITY, systems.CONTENT) and name not in seen:
            seen.add(name)
            kept.append(coding)
    if _UNRECOGNISED in has or not (has or _matching(after, {})):
        kept = _still_unrecognised(kept)
    return _with_labels(after, kept) if kept and kept != has else after


def _security(resource: Json) -> list[Json]:
    meta = resource.get("meta")
    held = meta.get("security") if isinstance(meta, dict) else None
    return [coding for coding in held if isinstance(coding, dict)] if isinstance(held, list) else []


def _raised(before: list[Json], found: Sequence[LabelRule]) -> list[Json]:
    # INVARIANT: labels only rise (DESIGN section 2 rule 8: absent never widens): the highest confidentiality wins, sensitivities are united.
    level = max(_level(rule.confidentiality) for rule in found)
    had = [_level(coding.get("code")) for coding in before if coding.get("system") == systems.CONFIDENTIALITY]
    kept = before
    if level > max(had, default=-1):
        kept = [coding for coding in before if coding.get("system") != systems.CONFIDENTIALITY]
        kept.insert(0, {"system": systems.CONFIDENTIALITY, "code": CONFIDENTIALITY_ORDER[level]})
    present = [(coding.get("system"), coding.get("code")) for coding in kept]
    wanted = dict.fromkeys(code for rule in found for code in rule.sensitivity)
    return kept + [
        {"system": systems.ACT_CODE, "code": code} for code in wanted if (systems.ACT_CODE, code) not in present
    ]


def _still_unrecognised(before: list[Json]) -> list[Json]:
    # INVARIANT: what a sender says of content that no row knows (ORC-28, meta.security) lowers nothing: without it, it counts as every label.
    return before if not before or _UNRECOGNISED in before else [*before, dict(_UNRECOGNISED)]


def _level(code: Any) -> int:
    return CONFIDENTIALITY_ORDER.index(code) if code in CONFIDENTIALITY_ORDER else -1


class _About:
    """What a resource is about: its concepts, and their codes and words once for all rows."""

    __slots__ = ("codes", "concepts", "words")

    def __init__(self, concepts: list[Any]) -> None:
        self.concepts = concepts
        self.codes = frozenset(coded(concepts))
        self.words = f" {' | '.join(text for concept in concepts for text in words_of(concept))} "


def _matches(rule: LabelRule, about: _About) -> bool:
    if rule.question:
        return _QUESTIONS[rule.question](about.concepts)
    return not rule.codes.isdisjoint(about.codes) or any(f" {word} " in about.words for word in rule.words)


def _concepts(resource: Json, explaining: Mapping[str, Json]) -> Iterator[Any]:
    """Give every concept, and for the types that have a name or title of their own that text, that says what the resource is about."""
    kind = _kind(resource)
    for place in _PLACES:
        if place not in resource:
            continue
        value = resource[place]
        if isinstance(value, dict | list) and place != "name":
            yield from (item for item in _as_list(value) if isinstance(item, dict))
        elif isinstance(value, str) and kind in _NAMED:
            yield value
    for component in _as_list(resource.get("component")):
        if isinstance(component, dict) and isinstance(component.get("code"), dict):
            yield component["code"]
    for ingredient in _as_list(resource.get("ingredient")):
        if isinstance(ingredient, dict) and isinstance(ingredient.get("itemCodeableConcept"), dict):
            yield ingredient["itemCodeableConcept"]
    for reference in (*_as_list(resource.get("medicationReference")), *_as_list(resource.get("addresses"))):
        if isinstance(reference, dict):
            yield {"text": reference.get("display")}
            other = _referred(resource, reference.get("reference"), explaining)
            if other is not None and other is not resource:
                yield from _concepts(other, {})


def _referred(resource: Json, target: Any, explaining: Mapping[str, Json]) -> Json | None:
    if not isinstance(target, str):
        return None
    if target.startswith("#"):
        inner = (one for one in _as_list(resource.get("contained")) if isinstance(one, dict))
        return next((one for one in inner if one.get("id") == target[1:]), None)
    return explaining.get(target)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _is_whole_type(_concepts: list[Any]) -> bool:
    return True


def _is_drug_test(concepts: list[Any]) -> bool:
    about = [concept for concept in concepts if isinstance(concept, dict)]
    local = {systems.SUBSTANCE_GROUP, systems.TEST_PURPOSE}
    return (
        any(system in local for system, _ in coded(about))
        or terminology.is_drug_panel(about)
        or any(terminology.substance_group(concept) is not None for concept in about)
    )


def _is_problem(concepts: list[Any]) -> bool:
    titles = [concept for concept in concepts if isinstance(concept, str)] or [""]
    about = [concept for concept in concepts if isinstance(concept, dict)]
    return any(terminology.is_substance_misuse_care_plan(about, title) for title in titles)


def _any_concept(question: Callable[[Json], bool]) -> Callable[[list[Any]], bool]:
    return lambda concepts: any(question(concept) for concept in concepts if isinstance(concept, dict))


_QUESTIONS: Final[Mapping[str, Callable[[list[Any]], bool]]] = {
    "whole-type": _is_whole_type,
    "drug-test": _is_drug_test,
    "substitute-medication": _any_concept(terminology.is_substitute_medication),
    "substance-misuse-medication": _any_concept(terminology.is_substance_misuse_medication),
    "substance-misuse-problem": _is_problem,
}
