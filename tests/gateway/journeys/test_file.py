"""Joining a message to a file: what supersedes, what stays, what adds nothing."""

from typing import Any

import pytest

from gateway.journeys.file import join_file

Json = dict[str, Any]


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "id": "patient", **more}


def plan(text: str, resource_id: str = "a") -> Json:
    return {"resourceType": "CarePlan", "id": resource_id, "description": text}


def test_the_same_id_supersedes() -> None:
    found = join_file([plan("old"), plan("other", "b")], [plan("new")])
    assert found.resources == (plan("new"), plan("other", "b"))
    assert found.added == (plan("new"),)


def test_the_same_content_adds_nothing() -> None:
    found = join_file([plan("same")], [plan("same")])
    assert found.added == ()
    assert found.resources == (plan("same"),)


def test_a_patient_keeps_what_the_new_one_does_not_say() -> None:
    """An element that is absent keeps its value; identifiers are united, the newer word first."""
    one = {"system": "a", "value": "1", "use": "old"}
    two = {"system": "b", "value": "2"}
    before = patient(identifier=[one, two], birthDate="1980-01-01", gender="male")
    after = patient(identifier=[{"system": "a", "value": "1"}], gender="female")
    (merged,) = join_file([before], [after]).resources
    assert merged["birthDate"] == "1980-01-01"
    assert merged["gender"] == "female"
    assert merged["identifier"] == [{"system": "a", "value": "1"}, two]


def test_consents_are_registered_elsewhere() -> None:
    assert join_file([], [{"resourceType": "Consent", "id": "c"}]).resources == ()


def at(moment: str | None, text: str, kind: str = "ServiceRequest", **more: Any) -> Json:
    meta = {} if moment is None else {"meta": {"lastUpdated": moment}}
    return {"resourceType": kind, "id": "a", **meta, "note": text, **more}


NUMBER = {"identifier": [{"system": "https://fhir.nhs.uk/Id/prescription-order-item-number", "value": "0b1f5b2e-0000-4000-8000-000000000001"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("held", "arrived", "counts"),
    [
        (at("2026-01-15T11:00:00Z", "held"), at("2026-01-15T10:00:00Z", "late"), "held"),
        (at("2026-01-15T11:00:00Z", "held"), at("2026-01-15T11:30:00+01:00", "late"), "held"),
        (at("2026-01-15T11:00:00Z", "held"), at("2026-01-15T11:00:00Z", "same time"), "same time"),
        (at("2026-01-15T10:00:00Z", "held"), at("2026-01-15T11:00:00Z", "newer"), "newer"),
        (at(None, "held"), at("2026-01-15T11:00:00Z", "newer"), "newer"),
        (at("2026-01-15T11:00:00Z", "held"), at(None, "no time"), "no time"),
        (at("2026-01-15T11:00:00Z", "held"), at("yesterday", "no real time"), "no real time"),
        (at("2026-01-15T11:00:00Z", "held", "Patient"), at("2026-01-15T10:00:00Z", "other clock", "Patient"), "other clock"),
        (at("2026-01-15T11:00:00Z", "held", "MedicationRequest", **NUMBER),
         at("2026-01-15T10:00:00Z", "cancelled", "MedicationRequest", **NUMBER), "cancelled"),
    ],
)  # fmt: skip
def test_what_was_overtaken_on_its_way_says_nothing_any_more(held: Json, arrived: Json, counts: str) -> None:
    """By the sender's own clock; absent never decides, and a prescription that everybody may speak of has no one clock."""
    found = join_file([held], [arrived])
    assert [each["note"] for each in found.resources] == [counts]
    assert bool(found.added) == (counts != "held")


def test_what_was_overtaken_still_raises_a_label() -> None:
    late = labelled(at("2026-01-15T10:00:00Z", "late"), "R")
    late["meta"]["lastUpdated"] = "2026-01-15T10:00:00Z"
    (kept,) = join_file([at("2026-01-15T11:00:00Z", "held")], [late]).resources
    assert kept["note"] == "held"
    # What was held had no label, and counts as carrying every one: R beside that lowers nothing.
    assert [label["code"] for label in kept["meta"]["security"]] == ["R", "unrecognised"]


CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def labelled(resource: Json, *codes: str) -> Json:
    return {**resource, "meta": {"security": [{"system": CONFIDENTIALITY, "code": code} for code in codes]}}


def test_a_label_never_falls_with_the_next_message() -> None:
    """A record flagged as sensitive stays so when a prison's admission, which cannot say it, comes after."""
    restricted = labelled(patient(gender="male"), "R")
    for later in (labelled(patient(birthDate="1980-01-01"), "N"), patient(birthDate="1980-01-01")):
        (merged,) = join_file([restricted], [later]).resources
        assert merged["meta"]["security"] == [{"system": CONFIDENTIALITY, "code": "R"}]
        assert merged["birthDate"] == "1980-01-01"


def test_a_label_rises_with_the_next_message_and_other_labels_are_united() -> None:
    psy, hiv = ({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code} for code in ("PSY", "HIV"))
    before = {**plan("old"), "meta": {"security": [{"system": CONFIDENTIALITY, "code": "N"}, psy]}}
    after = {**plan("new"), "meta": {"security": [{"system": CONFIDENTIALITY, "code": "V"}, hiv]}}
    (merged,) = join_file([before], [after]).resources
    assert merged["meta"]["security"] == [{"system": CONFIDENTIALITY, "code": "V"}, hiv, psy]
