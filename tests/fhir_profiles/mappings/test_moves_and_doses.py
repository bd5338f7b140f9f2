"""Moves, registrations, updates, cancelled receptions, orders and doses: what each says, and what it must not be taken for."""

from typing import Any

import pytest

from fhir_profiles import facts
from fhir_profiles.shapes import Event, HoldCode, Translation
from tests.fhir_profiles.mappings.golden_pairs import sources, translate

Json = dict[str, Any]
PID = "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI||Example^Sam||19850713|M"


def message(kind: str, *lines: str, sent: str = "20260401110000") -> Translation:
    header = f"MSH|^~\\&|PRISON-EHR|LEI|TG|HUB|{sent}||{kind}|ID-1|P|2.5.1"
    return translate("\r".join((header, *lines)).encode())


def adt(event: str, pv1: str, *more: str) -> Translation:
    return message(f"ADT^{event}", f"EVN|{event}|20260401105500", PID, pv1, *more)


def of(translation: Translation, kind: str) -> list[Json]:
    found = [entry["resource"] for entry in translation.bundle["entry"]]
    return [each for each in found if each["resourceType"] == kind]


@pytest.mark.parametrize(
    ("pv1", "event"),
    [
        ("PV1|1|I|B1-002^^^LEI", Event.RECEPTION),
        ("PV1|1|i|B1-002^^^LEI", Event.RECEPTION),
        ("PV1|1|O|CLINIC^^^LEI", Event.RECORD),
        ("PV1|1|E|B1-002^^^LEI", Event.RECORD),
        ("PV1|1||B1-002^^^LEI", Event.RECORD),
        ("PV1|1|I|B1-002", Event.RECORD),
        ("PV1|1|I|B1-002^^^Ward", Event.RECORD),
        ("PV1|1|I|B1-002^^^LEI" + "|" * 42 + "20260331", Event.RECORD),
    ],
)
def test_a_registration_is_a_reception_only_where_it_says_so(pv1: str, event: Event) -> None:
    """Class and place; one that has ended already is no reception."""
    assert adt("A04", pv1).events == (event,)


@pytest.mark.parametrize(
    ("before", "event"),
    [("B1-001^^^LEI", Event.RECORD), ("B1-001", Event.RECORD), ("", Event.RECORD), ("C1^^^MDI", Event.TRANSFER)],
)
def test_a_move_is_a_transfer_only_between_two_prisons(before: str, event: Event) -> None:
    translation = adt("A02", f"PV1|1|I|B1-002^^^LEI|||{before}")
    assert translation.events == (event,)
    assert bool(translation.issues) == (event is Event.TRANSFER)


def test_an_update_says_nothing_about_how_the_stay_stands() -> None:
    """Unless there is a discharge time: it must neither open a stay that ended nor end one."""
    assert [each["status"] for each in of(adt("A08", "PV1|1|I|B1^^^LEI"), "Encounter")] == ["unknown"]
    ended = adt("A08", "PV1|1|I|B1^^^LEI" + "|" * 42 + "20260331")
    assert [each["status"] for each in of(ended, "Encounter")] == ["finished"]
    assert ended.events == (Event.RECORD,)


def test_a_cancelled_reception_ends_nothing_but_the_stay() -> None:
    translation = adt("A11", "PV1|1|I|B1^^^LEI", "DG1|1||75544000^Opioid dependence^SCT")
    assert translation.events == (Event.RECEPTION_CANCELLED,)
    assert [each["status"] for each in of(translation, "Encounter")] == ["cancelled"]
    assert {"CarePlan", "MedicationRequest"}.isdisjoint(
        each["resource"]["resourceType"] for each in translation.bundle["entry"]
    )


LEI = "PV1|1|I|B1^^^LEI" + "|" * 33 + "CR"


@pytest.mark.parametrize(
    ("event", "means", "status"),
    [
        ("A05", Event.RECORD, "unknown"),
        ("A06", Event.RECEPTION, "in-progress"),
        ("A07", Event.RECORD, "unknown"),
        ("A14", Event.RECORD, "unknown"),
        ("A16", Event.RECORD, "unknown"),
        ("A21", Event.TEMPORARY_ABSENCE, "onleave"),
        ("A22", Event.RECORD, "in-progress"),
        ("A28", Event.RECORD, None),
        ("A31", Event.RECORD, None),
    ],
)
def test_no_plan_leave_or_update_is_a_release(event: str, means: Event, status: str | None) -> None:
    """Every one of them with a discharge disposition of a release in PV1-36: only an A03 is a discharge."""
    translation = adt(event, LEI, "PV2||||||||20260405|20260410")
    assert translation.events == (means,)
    assert [each["status"] for each in of(translation, "Encounter")] == ([status] if status is not None else [])
    assert translation.hold is None


def test_the_planned_day_of_a_release_is_an_extension_and_no_end() -> None:
    stay = of(adt("A16", LEI, "PV2|||||||||20260410"), "Encounter")[0]
    assert [each["valueDateTime"] for each in stay["extension"]] == ["2026-04-10"]
    assert "period" not in stay


