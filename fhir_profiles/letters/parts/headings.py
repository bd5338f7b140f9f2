"""The headings of a letter: PRSB record standard headings as UK Core codes them. A heading that is not theirs is coded as local."""

from dataclasses import dataclass
from typing import Final

from fhir_profiles import systems
from fhir_profiles.letters.parts.spec import Missing, RequiredFact
from fhir_profiles.profiles.handover_composition import RECORD_HEADINGS
from fhir_profiles.shapes import Json

LOCAL_HEADINGS: Final = systems.LOCAL_CODE + "letter-section"
EMPTY_REASON: Final = "http://terminology.hl7.org/CodeSystem/list-empty-reason"

HEADINGS: Final = {
    "handover-details": "Handover details",
    "risk-information": "Risk information",
    "active-medications": "Active medications",
    "discontinued-medications": "Discontinued medications",
    "treatments-and-interventions": "Treatments and interventions",
    "test-result": "Test result",
    "investigation-results": "Investigation results",
    "assessment-scales": "Assessment scales",
    "allergies-and-adverse-reaction": "Allergies and adverse reaction",
    "diagnoses": "Diagnoses",
    "plan-and-requested-actions": "Plan and requested actions",
    "appointment": "Appointment",
    "general-practitioner-practice": "General practitioner practice",
    "contact-for-further-information": "Contact for further information",
}
"""Code -> display of the headings used here, as in UKCore-RecordStandardHeadings 1.0.0."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section before it is written: `entries` are `Type/id`; `empty` is said when there are none."""

    code: str
    title: str
    entries: tuple[str, ...]
    empty: str = "Nothing is recorded under this heading in the file."


def _code(code: str, title: str) -> Json:
    if code in HEADINGS:
        return {"coding": [{"system": RECORD_HEADINGS, "code": code, "display": HEADINGS[code]}], "text": title}
    return {"coding": [{"system": LOCAL_HEADINGS, "code": code}], "text": title}


def _empty(code: str, text: str) -> Json:
    return {"coding": [{"system": EMPTY_REASON, "code": code}], "text": text}


def section_json(section: Section) -> Json:
    """Write one section of a Composition; its narrative is made when the letter is rendered."""
    written: Json = {"title": section.title, "code": _code(section.code, section.title)}
    if section.entries:
        written["entry"] = [{"reference": entry} for entry in section.entries]
    else:
        written["emptyReason"] = _empty("unavailable", section.empty)
    return written


def missing_json(missing: Missing) -> Json | None:
    """Write the section `missing`: one sub-section for each fact that the letter should hold and the file has not."""
    if not missing:
        return None

    def one(fact: RequiredFact) -> Json:
        code = {"coding": [{"system": LOCAL_HEADINGS, "code": f"missing-{fact.name}"}], "text": fact.heading}
        return {"title": fact.heading, "code": code, "emptyReason": _empty("unavailable", fact.text)}

    title = "Missing: what this letter should hold and the file does not"
    return {"title": title, "code": _code("missing", title), "section": [one(fact) for fact in missing]}
