"""What the product does not carry is left out by a named rule, and no rule takes back what a mapping carries."""

import json
from typing import Any

import pytest

from fhir_profiles.mappings.minimised import Rule, by_element, by_place, rules
from fhir_profiles.shapes import Channel, Fate, Translation
from fhir_profiles.translate import translate as whole_translation
from tests.fhir_profiles.hmpps.test_domain_events import event
from tests.fhir_profiles.mappings.golden_pairs import translate

PERSON = "9990000018^^^NHS^NH"
HEAD = "MSH|^~\\&|EHR|LEI|||20260301||ADT^A01|1|P|2.5\rEVN|A01\r"


def admission(pid: str, *more: str) -> Translation:
    return translate((HEAD + "\r".join((pid, "PV1|1|I", *more))).encode())


def fates(translation: Translation) -> dict[str, tuple[Fate, str]]:
    return {field.source: (field.fate, field.reason.partition(":")[0]) for field in translation.fields}


def test_what_no_purpose_needs_is_left_out_by_a_named_rule() -> None:
    """Canaries: in the ledger by rule, and in nothing that was made."""
    pid = f"PID|1||{PERSON}||Test^A|CANARY^B||M||CANARY|||||||CANARY^belief||CANARY-SSN|||||||CANARY"
    translation = admission(pid, "IN1|1|CANARY^plan", "GT1|1||CANARY", "CTI|CANARY")
    found = fates(translation)
    assert found["PID-6.1"] == (Fate.MINIMISED, "other-identities")
    assert found["PID-10"] == found["PID-17.1"] == found["PID-26"] == (Fate.MINIMISED, "origin-and-belief")
    assert found["IN1-2.1"] == found["GT1-3"] == (Fate.MINIMISED, "payment")
    assert found["CTI-1"] == (Fate.MINIMISED, "research")
    assert "CANARY" not in str(translation.bundle)


def test_a_rule_never_takes_back_what_a_mapping_carries() -> None:
    """PID-10 is in a rule, and carries the ethnic category of the NHS where a sender writes it there."""
    translation = admission(f"PID|1||{PERSON}||Test^A|||||A^White - British")
    assert fates(translation)["PID-10.1"][0] is Fate.MAPPED
    assert "EthnicCategory" in str(translation.bundle)


def test_of_staff_the_name_and_number_are_carried() -> None:
    translation = admission(f"PID|1||{PERSON}", "PV2|||||||||||||G1^Doe&van^Jo^^^Dr^DEGREE^^GMC^L^^^^WARD")
    found = fates(translation)
    assert [found[f"PV2-13.{part}"][0] for part in ("1", "2.1", "3", "6", "9")] == [Fate.MAPPED] * 5
    assert {found[f"PV2-13.{part}"] for part in ("2.2", "7", "10", "14")} == {(Fate.MINIMISED, "staff")}
    assert "DEGREE" not in str(translation.bundle)


def test_another_person_is_kept_out_by_a_rule() -> None:
    translation = admission(f"PID|1||{PERSON}", "PID|2||9990000026^^^NHS^NH||CANARY")
    assert translation.hold is not None
    assert fates(translation)["PID[2]-5"] == (Fate.MINIMISED, "one-person")
    assert "CANARY" not in str(translation.bundle)


FHIR = Channel(name="any", format="fhir")
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "meta": {"profile": ["http://example.org/canary"]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">CANARY</div>'},
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/patient-religion", "valueCodeableConcept": {"text": "CANARY"}}
    ],
    "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
}