@pytest.mark.parametrize("event", ["A28", "A31"])
def test_a_person_is_told_without_a_stay(event: str) -> None:
    """The standard asks for a PV1, and senders leave it out."""
    translation = message(f"ADT^{event}", f"EVN|{event}|20260401105500", PID)
    assert (translation.events, translation.hold) == ((Event.RECORD,), None)


@pytest.mark.parametrize("event", ["A44", "A45"])
def test_a_booking_that_moves_is_held_and_names_both_records(event: str) -> None:
    """What moved with it does not say to which booking it belonged: a person decides, and nothing of the message is filed by itself."""
    translation = adt(event, "MRG|A9999AA^^^NOMIS^PI||B-1", LEI)
    assert translation.hold is not None
    assert (translation.hold.code, translation.events) == (HoldCode.TWO_PEOPLE, ())
    assert [each.value for each in translation.absorbed] == ["A9999AA"]
    assert {each.value for each in translation.persons} == {"9990000018", "A1234BC"}


def test_the_older_merge_means_what_the_newer_one_does() -> None:
    old, new = (adt(event, "MRG|A9999AA^^^NOMIS^PI") for event in ("A34", "A40"))
    assert (
        (old.events, old.absorbed, old.hold)
        == (new.events, new.absorbed, new.hold)
        == ((Event.MERGE,), new.absorbed, None)
    )


def test_an_allergy_that_does_not_say_to_what_is_an_issue() -> None:
    translation = adt("A08", "PV1|1|I|B1^^^LEI", "AL1|1|DA||SV", "DG1|1")
    assert not of(translation, "AllergyIntolerance")
    assert not of(translation, "Condition")
    assert [issue.path for issue in translation.issues] == ["AL1-3", "DG1-3"]


def test_details_of_a_second_person_are_not_mixed() -> None:
    """Two people in one message: it is held, and only what stands before the second is read."""
    other = PID.replace("9990000018", "9990000026").replace("A1234BC", "A9999AA")
    translation = adt("A08", "PV1|1|I|B1^^^LEI", "AL1|1|DA|^Penicillin", other, "AL1|2|DA|^Aspirin")
    assert translation.hold is not None
    assert [each["code"]["text"] for each in of(translation, "AllergyIntolerance")] == ["Penicillin"]


def rxa(**fields: str) -> str:
    """An RXA with these fields (`f20="RE"`); a methadone dose of today."""
    known = {"f1": "0", "f2": "1", "f3": "20260401081500", "f5": "36120711000001104^Methadone 1mg/ml oral solution^SCT"}
    values = {int(name[1:]): value for name, value in {**known, **fields}.items()}
    return "|".join(["RXA", *(values.get(number, "") for number in range(1, max(values) + 1))])


def dose(**fields: str) -> Translation:
    return message("RAS^O17", PID, "ORC|RE|RX-1", rxa(**fields))


@pytest.mark.parametrize(
    ("fields", "status", "counts"),
    [
        ({"f6": "40", "f20": "CP"}, "completed", True),
        ({"f20": "CP"}, "completed", True),
        ({"f6": "20", "f20": "PA"}, "completed", True),
        ({"f6": "40"}, "completed", True),
        ({"f6": "40", "f20": "RE"}, "not-done", False),
        ({"f6": "0", "f20": "NA"}, "not-done", False),
        ({"f6": "0"}, "unknown", False),
        ({"f6": "0", "f20": "CP"}, "unknown", False),
        ({"f6": "0.0", "f20": "PA"}, "unknown", False),
        ({"f6": "40", "f18": "^Refused", "f20": "CP"}, "unknown", False),
        ({"f6": "20", "f18": "^Refused the rest", "f20": "PA"}, "completed", True),
        ({"f18": "^Refused"}, "not-done", False),
        ({"f6": "40", "f18": "^Refused"}, "not-done", False),
        ({"f6": "40", "f20": "CP", "f21": "D"}, "entered-in-error", False),
        ({"f6": "999"}, "unknown", False),
        ({"f6": "-1"}, "unknown", False),
        ({}, "unknown", False),
        ({"f6": "40", "f20": "XX"}, "unknown", False),
    ],
)
def test_a_dose_is_given_only_where_it_says_so(fields: dict[str, str], status: str, counts: bool) -> None:
    """What counts as the last dose given decides how a person is restarted outside; what is unclear is asked about."""
    translation = dose(**fields)
    given = of(translation, "MedicationAdministration")
    assert [each["status"] for each in given] == [status]
    resources = [entry["resource"] for entry in translation.bundle["entry"]]
    assert (facts.last_dose(resources, "2026-04-02") is not None) == counts
    assert [task.code for task in translation.tasks] == (["administration-unclear"] if status == "unknown" else [])


