"""The language of UK Core's extension and the need of an interpreter stand where every letter of care reads them."""

from typing import Any

import pytest

from fhir_profiles import systems
from fhir_profiles.mappings.fhir_spoken import INTERPRETER_REQUIRED, NHS_COMMUNICATION
from fhir_profiles.shapes import Fate
from fhir_profiles.validate import invalid, validate
from tests.fhir_profiles.fhir_message.messages import bundle, carried, patient, plan, read

Json = dict[str, Any]
HUMAN_LANGUAGE = "https://fhir.hl7.org.uk/CodeSystem/UKCore-HumanLanguage"
INTERPRETER = {"url": INTERPRETER_REQUIRED, "valueBoolean": True}
POLISH = {"language": {"text": "Polish"}}


def said(code: str, display: str, **more: bool) -> Json:
    """UK Core's extension as the Personal Demographics Service gives it."""
    language = {"coding": [{"system": HUMAN_LANGUAGE, "code": code, "display": display}]}
    parts = [{"url": name, "valueBoolean": value} for name, value in more.items()]
    return {
        "url": NHS_COMMUNICATION,
        "extension": [{"url": "language", "valueCodeableConcept": language}, *parts],
    }


@pytest.mark.parametrize(
    ("extensions", "communication", "words", "tag"),
    [
        ([said("fr", "French", interpreterRequired=True)], [], "French, with an interpreter", "fr"),
        ([said("fr", "French", interpreterRequired=False)], [], None, "fr"),
        ([said("q4", "British Sign Language", interpreterRequired=True)], [], "British Sign Language, with an interpreter", None),
        ([INTERPRETER], [POLISH], "Polish, with an interpreter", None),
        ([INTERPRETER], [], "with an interpreter", None),
        ([said("fr", "French", interpreterRequired=True), INTERPRETER], [], "French, with an interpreter", "fr"),
        ([INTERPRETER | {"valueBoolean": False}], [POLISH], "Polish", None),
    ],
)  # fmt: skip
def test_what_is_spoken_is_told_in_one_place(
    extensions: list[Json], communication: list[Json], words: str | None, tag: str | None
) -> None:
    person = patient() | {"extension": extensions}
    if communication:
        person |= {"communication": communication}
    translation = read(bundle(plan(), person=person))
    (found,) = carried(translation, "Patient")
    (spoken,) = found["communication"]
    assert spoken["language"].get("text") == words
    tags = [each["code"] for each in spoken["language"].get("coding", []) if each["system"] == systems.BCP_47]
    assert tags == ([tag] if tag else [])
    assert not invalid(validate(translation.bundle))
    told = [field for field in translation.fields if ".extension" in field.source]
    assert told
    assert {field.fate for field in told} == {Fate.MAPPED}


def test_a_person_of_whom_nothing_is_said_speaks_nothing() -> None:
    translation = read(bundle(plan()))
    (found,) = carried(translation, "Patient")
    assert "communication" not in found
