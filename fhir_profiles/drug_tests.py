"""Drug tests as they stand in a person's file: what was tested, when, why, how surely, and with what result. It must never judge them.

One Observation is one assay; an Observation with components is one assay a component. A test is recognised by its substance group, its
purpose or its method (local codings that the mappings write). Purpose and establishment are read from the Observation, else from the
DiagnosticReport that lists it. Two purposes that differ make it unknown, and if one of them is `mandatory` the test stays out of clinical letters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from fhir_profiles import systems
from fhir_profiles.days import Days, days_of
from fhir_profiles.elements import (
    as_object,
    as_objects,
    as_text,
    codes,
    codings,
    in_error,
    name_of,
    of_type,
    referenced,
)
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import SUBSTANCE_GROUPS, drug_result, substance_group

Result = Literal["positive", "negative", "unknown"]


class Purpose(StrEnum):
    """Why a drug test was done. `unknown` is never reported and never guessed."""

    THERAPEUTIC = "therapeutic"
    COMPACT = "compact"
    MANDATORY = "mandatory"
    UNKNOWN = "unknown"


CONFIRMATORY: Final = "confirmatory"
HEROIN_MARKER: Final = "heroin-marker"
"""6-monoacetylmorphine and diamorphine itself: only diamorphine explains them, although they are reported in the group of opiates."""
_HEROIN_MARKER_LOINC: Final = frozenset(
    {"19321-9", "10976-9", "19322-7", "19593-3", "10975-1", "3546-9", "19439-9", "16198-4", "16755-1", "3547-7"}
)
NOT_DONE: Final = frozenset({"cancelled", "entered-in-error", "registered"})
_NO_TEST: Final = frozenset({"social-history", "survey", "exam", "vital-signs"})
"""Categories of Observations that are no laboratory test, whatever substance they are about."""


@dataclass(frozen=True, kw_only=True)
class Assay:
    """One assay of one test. `groups` are substance groups as recorded; `days` is when the specimen was taken, None when nobody wrote it."""

    observation: str
    groups: tuple[str, ...]
    analyte: str
    purpose: Purpose
    mandatory_anywhere: bool
    days: Days | None
    specimen: str
    result: Result
    confirmatory: bool
    establishment: str | None


def reports_by_observation(resources: Sequence[Json]) -> Mapping[str, tuple[Json, ...]]:
    """Give, for every Observation that a DiagnosticReport lists (or that lists it as a member), the reports."""
    found: dict[str, tuple[Json, ...]] = {}
    for report in of_type(resources, "DiagnosticReport"):
        for result in as_objects(report.get("result")):
            found[referenced(result)] = (*found.get(referenced(result), ()), report)
    return found


def _purposes(resource: Json) -> set[str]:
    known = {purpose.value for purpose in Purpose} - {Purpose.UNKNOWN.value}
    return {
        code
        for code in codes(
            [*as_objects(resource.get("category")), *as_objects(resource.get("code"))], systems.TEST_PURPOSE
        )
        if code in known
    }


def establishment_of(resource: Json) -> str | None:
    """Give the three-letter agency id that a mapping wrote on a resource, or None."""
    for extension in as_objects(resource.get("extension")):
        identifier = as_object(extension.get("valueIdentifier"))
        if extension.get("url") == systems.ESTABLISHMENT_EXTENSION and identifier.get("system") == systems.AGENCY:
            return as_text(identifier.get("value")) or None
    return None


def _method(resource: Json) -> str:
    return next(iter(codes(resource.get("method"), systems.TEST_METHOD)), "")


def groups_of(holder: Json) -> tuple[str, ...]:
    """Give the groups that a mapping wrote, else the group that terminology knows for the assay."""
    concepts = [*as_objects(holder.get("code")), *as_objects(holder.get("category"))]
    written = tuple(
        dict.fromkeys(code for code in codes(concepts, systems.SUBSTANCE_GROUP) if code in SUBSTANCE_GROUPS)
    )
    if written or {as_text(coding.get("code")) for coding in codings(holder.get("category"))} & _NO_TEST:
        return written
    known = substance_group(holder.get("code") or {})
    return (known,) if known else ()


def is_drug_test(observation: Json, reports: Sequence[Json] = ()) -> bool:
    """Say whether an Observation is a drug test: it, a component of it or its report carries a group, a purpose or a method of ours."""
    marked = bool(groups_of(observation) or _purposes(observation) or _method(observation))
    components = any(groups_of(component) for component in as_objects(observation.get("component")))
    return marked or components or any(_purposes(report) for report in reports)


def result_of(holder: Json) -> Result:
    """Read a result from its value and its interpretation, codes and words; what no row knows, and two that differ, are unknown."""
    concepts = [*as_objects(holder.get("valueCodeableConcept")), *as_objects(holder.get("interpretation"))]
    said = as_text(holder.get("valueString"))
    return drug_result([*concepts, {"text": said}] if said else concepts)


def taken(observation: Json, reports: Sequence[Json] = ()) -> str | None:
    """Give when the specimen was taken, as written: effective of the Observation, else of its report. The time of issue is not it."""
    for resource in (observation, *reports):
        period = as_object(resource.get("effectivePeriod"))
        for value in (resource.get("effectiveDateTime"), resource.get("effectiveInstant"), period.get("start")):
            if days_of(value) is not None:
                return as_text(value)
    return None


def assays_of(observation: Json, reports: Sequence[Json] = ()) -> Iterator[Assay]:
    """Give the assays of one Observation. Cancelled, registered and erroneous ones give none."""
    if (
        in_error(observation)
        or as_text(observation.get("status")) in NOT_DONE
        or not is_drug_test(observation, reports)
    ):
        return
    said = [purposes for purposes in (_purposes(resource) for resource in (observation, *reports)) if purposes]
    named = set().union(*said)
    purpose = Purpose(named.pop()) if len(named) == 1 else Purpose.UNKNOWN
    establishment = next((place for place in map(establishment_of, (observation, *reports)) if place), None)
    parts = [part for part in as_objects(observation.get("component")) if groups_of(part)]
    for holder in parts or [observation]:
        loinc = set(codes(holder.get("code"), systems.LOINC))
        yield Assay(
            observation=name_of(observation),
            groups=groups_of(holder) or groups_of(observation),
            analyte=HEROIN_MARKER if loinc & _HEROIN_MARKER_LOINC else "",
            purpose=purpose,
            mandatory_anywhere=is_mandatory(observation, reports),
            days=days_of(taken(observation, reports)),
            specimen=referenced(observation.get("specimen")),
            result=result_of(holder),
            confirmatory=_method(observation) == CONFIRMATORY,
            establishment=establishment,
        )


def is_mandatory(observation: Json, reports: Sequence[Json] = ()) -> bool:
    """Say whether anything calls this a mandatory test. Such a result belongs to the prison and is in no clinical letter (R118)."""
    return any(Purpose.MANDATORY.value in _purposes(resource) for resource in (observation, *reports))