@pytest.mark.parametrize(("action", "asked"), [("A", True), ("", True), ("U", False), ("D", False)])
def test_two_doses_of_one_name_in_one_message_are_asked_about(action: str, asked: bool) -> None:
    """30 mg and 10 mg of one moment, or 30 mg that became 10: the last replaced the first without a word. RXA-21 says when it is a change."""
    translation = message("RAS^O17", PID, "ORC|RE|RX-1", rxa(f6="30", f20="CP"), rxa(f6="10", f20="CP", f21=action))
    (given,) = of(translation, "MedicationAdministration")
    assert given["dosage"]["dose"]["value"] == 10
    assert ("administration-unclear" in [task.code for task in translation.tasks]) == asked
    assert [(issue.code, issue.path) for issue in translation.issues if issue.code == "duplicate"] == [
        ("duplicate", "RXA[2]-3")
    ]
    fates = {field.source: field.fate.value for field in translation.fields}
    assert (fates["RXA-6"], fates["RXA[2]-6"]) == ("residual", "mapped")


def test_the_same_dose_twice_is_one_and_another_time_is_another() -> None:
    same = message("RAS^O17", PID, "ORC|RE|RX-1", *[rxa(f6="40", f20="CP")] * 2)
    assert len(of(same, "MedicationAdministration")) == 1
    later = rxa(f3="20260401180000", f6="40", f20="CP")
    two = message("RAS^O17", PID, "ORC|RE|RX-1", rxa(f6="40", f20="CP"), later)
    assert len(of(two, "MedicationAdministration")) == 2
    for translation in (same, two):
        assert not translation.tasks
        assert not [issue for issue in translation.issues if issue.code == "duplicate"]


def test_two_dispenses_of_one_name_that_differ_are_an_issue() -> None:
    lines = [f"RXD|1|322496005^Buprenorphine^SCT|20260401|{amount}|1^Tablet" for amount in (7, 14)]
    translation = message("RDS^O13", PID, "ORC|RE|RX-1", *lines)
    (given,) = of(translation, "MedicationDispense")
    assert given["quantity"]["value"] == 14
    assert "RXD[2]-3" in [issue.path for issue in translation.issues if issue.code == "duplicate"]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Supervised consumption", True),
        ("Consumed unsupervised", False),
        ("Taken", None),
        ("Supervised, then unsupervised", None),
    ],
)
def test_a_dose_says_whether_it_was_watched(text: str, known: bool | None) -> None:
    resources = [entry["resource"] for entry in dose(f6="40", f9=f"^{text}", f20="CP").bundle["entry"]]
    last = facts.last_dose(resources, "2026-04-02")
    assert last is not None
    assert (last.amount, last.supervised) == (40, known)


def test_each_dose_of_an_order_is_its_own_and_a_repeat_is_the_same() -> None:
    """Senders number every message from 1: the time is part of the name."""
    names = [
        of(dose(f3=when, f6="40"), "MedicationAdministration")[0]["id"]
        for when in ("202604010815", "202604020815", "202604010815")
    ]
    assert names[0] == names[2] != names[1]


def test_an_order_and_its_encoded_order_are_one() -> None:
    """OMP then RDE with the same placer number: the same id, so the second supersedes the first."""
    ordered = message("OMP^O09", PID, "ORC|NW|RX-1^EHR", "RXO|322496005^Buprenorphine^SCT|2||mg")
    encoded = message("RDE^O11", PID, "ORC|NW|RX-1^EHR", "RXE||322496005^Buprenorphine^SCT|2||mg")
    first, second = (of(each, "MedicationRequest") for each in (ordered, encoded))
    assert [each["id"] for each in first] == [each["id"] for each in second]
    assert first[0]["dosageInstruction"] == second[0]["dosageInstruction"]


def test_an_order_without_a_medicine_is_an_issue() -> None:
    translation = message("OMP^O09", PID, "ORC|NW|RX-1", "ORC|NW|RX-2", "RXO|^Diazepam")
    assert [issue.path for issue in translation.issues if issue.code != "informational"] == ["ORC-1"]
    assert len(of(translation, "MedicationRequest")) == 1


def test_the_golden_pairs_hold_every_new_kind() -> None:
    kinds = {line.split("|")[8][:7] for source in sources() for line in source.read_text("utf-8").splitlines()[:1]}
    assert {"ADT^A02", "ADT^A04", "ADT^A08", "ADT^A11", "OMP^O09", "RAS^O17"} <= kinds


@pytest.mark.parametrize(
    ("kind", "end", "status"),
    [
        ("A08", "20260331", "finished"),
        ("A08", "20260401", "finished"),
        ("A08", "20260401110001", "unknown"),
        ("A08", "20260501", "unknown"),
        ("A07", "20260331", "unknown"),
        ("A04", "20260501", "in-progress"),
        ("A03", "20260501", "finished"),
    ],
)
def test_a_discharge_that_has_not_come_ends_no_stay(kind: str, end: str, status: str) -> None:
    """Senders keep the planned day in PV1-45: the person was out of custody by the file. A discharge itself says that it was."""
    translation = adt(kind, "PV1|1|I|B1^^^LEI" + "|" * 42 + end)
    (stay,) = of(translation, "Encounter")
    assert stay["status"] == status
    assert ("end" in stay.get("period", {})) == (status == "finished")
    assert any(issue.path == "PV1-45" for issue in translation.issues) == (
        kind in {"A08", "A04"} and status != "finished"
    )
