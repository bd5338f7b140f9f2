"""Profile handover-composition: what a handover holds, under which headings, and what it says is missing (derived from UK Core Composition)."""

from collections.abc import Collection, Iterator
from typing import Final

from fhir_profiles.elements import as_objects, as_text, codings
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json

RECORD_HEADINGS: Final = "https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings"
ALWAYS: Final = ("risk-information", "active-medications", "treatments-and-interventions", "test-result")
"""Headings that no handover is without, whatever stands under them: risk, medicines, the last dose, drug tests."""


def build(
    *,
    kind: Json,
    title: str,
    provisional: bool,
    date: str,
    subject: str,
    author: str,
    event: Json,
    sections: tuple[Json, ...],
) -> Json:
    """Write the Composition. `subject` and `author` are `Type/id`; the narrative of the sections is made when it is rendered."""
    return {
        "resourceType": "Composition",
        "id": "handover",
        "status": "preliminary" if provisional else "final",
        "type": kind,
        "subject": {"reference": subject},
        "date": date,
        "author": [{"reference": author}],
        "title": f"{title} (provisional)" if provisional else title,
        "confidentiality": "R",
        "custodian": {"reference": author},
        "event": [event],
        "section": list(sections),
    }


def headings_of(composition: Json) -> frozenset[str]:
    """The record standard headings of its sections."""
    return frozenset(
        as_text(coding.get("code"))
        for section in as_objects(composition.get("section"))
        for coding in codings(section.get("code"))
        if coding.get("system") == RECORD_HEADINGS
    )


def section_faults(composition: Json, always: Collection[str]) -> Iterator[Fault]:
    """What is wrong with the sections of a letter that is never without the headings `always`."""
    headings = headings_of(composition)
    for heading in always:
        if heading not in headings:
            yield "Composition.section", f"no section {heading}"
    for number, section in enumerate(as_objects(composition.get("section"))):
        if not (section.get("entry") or section.get("emptyReason") or section.get("section")):
            yield f"Composition.section[{number}]", "neither entries nor a reason why there are none"


def _rules(composition: Json) -> Iterator[Fault]:
    yield from section_faults(composition, ALWAYS)


PROFILE: Final = Profile(name="handover-composition", resource_type="Composition", rules=_rules)
