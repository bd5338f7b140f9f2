"""The probation summary: which plan and which appointments are told, and that it comes when one of them changed, and at no other time."""

from typing import Any

import pytest

from fhir_profiles import systems
from fhir_profiles.compose import compose
from fhir_profiles.letters import LETTERS
from fhir_profiles.letters.parts.picture import picture_of
from fhir_profiles.letters.probation_summary import ahead, plan
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import AS_OF, CONTEXT, case, resources_in

ODS = {"system": systems.ODS, "value": "Y00002"}
FILE = tuple(case("probation-summary")[0])
_carries = LETTERS["probation-summary"].carries
assert _carries is not None
CAUSES = _carries


def changed(name: str, **members: Any) -> Json:
    """A resource of the file in another version."""
    found = next(each for each in FILE if f"{each['resourceType']}/{each['id']}" == name)
    return {**found, **members}


def but(*resources: Json) -> tuple[Json, ...]:
    """The file with these in place of what it has under their names."""
    named = {(each["resourceType"], each["id"]): each for each in (*FILE, *resources)}
    return tuple(named.values())


def told(file: tuple[Json, ...]) -> list[str]:
    return [each["id"] for each in ahead(picture_of(file, CONTEXT, AS_OF))]


CLINIC = {"resourceType": "Location", "id": "clinic", "managingOrganization": {"reference": "Organization/provider"}}
ROLE = {"resourceType": "PractitionerRole", "id": "worker", "organization": {"reference": "Organization/provider"}}
ELSEWHERE = {**CLINIC, "managingOrganization": {"reference": "Organization/elsewhere"}}
CODED = changed("Organization/provider", identifier=[ODS])


@pytest.mark.parametrize(
    ("actor", "beside", "is_told"),
    [
        ({"display": " Exampleton RECOVERY"}, (), True),
        ({"identifier": ODS, "display": "anything"}, (CODED,), True),
        ({"reference": "Location/clinic"}, (CLINIC,), True),
        ({"reference": "PractitionerRole/worker"}, (ROLE,), True),
        ({"reference": "Location/clinic"}, (ELSEWHERE,), False),
        ({"identifier": {**ODS, "value": "Y00003"}, "display": "Exampleton Recovery"}, (CODED,), False),
        ({"display": "Exampleton Recovery hepatitis clinic"}, (), False),
        ({"display": ""}, (), False),
        ({"reference": "Practitioner/nurse"}, (), False),
    ],
)
def test_an_appointment_is_told_only_where_it_is_with_the_provider(
    actor: Json, beside: tuple[Json, ...], is_told: bool
) -> None:
    appointment = changed("Appointment/with-provider", participant=[{"actor": actor, "status": "accepted"}])
    assert told(but(appointment, *beside)) == (["with-provider"] if is_told else [])


@pytest.mark.parametrize(
    ("members", "is_told"),
    [
        ({"start": "2026-01-14T09:00:00+00:00"}, False),
        ({"status": "cancelled"}, False),
        ({"status": "noshow"}, False),
        ({"status": "pending"}, True),
    ],
)
def test_an_appointment_that_is_over_or_was_not_kept_is_not_told(members: Json, is_told: bool) -> None:
    assert bool(told(but(changed("Appointment/with-provider", **members)))) == is_told


def test_a_plan_of_other_care_is_not_told() -> None:
    other: Json = {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "title": "Wound care",
        "intent": "plan",
    }
    alone = tuple(each for each in but(other) if each["id"] != "old-plan")
    assert plan(picture_of(alone, CONTEXT, AS_OF)) == ()
    assert [each["id"] for each in plan(picture_of(FILE, CONTEXT, AS_OF))] == ["plan"], (
        "what is active, before what ended"
    )
    assert [each["status"] for each in plan(picture_of(but(other), CONTEXT, AS_OF))] == ["revoked"]


YES = {"resourceType": "Consent", "id": "yes", "status": "active"}


@pytest.mark.parametrize(
    ("brought", "caused"),
    [
        ((changed("CarePlan/plan", status="completed"),), ["plan"]),
        ((changed("CarePlan/plan", description="Reduce slowly.", goal=[{"display": "x"}]),), []),
        ((changed("CarePlan/plan", status="entered-in-error"),), ["plan"]),
        ((changed("Appointment/with-provider", start="2026-01-18T09:30:00+00:00"),), ["with-provider"]),
        ((changed("Appointment/with-provider", description="Moved to the other building"),), []),
        ((changed("Appointment/appointment", start="2026-01-19T09:30:00+00:00"),), []),
        ((changed("Observation/test", status="amended"),), []),
        ((changed("Organization/provider", telecom=[]), changed("Observation/test", status="amended")), ["provider"]),
        ((YES, changed("Observation/test", status="amended")), ["yes"]),
        (({**YES, "status": "rejected"},), []),
    ],
)
def test_it_comes_when_what_it_tells_changed_and_at_no_other_time(brought: tuple[Json, ...], caused: list[str]) -> None:
    """INVARIANT: that a letter comes must not tell that something changed which it may not tell."""
    assert [each["id"] for each in CAUSES(brought, FILE)] == caused


def test_without_a_plan_a_yes_tells_nobody_anything() -> None:
    assert CAUSES((YES,), tuple(each for each in FILE if each["resourceType"] != "CarePlan")) == ()


def test_what_leaves_of_an_appointment_says_when_and_with_whom() -> None:
    letter = resources_in(compose("probation-summary", *case("probation-summary"), AS_OF).bundle)
    (appointment,) = (each for each in letter if each["resourceType"] == "Appointment")
    assert set(appointment) == {"resourceType", "id", "meta", "status", "start", "end", "participant"}
    assert [each["actor"] for each in appointment["participant"]] == [
        {"reference": "Patient/patient"},
        {"display": "Exampleton Recovery"},
    ]


@pytest.mark.parametrize("answer", ["declined", "tentative", "accepted"])
def test_nobodys_answer_to_an_appointment_is_told_and_none_is_made_up(answer: str) -> None:
    """It said "accepted" of somebody who had declined; and what the person answers is not for probation."""
    with_provider = changed("Appointment/with-provider")
    answers = [{**each, "status": answer} for each in with_provider["participant"]]
    picture = picture_of(but({**with_provider, "participant": answers}), CONTEXT, AS_OF)
    (appointment,) = [each for each in ahead(picture) if each["id"] == "with-provider"]
    assert {each["status"] for each in appointment["participant"]} == {"needs-action"}
