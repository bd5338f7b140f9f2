"""Give the drug tests of a FHIR message the local codings that every drug test carries here. It must never guess a purpose or judge a result.

Purpose: a category of the Observation or DiagnosticReport, or the reasonCode or category of the ServiceRequest that it is based on (DESIGN
section 6). Two that differ are both written, and then count as unknown. Group and method follow from the code (terminology).
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fhir_profiles import systems, terminology
from fhir_profiles.fhir_message import object_of, objects_of, text_of
from fhir_profiles.shapes import Json

_NO_TEST: Final = frozenset({"social-history", "survey", "exam", "vital-signs"})
_NO_SPECIMEN: Final = frozenset({"unavailable", "unsatisfactory"})
_LABORATORY: Final = frozenset({"laboratory", "LAB", "TX", "CH"})


def normalise_drug_tests(resources: list[Json], establishment: str | None) -> list[Json]:
    """Give the resources with the codings added where a drug test is recognised; others are the same objects."""
    ordered = {
        f"ServiceRequest/{resource['id']}": purposes_in(resource.get("reasonCode"), resource.get("category"))
        for resource in resources
        if resource["resourceType"] == "ServiceRequest"
    }
    useless = {
        f"Specimen/{resource['id']}": text_of(resource.get("status"))
        for resource in resources
        if resource["resourceType"] == "Specimen" and resource.get("status") in _NO_SPECIMEN
    }
    return [_normalised(_with_specimen(resource, useless), ordered, establishment) for resource in resources]


def _with_specimen(resource: Json, useless: dict[str, str]) -> Json:
    """INVARIANT: no letter holds a Specimen: a result of one that was of no use says so itself, or it is read as a negative."""
    status = useless.get(text_of(object_of(resource.get("specimen") or {}).get("reference")))
    if resource["resourceType"] != "Observation" or status is None:
        return resource
    read = [*objects_of(resource.get("interpretation") or []), {"text": f"specimen {status}"}]
    return _in_place(resource, "interpretation", read)


def purposes_in(*places: Any) -> tuple[str, ...]:
    """Give the purposes that concepts name: local codes, or their usual names as text."""
    found = (terminology.test_purpose(concept) for place in places for concept in objects_of(place))
    return tuple(dict.fromkeys(purpose for purpose in found if purpose is not None))


def is_laboratory(resource: Json) -> bool:
    """Say whether an Observation or DiagnosticReport is a laboratory's, or a drug test whatever its category."""
    kind = resource.get("resourceType")
    if kind not in ("Observation", "DiagnosticReport"):
        return False
    codes = {
        text_of(coding.get("code")) for concept in objects_of(resource.get("category")) for coding in _codings(concept)
    }
    return bool(codes & _LABORATORY) or is_drug_test(resource)


def is_drug_test(resource: Json) -> bool:
    """Say whether a resource carries a substance group or a purpose, or is a panel of drug tests."""
    concepts = [*objects_of(resource.get("code")), *objects_of(resource.get("category"))]
    concepts += [object_of(part.get("code")) for part in objects_of(resource.get("component"))]
    local = (systems.SUBSTANCE_GROUP, systems.TEST_PURPOSE)
    return any(
        coding.get("system") in local for concept in concepts for coding in _codings(concept)
    ) or terminology.is_drug_panel(object_of(resource.get("code")))


def without_purpose(resources: Iterable[Json]) -> Iterator[Json]:
    """Give the drug tests (Observations) whose purpose neither they nor a report that lists them says."""
    everything = list(resources)
    said: set[str] = set()
    for report in everything:
        if report["resourceType"] == "DiagnosticReport" and purposes_in(report.get("category")):
            said |= {text_of(result.get("reference")) for result in objects_of(report.get("result"))}
    for resource in everything:
        if resource["resourceType"] == "Observation" and is_drug_test(resource):
            name = f"Observation/{resource['id']}"
            if name not in said and not purposes_in(resource.get("category")):
                yield resource


def _codings(concept: Json) -> list[Json]:
    return objects_of(concept.get("coding") or [])


def _normalised(resource: Json, ordered: dict[str, tuple[str, ...]], establishment: str | None) -> Json:
    kind = resource["resourceType"]
    if kind not in ("Observation", "DiagnosticReport"):
        return resource
    changed = _with_purposes(resource, ordered)
    if kind == "Observation":
        changed = _with_groups(changed)
        if is_drug_test(changed):
            changed = _with_method(changed)
    if establishment is not None and is_drug_test(changed):
        changed = _with_establishment(changed, establishment)
    return changed


def _with_purposes(resource: Json, ordered: dict[str, tuple[str, ...]]) -> Json:
    purposes = list(purposes_in(resource.get("category")))
    for request in objects_of(resource.get("basedOn")):
        purposes += ordered.get(text_of(request.get("reference")), ())
    written = {
        coding.get("code")
        for concept in objects_of(resource.get("category"))
        for coding in _codings(concept)
        if coding.get("system") == systems.TEST_PURPOSE
    }
    added = [
        {"coding": [{"system": systems.TEST_PURPOSE, "code": purpose}]}
        for purpose in dict.fromkeys(purposes)
        if purpose not in written
    ]
    return _in_place(resource, "category", [*objects_of(resource.get("category")), *added]) if added else resource


def _with_groups(resource: Json) -> Json:
    categories = {
        coding.get("code") for concept in objects_of(resource.get("category")) for coding in _codings(concept)
    }
    if categories & _NO_TEST:
        return resource
    changed = _with_group(resource)
    parts = objects_of(resource.get("component"))
    if parts:
        grouped = [_with_group(part) for part in parts]
        changed = {**changed, "component": grouped}
    return changed


def _with_group(holder: Json) -> Json:
    code = object_of(holder.get("code"))
    group = terminology.substance_group(code)
    codings = _codings(code)
    if group is None or any(coding.get("system") == systems.SUBSTANCE_GROUP for coding in codings):
        return holder
    return {**holder, "code": {**code, "coding": [*codings, {"system": systems.SUBSTANCE_GROUP, "code": group}]}}


def _with_method(resource: Json) -> Json:
    named = object_of(resource.get("method"))
    if any(coding.get("system") == systems.TEST_METHOD for coding in _codings(named)):
        return resource
    method = (terminology.test_method(named) if named else None) or terminology.test_method(
        object_of(resource.get("code"))
    )
    if method is None:
        return resource
    return {
        **resource,
        "method": {**named, "coding": [*_codings(named), {"system": systems.TEST_METHOD, "code": method}]},
    }


def _with_establishment(resource: Json, establishment: str) -> Json:
    extensions = objects_of(resource.get("extension") or [])
    if any(extension.get("url") == systems.ESTABLISHMENT_EXTENSION for extension in extensions):
        return resource
    identifier = {"system": systems.AGENCY, "value": establishment}
    added = {"url": systems.ESTABLISHMENT_EXTENSION, "valueIdentifier": identifier}
    return _in_place(resource, "extension", [*extensions, added])


def _in_place(resource: Json, name: str, value: Any) -> Json:
    """Change a member where it stands, or add it after the head of the resource."""
    if name in resource:
        return {**resource, name: value}
    head = {key: resource[key] for key in ("resourceType", "id", "meta", "extension", "status") if key in resource}
    return head | {name: value} | {key: item for key, item in resource.items() if key not in head}
