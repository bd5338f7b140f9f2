"""Joining a message to a file: what supersedes, what stays, what adds nothing."""

from typing import Any

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
