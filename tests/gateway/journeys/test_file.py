"""What a later message leaves of what is on file."""

from typing import Any

from fhir_profiles import facts
from fhir_profiles.days import days_of
from fhir_profiles.in_force import in_force
from fhir_profiles.shapes import Channel
from fhir_profiles.translate import translate
from gateway.journeys.file import join_file
from tests.builders import Course, rde_o11

Json = dict[str, Any]
CHANNEL = Channel(name="clinic", format="hl7v2")


def medicine(body: bytes) -> list[Json]:
    """The resources of a prescription message."""
    return [entry["resource"] for entry in translate(CHANNEL, body).bundle["entry"]]


def request(*, status: str = "active", **members: Any) -> Json:
    return {"resourceType": "MedicationRequest", "id": "one", "status": status, **members}


def dosage(**period: str) -> Json:
    return {"text": "daily", "timing": {"repeat": {"boundsPeriod": period}}}


def joined(before: Json, after: Json) -> Json:
    return join_file([before], [after]).resources[0]


def test_a_stop_that_does_not_repeat_the_start_keeps_it() -> None:
    """A test of the weeks before the stop stays explained by the prescription (issue 2: `expected`)."""
    started = medicine(rde_o11(course=Course(start="20260101", order="RX-7"), message_id="ONE", at="20260101090000"))
    stopped = medicine(
        rde_o11(course=Course(start="", control="DC", order="RX-7"), message_id="TWO", at="20260115090000")
    )
    held = join_file((), started).resources
    after = join_file(held, stopped).resources
    now = next(each for each in after if each["resourceType"] == "MedicationRequest")
    assert now["status"] == "stopped"
    assert [in_force(now, day) for text in ("2025-12-31", "2026-01-07", "2026-01-16") if (day := days_of(text))] == [
        False,
        True,
        False,
    ]
    assert facts.on_substitute_medication(after, "2026-01-07") is True


def test_a_stop_without_any_dosage_keeps_the_day_of_prescribing() -> None:
    before = request(
        authoredOn="2026-01-01", dosageInstruction=[dosage(start="2026-01-02"), dosage(start="2026-01-05")]
    )
    after = joined(before, request(status="stopped"))
    assert after["authoredOn"] == "2026-01-01"
    assert after["dosageInstruction"] == [{"timing": {"repeat": {"boundsPeriod": {"start": "2026-01-02"}}}}]


def test_what_the_new_message_says_counts() -> None:
    """A start that it repeats, a duration, and an end that lies before the start on file."""
    before = request(authoredOn="2026-01-01", dosageInstruction=[dosage(start="2026-01-02")])
    told = request(authoredOn="2026-01-09", dosageInstruction=[dosage(start="2026-01-10")])
    assert joined(before, told) == told
    weeks: Json = {"timing": {"repeat": {"boundsDuration": {"value": 2, "code": "wk"}}}}
    assert joined(before, request(dosageInstruction=[weeks]))["dosageInstruction"] == [weeks]
    early = joined(before, request(status="stopped", dosageInstruction=[dosage(end="2026-01-01")]))
    assert early["dosageInstruction"] == [dosage(start="2026-01-02", end="2026-01-02")]


def test_another_prescription_and_another_type_are_left_alone() -> None:
    """Only the same order is joined, and what has no rule is superseded whole."""
    before = request(authoredOn="2026-01-01", dosageInstruction=[dosage(start="2026-01-02")])
    other: Json = {**request(status="stopped"), "id": "two"}
    assert join_file([before], [other]).resources == (before, other)
    plan: Json = {"resourceType": "CarePlan", "id": "p", "description": "old", "period": {"start": "2026-01-01"}}
    assert joined(plan, {"resourceType": "CarePlan", "id": "p"}) == {"resourceType": "CarePlan", "id": "p"}


def stay(status: str, **period: str) -> Json:
    return {"resourceType": "Encounter", "id": "s", "status": status} | ({"period": period} if period else {})


def test_an_update_leaves_a_stay_as_it_stands() -> None:
    """A08 has no status: a stay that ended stays ended, one that goes on goes on."""
    ended = stay("finished", start="2026-01-01", end="2026-02-01")
    assert joined(ended, stay("unknown")) == ended
    assert joined(stay("in-progress", start="2026-01-01"), stay("unknown"))["status"] == "in-progress"
    assert joined(stay("in-progress", start="2026-01-01"), stay("finished", end="2026-02-01")) == ended


def test_a_new_stay_does_not_begin_where_the_old_one_did() -> None:
    ended = stay("finished", start="2026-01-01", end="2026-02-01")
    assert joined(ended, stay("in-progress")) == stay("in-progress")
    late = stay("finished", end="2025-12-01")
    assert joined(stay("in-progress", start="2026-01-01"), late) == late