def collected(*resources: dict[str, Any]) -> Translation:
    entries = [
        {"fullUrl": f"http://example.org/{one['resourceType']}/{one['id']}", "resource": one} for one in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return whole_translation(FHIR, json.dumps(bundle).encode())


def test_of_fhir_the_same_rules_leave_out_what_is_no_content() -> None:
    questionnaire = {"resourceType": "Questionnaire", "id": "q", "status": "active", "title": "CANARY"}
    subject = {"reference": "Patient/p", "display": "CANARY"}
    dispense = {
        "resourceType": "MedicationDispense",
        "id": "d",
        "status": "completed",
        "subject": subject,
        "medicationCodeableConcept": {"text": "methadone"},
        "authorizingPrescription": [{"reference": "#rx"}],
        "contained": [
            {
                "resourceType": "MedicationRequest",
                "id": "rx",
                "status": "active",
                "intent": "order",
                "subject": subject,
                "medicationCodeableConcept": {"text": "CANARY"},
            }
        ],
    }
    translation = collected(PATIENT, questionnaire, dispense)
    assert translation.hold is None
    found = fates(translation)
    for place, rule in {
        "Bundle.entry[0].fullUrl": "transport",
        "Bundle.entry[0].resource.meta.profile[0]": "bookkeeping",
        "Bundle.entry[0].resource.text.div": "told-once",
        "Bundle.entry[0].resource.extension[0].valueCodeableConcept.text": "origin-and-belief",
        "Bundle.entry[1].resource.title": "form-or-diary",
        "Bundle.entry[2].resource.subject.display": "told-once",
        "Bundle.entry[2].resource.contained[0].medicationCodeableConcept.text": "told-once",
    }.items():
        assert found[place] == (Fate.MINIMISED, rule), place
    assert "CANARY" not in str(translation.bundle)


def test_words_of_a_narrative_that_are_not_in_the_data_are_no_repetition() -> None:
    said = {**PATIENT, "text": {**PATIENT["text"], "status": "additional"}}  # type: ignore[dict-item]  # a plain resource written above
    assert fates(collected(said))["Bundle.entry[0].resource.text.div"][0] is Fate.RESIDUAL


def test_a_warning_about_a_place_holds_no_message_and_joins_no_file() -> None:
    """BaRS sends such Flags with a referral: it is about nobody, so there is no second person; another person still holds the message."""
    place = {"resourceType": "Location", "id": "l", "name": "flat 3"}
    flag = {"resourceType": "Flag", "id": "f", "status": "active", "code": {"text": "scene safe"}}
    translation = collected(PATIENT, place, {**flag, "subject": {"reference": "Location/l"}})
    assert translation.hold is None
    found = fates(translation)
    assert found["Bundle.entry[2].resource.code.text"] == (Fate.UNSUPPORTED, "kept back")
    assert [task.code for task in translation.tasks] == ["kept-back"]
    assert "scene safe" not in str(translation.bundle)
    for subject in ("Patient/other", "Group/g", "Practitioner/g", "urn:uuid:8b6ab0b6-54f0-4dd1-8c0f-0d4a1b7a9d11"):
        held = collected(PATIENT, place, {**flag, "subject": {"reference": subject}})
        assert held.hold is not None, subject


def test_of_an_hmpps_event_nothing_about_custody_is_carried_but_what_decides() -> None:
    body = event(
        "prison-offender-events.prisoner.received",
        reason="ADMISSION",
        probableCause="CANARY",
        nomisMovementReasonCode="CANARY",
        details="CANARY",
    )
    translation = whole_translation(FHIR, json.dumps(body).encode())
    found = fates(translation)
    assert found["additionalInformation.probableCause"] == (Fate.MINIMISED, "custody")
    assert found["additionalInformation.nomisMovementReasonCode"] == (Fate.MINIMISED, "custody")
    assert found["additionalInformation.details"] == (Fate.MINIMISED, "told-once")
    assert "CANARY" not in str(translation.bundle)


def test_every_rule_says_what_and_why() -> None:
    for rule in rules().values():
        assert rule.because
        assert rule.why
        assert rule.fields or rule.elements or rule.parts, rule.name


@pytest.mark.parametrize("elements", [("patient",), ("Bundle.",), ("Bundle.id", "Bundle.id")])
def test_an_element_that_is_none_or_has_two_rules_is_refused(elements: tuple[str, ...]) -> None:
    """Sabotage of the table."""
    broken = [
        Rule(name=f"r{index}", because="b", why="w", fields=(), elements=(element,), parts="")
        for index, element in enumerate(elements)
    ]
    with pytest.raises(ValueError, match=r"element|rules"):
        by_element(broken)


@pytest.mark.parametrize("places", [("PID-3..x",), ("pid-3",), ("PID-0",), ("PID-3", "PID-3..5")])
def test_a_place_that_is_none_or_has_two_rules_is_refused(places: tuple[str, ...]) -> None:
    """Sabotage of the table."""
    broken = [
        Rule(name=f"r{index}", because="b", why="w", fields=(place,), parts="") for index, place in enumerate(places)
    ]
    with pytest.raises(ValueError, match=r"place|rules"):
        by_place(broken)
