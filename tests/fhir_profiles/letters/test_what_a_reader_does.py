"""What a nurse or a pharmacist would do after reading a letter: doses that were not taken, kits that nobody has, orders that are none, two strengths.

Each case is a file that a first reading by a clinician found told wrongly, in every letter that tells it and in its text form.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fhir_profiles import facts, systems
from fhir_profiles.compose import compose
from fhir_profiles.elements import name_of
from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.label import label_resource
from fhir_profiles.render import render
from fhir_profiles.shapes import Channel, Json
from fhir_profiles.translate import translate
from fhir_profiles.wires.envelope import entries_of
from fhir_profiles.wires.readable import is_redacted, readable
from fhir_profiles.wires.sentences import sentence
from tests.fhir_profiles.letters.files import (
    AS_OF,
    CONTEXT,
    HEADING,
    METHADONE,
    dose,
    in_team,
    issue,
    patient,
    prescription,
    resources_in,
    simple,
    whole_file,
)
from tests.fhir_profiles.letters.test_through_the_gate import minimised

SUBJECT = {"subject": {"reference": PATIENT_REFERENCE}}
WHOLE = ("handover", "gp-copy", "transfer")
"""The whole pictures for those who take over treatment."""
PROFESSIONAL = (*WHOLE, "referral")
PAPERS = ("persons-handover", "persons-transfer")
DEPOT = "Buprenorphine 96mg/0.27ml prolonged-release solution for injection pre-filled syringes"
TABLETS = "Buprenorphine 2mg sublingual tablets sugar free"
NALOXONE = "Naloxone 1.8mg/0.1ml nasal spray unit dose"


def file_of(*resources: Json) -> list[Json]:
    return [label_resource(each) for each in (patient(), *resources)]


def headings(letter: str, file: Sequence[Json]) -> dict[str, tuple[str, ...]]:
    """The lines of a letter under their headings, as its reader has them after minimisation."""
    bundle = minimised(letter, file, replace(CONTEXT, focus=tuple(map(name_of, file))))
    written = readable(entries_of(bundle, HEADING), HEADING, redacted=is_redacted(bundle))
    found: dict[str, tuple[str, ...]] = {}
    for part in written.parts:
        found[part.heading] = found.get(part.heading, ()) + part.lines
    return found


def lines(letter: str, file: Sequence[Json], *about: str) -> list[str]:
    """The lines of a letter that name something, wherever they stand."""
    every = (line for held in headings(letter, file).values() for line in held)
    return [line for line in every if all(word in line for word in about)]


def missed(day: int, **more: Any) -> Json:
    given = f"2026-01-{day:02}T08:00:00+00:00"
    return {
        **dose(f"missed-{day}", given=given, status="not-done", supervised=None),
        "statusReason": [{"text": "Refused"}],
        **more,
    }


@pytest.mark.parametrize("letter", PROFESSIONAL)
def test_doses_that_were_not_given_since_the_last_are_told_as_not_given(letter: str) -> None:
    """After three days without a dose the next one is titrated anew: the days and the reason are there, and no amount reads as had."""
    last = dose(given="2026-01-11T08:00:00+00:00")
    file = file_of(prescription(), last, missed(9), *(missed(day) for day in (12, 13, 14)))
    told = lines(letter, file, "NOT given")
    assert [line for line in told if "because: Refused" in line] == told
    assert [day for day in range(1, 16) if any(f"2026-01-{day:02}" in line for line in told)] == [12, 13, 14]
    for line in told:
        assert line.index("NOT given") < line.index("40.00 ml")
        assert "supervis" not in line


@pytest.mark.parametrize("letter", PAPERS)
def test_the_persons_own_paper_has_the_last_dose_and_no_missed_one(letter: str) -> None:
    file = file_of(prescription(), dose(given="2026-01-11T08:00:00+00:00"), missed(14))
    assert lines(letter, file, "14 January") == []
    assert len(lines(letter, file, "11 January 2026")) == 1


def test_what_was_not_given_long_ago_or_after_the_letter_is_not_told() -> None:
    def told(*held: Json) -> list[str]:
        return [name_of(each) for each in facts.doses_not_given(file_of(*held), AS_OF, 28)]

    old = missed(1, effectiveDateTime="2025-12-01T08:00:00+00:00")
    late = missed(2, effectiveDateTime="2026-01-16T08:00:00+00:00")
    other = missed(3, medicationCodeableConcept={"text": "Sertraline 50mg tablets"})
    assert told(old, late, other, missed(14)) == ["MedicationAdministration/missed-14"]
    assert told(missed(14), dose()) == []


@pytest.mark.parametrize("letter", [*PROFESSIONAL, *PAPERS])
def test_an_injection_that_still_acts_is_told_beside_a_dose_taken_since(letter: str) -> None:
    """The next injection is due by the last one; who reads of the tablet alone gives another depot, or none."""
    injection = dose("injection", given="2025-12-28T09:00:00+00:00", amount=Decimal(96), medicine=DEPOT)
    tablet = dose("tablet", given="2026-01-14T09:00:00+00:00", amount=Decimal(4), medicine=TABLETS)
    file = file_of(prescription("b", medicine=DEPOT), prescription("t", medicine=TABLETS), injection, tablet)
    days = ("28 December 2025", "14 January 2026") if letter in PAPERS else ("2025-12-28", "2026-01-14")
    assert len(lines(letter, file, DEPOT, days[0])) == 1
    assert len(lines(letter, file, TABLETS, days[1])) == 1


@pytest.mark.parametrize(
    ("medicine", "given", "acts"),
    [
        (DEPOT, "2025-12-20", True),
        ({"coding": [{"system": systems.SNOMED, "code": "36752511000001100"}]}, "2025-12-20", True),
        ("Buvidal 96mg", "2025-12-20", True),
        ("Buprenorphine 96 mg, injection", "2025-12-20", True),
        (TABLETS, "2025-12-20", False),
        (METHADONE, "2025-12-20", False),
        (DEPOT, "2025-11-01", False),
        ("Aripiprazole 400mg prolonged-release injection", "2025-12-20", False),
    ],
)
def test_who_had_an_injection_is_in_treatment_while_it_may_act(medicine: Json | str, given: str, acts: bool) -> None:
    """Its order is completed on the day it is given: nothing else shows that treatment goes on."""
    had = dose("injection", given=f"{given}T09:00:00+00:00", medicine=medicine)
    assert facts.on_substitute_medication(file_of(had), AS_OF) is acts
    assert (facts.last_depot_dose(file_of(had), AS_OF) is not None) is acts


@pytest.mark.parametrize("letter", PROFESSIONAL)
def test_naloxone_given_against_an_overdose_is_no_kit_to_take_home(letter: str) -> None:
    rescue = dose(
        "rescue", given="2026-01-10T03:00:00+00:00", amount=Decimal("1.8"), medicine=NALOXONE, supervised=None
    )
    found = headings(letter, file_of(rescue))
    assert [line for line in lines(letter, file_of(rescue), "Naloxone 1.8mg") if "2026-01-10T03:00" in line]
    assert not any("2026-01-10" in line for line in found.get("Naloxone to take home", ()))
    if letter in {"handover", "gp-copy"}:
        assert "Naloxone to take home" in found["Missing: what this letter should hold and the file does not"]


def test_the_persons_paper_does_not_take_a_dose_of_naloxone_for_a_kit() -> None:
    rescue = dose("rescue", given="2026-01-10T03:00:00+00:00", medicine=NALOXONE)
    assert headings("persons-handover", file_of(rescue))["Naloxone to take home"] == (
        "We do not know if you have it. Ask us for it.",
    )


@pytest.mark.parametrize(
    ("held", "known"),
    [
        (issue("kit", medicine=NALOXONE), True),
        (issue("kit", medicine=NALOXONE, status="declined"), True),
        (issue("kit", medicine=NALOXONE, status="cancelled"), False),
        (prescription("kit", medicine=NALOXONE), True),
        (prescription("kit", medicine=NALOXONE, status="stopped"), False),
        (prescription("kit", medicine=NALOXONE, category=[{"coding": [{"code": "inpatient", "system": systems.MEDICATION_REQUEST_CATEGORY}]}]), False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("letter", ["handover", "gp-copy"])
def test_what_does_not_say_that_there_is_a_kit_leaves_the_gap_named(letter: str, held: Json, known: bool) -> None:
    gaps = headings(letter, file_of(held))["Missing: what this letter should hold and the file does not"]
    assert ("Naloxone to take home" not in gaps) is known


def statement(**more: Any) -> Json:
    return simple(
        "MedicationStatement",
        "told",
        **{
            "status": "active",
            "medicationCodeableConcept": {"text": "Methadone 1mg/ml oral solution"},
            "dosage": [{"text": "60 ml a day, as the person says"}],
            **SUBJECT,
            **more,
        },
    )


@pytest.mark.parametrize("letter", PROFESSIONAL)
def test_substitute_medication_that_somebody_reports_is_told(letter: str) -> None:
    """A letter that said that there is none, of who is in treatment elsewhere, would be believed."""
    assert lines(letter, file_of(statement()), "60 ml a day, as the person says")
    if letter in WHOLE:
        gone = statement(status="stopped", effectivePeriod={"end": "2026-01-10"})
        assert headings(letter, file_of(gone))["Substitute medication that ended lately"][0].startswith("Methadone")
        never = statement(status="not-taken")
        assert headings(letter, file_of(never))["Substitute medication that ended lately"] == ("None in the file.",)


@pytest.mark.parametrize("intent", ["proposal", "option"])
@pytest.mark.parametrize("letter", WHOLE)
def test_what_was_only_proposed_never_ended(letter: str, intent: str) -> None:
    found = headings(letter, file_of(prescription(intent=intent)))
    assert found["Substitute medication that ended lately"] == ("None in the file.",)
    assert not lines(letter, file_of(prescription(intent=intent)), "is in substitute treatment")


GAP = "Release plan: substitute medication"
ON = "Release plan: substitute medication from the day of release"


@pytest.mark.parametrize(
    ("status", "intent", "listed", "known"),
    [
        ("active", "order", True, True),
        ("active", "plan", True, False),
        ("on-hold", "order", False, False),
        ("unknown", "order", True, False),
    ],
)
@pytest.mark.parametrize("letter", ["handover", "gp-copy"])
def test_treatment_goes_on_only_by_a_prescription_that_stands(
    letter: str, status: str, intent: str, listed: bool, known: bool
) -> None:
    """One on hold, or of which nobody knows, does not reach a pharmacy: the gap is named while there is a day left."""
    found = headings(letter, file_of(prescription(status=status, intent=intent)))
    assert any("Methadone" in line for line in found[ON]) is listed
    assert (GAP not in found["Missing: what this letter should hold and the file does not"]) is known
    assert any("Methadone" in line for line in found["Substitute medication"])


@pytest.mark.parametrize("letter", PAPERS)
def test_a_plan_is_no_medicine_to_take(letter: str) -> None:
    assert lines(letter, file_of(prescription(intent="plan")), "It is a plan: ask before you take it")
    assert not lines(letter, file_of(prescription()), "It is a plan")


@pytest.mark.parametrize(
    ("held", "said", "before"),
    [
        (prescription(status="on-hold"), "status on-hold", "40 ml"),
        (prescription(status="stopped"), "status stopped", "40 ml"),
        (prescription(status="cancelled"), "status cancelled", "40 ml"),
        (statement(status="not-taken"), "NOT taken", "60 ml"),
        (missed(14), "NOT given", "40.00 ml"),
    ],
)
def test_how_it_stands_is_read_before_the_dose(held: Json, said: str, before: str) -> None:
    (line,) = lines("community-record", file_of(held), said)
    assert line.index(said) < line.index(before)


@pytest.mark.parametrize(("status", "had"), [("declined", False), ("cancelled", False), ("completed", True)])
def test_what_was_not_supplied_says_so_before_the_amount(status: str, had: bool) -> None:
    told = lines("community-record", file_of(prescription(), issue(status=status)), "120.00 ml")
    assert told
    assert all(("NOT supplied" in line.split("120.00 ml")[0]) is not had for line in told)


OTHER = {"coding": [{"system": systems.SNOMED, "code": "36120711000001104"}], "text": "Methadone 10mg/ml oral solution"}


@pytest.mark.parametrize("letter", [*PROFESSIONAL, *PAPERS, "prescription-copy", "community-record"])
def test_two_strengths_for_one_medicine_are_both_told(letter: str) -> None:
    """The words say 10 mg in a millilitre and the code 1 mg: ten times the dose lies between a reader of one and of the other."""
    file = file_of(prescription(medicine=OTHER), dose(medicine=OTHER))
    told = lines(letter, file, "10mg/ml")
    assert told
    assert all("coded as Methadone 1mg/ml oral solution" in line for line in told)
    same = {**OTHER, "text": "Methadone 5mg/5ml oral solution"}
    assert not lines(letter, file_of(prescription(medicine=same)), "coded as")


@pytest.mark.parametrize("letter", ["handover", "transfer"])
@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": systems.SNOMED, "code": "443280005"}]},
        {"coding": [{"system": systems.LOINC, "code": "75624-7"}], "text": "Total score"},
        {"text": "AUDIT total score"},
        {"text": "COWS total"},
        {"text": "CIWA-Ar score"},
    ],
)
def test_a_score_is_one_by_its_code_too(letter: str, code: Json) -> None:
    """A laboratory system sends scores as results, without a category of their own: the letter said that there was none."""
    laboratory = [{"coding": [{"system": systems.OBSERVATION_CATEGORY, "code": "laboratory"}]}]
    score = simple("Observation", "score", status="final", category=laboratory, code=code, valueInteger=22, **SUBJECT)
    assert any(line.endswith(": 22") for line in headings(letter, file_of(score))["Assessment scores"])
    assert not any(
        "22" in line for held in headings("gp-copy", file_of(score)).values() for line in held if "score" in line
    )


@pytest.mark.parametrize("letter", WHOLE)
def test_whoever_left_a_team_is_not_asked(letter: str) -> None:
    gone = {**in_team("named-nurse", {"display": "Gone Nurse"}), "period": {"end": "2025-12-01"}}
    here = {**in_team("named-nurse", {"display": "New Nurse"}), "period": {"start": "2025-12-01"}}
    team = simple("CareTeam", "team", status="active", participant=[gone, here], **SUBJECT)
    assert not lines(letter, file_of(team), "Gone Nurse")
    assert lines(letter, file_of(team), "New Nurse")
    over = simple("CareTeam", "team", status="active", period={"end": "2025-12-01"}, participant=[here], **SUBJECT)
    assert not lines(letter, file_of(over), "New Nurse")
    alone = simple("CareTeam", "team", status="active", participant=[gone], **SUBJECT)
    assert (
        "Named nurse" in headings(letter, file_of(alone))["Missing: what this letter should hold and the file does not"]
    )


@pytest.mark.parametrize("letter", ["handover", "transfer"])
def test_a_result_that_was_cancelled_is_none(letter: str) -> None:
    test = next(each for each in whole_file() if name_of(each) == "Observation/test")
    told = lines(letter, file_of({**test, "status": "cancelled"}), "opiates")
    assert told
    assert all(line.index("NOT a result") < line.index("positive") for line in told)


@pytest.mark.parametrize("letter", [*WHOLE, "care-plan-update"])
def test_the_steps_of_a_reduction_are_in_the_plan(letter: str) -> None:
    detail = {
        "code": {"text": "Reduction"},
        "status": "in-progress",
        "dailyAmount": {"value": Decimal("35.0"), "unit": "ml"},
    }
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}
    plan = simple(
        "CarePlan",
        "plan",
        status="active",
        intent="plan",
        activity=[{"detail": {**detail, "scheduledTiming": timing}}],
        **SUBJECT,
    )
    (line,) = lines(letter, file_of(plan), "activity: Reduction")
    assert "once every week" in line
    assert "amount of a day 35.0 ml" in line


@pytest.mark.parametrize("letter", ["handover", "transfer", "gp-copy", "referral"])
def test_an_allergy_that_was_refuted_says_so_before_its_reaction(letter: str) -> None:
    refuted = {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "refuted"}
        ]
    }
    reaction = [{"manifestation": [{"text": "Anaphylaxis"}]}]
    allergy = simple(
        "AllergyIntolerance",
        "a",
        code={"text": "Penicillin"},
        verificationStatus=refuted,
        reaction=reaction,
        patient={"reference": PATIENT_REFERENCE},
    )
    (line,) = lines(letter, file_of(allergy), "Penicillin")
    assert line.startswith("Penicillin; refuted; ")


SEVERAL = "Prescriptions of substitute medication that stand on this day: 2. Ask whether they are taken together"


@pytest.mark.parametrize("letter", WHOLE)
def test_of_two_prescriptions_that_stand_it_is_asked_how_they_go_together(letter: str) -> None:
    """Two of 40 ml may be one and its change: whoever gives both gives twice the dose."""
    one, other = prescription("one"), prescription("other", text="60 ml once a day")
    assert lines(letter, file_of(one, other), SEVERAL)
    for later in (
        {"start": "2026-01-16"},
        {"status": "on-hold"},
        {"status": "stopped"},
        {"medicine": "Sertraline 50mg tablets"},
    ):
        assert not lines(letter, file_of(one, prescription("other", **later)), "stand on this day")
    assert not lines(letter, file_of(one), "stand on this day")


ENDED = "Other medication that ended lately"


@pytest.mark.parametrize(
    "medicine",
    [
        "Diazepam 5mg tablets",
        "Pregabalin 75mg capsules",
        "Chlordiazepoxide 10mg capsules",
        "Lofexidine 200microgram tablets",
    ],
)
@pytest.mark.parametrize("letter", WHOLE)
def test_a_detoxification_that_ended_lately_is_told(letter: str, medicine: str) -> None:
    """Nobody starts it anew at the old dose, nor wonders at a fit."""
    ended = prescription("detox", medicine=medicine, status="stopped", start="2026-01-02", end="2026-01-13")
    assert any(medicine in line and "status stopped" in line for line in headings(letter, file_of(ended))[ENDED])
    old = prescription("detox", medicine=medicine, status="stopped", start="2025-10-02", end="2025-11-13")
    assert not lines(letter, file_of(old), medicine)
    assert not any(
        medicine in line for line in headings(letter, file_of(prescription("detox", medicine=medicine)))[ENDED]
    )


def test_what_neither_treats_nor_causes_dependence_is_not_told_once_it_ended() -> None:
    ended = prescription(
        "s", medicine="Sertraline 50mg tablets", status="stopped", start="2026-01-02", end="2026-01-13"
    )
    methadone = prescription(status="stopped", start="2026-01-02", end="2026-01-13")
    assert not lines("handover", file_of(ended), "Sertraline")
    assert not any("Methadone" in line for line in headings("handover", file_of(methadone))[ENDED])


@pytest.mark.parametrize(
    ("reason", "written"),
    [("Sample lost", "Sample lost"), ("Refused by the person", "Refused by the person"), ("", "")],
)
def test_why_there_is_no_value_goes_on_as_the_value_of_hl7_v2(reason: str, written: str) -> None:
    """An empty final result reads as nothing found."""
    test = next(each for each in whole_file() if name_of(each) == "Observation/test")
    absent = {"text": reason} if reason else {"coding": [{"system": systems.DATA_ABSENT, "code": "unknown"}]}
    lost = {key: value for key, value in test.items() if key != "valueCodeableConcept"} | {"dataAbsentReason": absent}
    body = render(minimised("handover", file_of(lost), CONTEXT), "hl7v2-oru", HEADING).body.decode()
    (obx,) = [each.split("|") for each in body.split("\r") if each.startswith("OBX") and "substance-group" in each]
    assert obx[5] == written


ANOTHER = "Another prescription of this medicine stands: before a supply, ask whether this one takes its place."


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"text": "60 ml once a day"}, True),
        ({"medicine": "Methadone 10mg/ml oral solution"}, True),
        ({"status": "stopped"}, False),
        ({"status": "on-hold"}, False),
        ({"start": "2026-01-16"}, False),
        ({"medicine": "Sertraline 50mg tablets"}, False),
        ({"category": [{"coding": [{"system": systems.MEDICATION_REQUEST_CATEGORY, "code": "inpatient"}]}]}, False),
    ],
)
def test_a_copy_says_that_another_prescription_of_its_medicine_stands(other: dict[str, Any], told: bool) -> None:
    """The pharmacy had a copy of the other before, and supplies by both."""
    file = file_of(prescription(), prescription("other", **other))
    bundle = minimised("prescription-copy", file, CONTEXT)
    notes = [note["text"] for each in bundle["entry"] for note in each["resource"].get("note", ())]
    assert (ANOTHER in notes) is told
    assert any(ANOTHER in line for line in lines("prescription-copy", file_of(prescription()), "")) is False


@pytest.mark.parametrize(
    ("held", "counted", "gap"),
    [
        ([dose()], "doses given: 1", False),
        ([missed(13), missed(14)], "doses not given: 2", True),
        ([dose(status="unknown")], "doses of which nobody knows whether they were given: 1", True),
        ([issue()], "supplies: 1", False),
        ([issue(status="cancelled")], "supplies that were not made: 1", True),
        ([issue(status="stopped")], "supplies of which nobody knows whether they were made: 1", True),
        ([dose(), missed(16)], "doses given: 1, doses not given: 1", False),
    ],
)
def test_a_record_counts_no_dose_that_was_not_given(held: list[Json], counted: str, gap: bool) -> None:
    """Four refused doses are no four doses given, and leave the gap: ask before giving any."""
    said = " ".join(headings("community-record", file_of(prescription(), *held))["What this letter says"])
    assert f"Prescriptions: 1, {counted}." in said
    assert ("Ask before giving any dose" in said) is gap


@pytest.mark.parametrize(
    ("held", "gap"),
    [
        (prescription(), False),
        (prescription(start="2026-02-01"), False),
        (prescription(status="stopped", end="2026-01-10"), True),
        (statement(), False),
        (statement(status="not-taken"), True),
    ],
)
def test_a_record_that_names_no_medicine_that_is_taken_says_so(held: Json, gap: bool) -> None:
    found = headings("community-record", file_of(held))
    said = " ".join(found["What this letter says"])
    assert ("The message named no medicine that the person takes outside" in said) is gap
    assert ("medicines that somebody says are not taken: 1" in said.casefold()) is (held.get("status") == "not-taken")
    assert "Reported as taken" not in found


def call(**more: Any) -> Json:
    said = {"sent": "2026-01-13T15:00:00+00:00", "payload": [{"contentString": "Seen next on Friday"}]}
    return simple("Communication", "call", **{"status": "completed", **SUBJECT, **said, **more})


def test_a_message_or_call_says_when_it_was_and_whether_it_was_made() -> None:
    """On which Friday, and that nobody was reached."""
    assert lines("write-back", file_of(call()), "2026-01-13T15:00:00+00:00. Seen next on Friday")
    assert lines(
        "write-back", file_of(call(status="not-done")), "2026-01-13T15:00:00+00:00. NOT done. Seen next on Friday"
    )
    assert lines("write-back", file_of(call(status="on-hold")), "Status on-hold. Seen next on Friday")


def test_a_form_says_that_it_is_not_complete_and_what_was_asked_below_an_answer() -> None:
    below = {"text": "Which", "answer": [{"valueString": "Heroin"}]}
    asked = {"linkId": "1", "text": "Uses drugs", "answer": [{"valueString": "Yes", "item": [below]}]}
    form = {"resourceType": "QuestionnaireResponse", "id": "f", "authored": "2026-01-14", "item": [asked]}
    assert sentence({**form, "status": "completed"}, {}) == "2026-01-14; Uses drugs: Yes; Which: Heroin"
    assert sentence({**form, "status": "in-progress"}, {}).startswith("2026-01-14; status in-progress; ")


@pytest.mark.parametrize("name", ["Suicide risk", "Risk of overdose", "Risk assessment: self-harm"])
@pytest.mark.parametrize("letter", WHOLE)
def test_a_risk_that_came_as_an_observation_is_under_risk(letter: str, name: str) -> None:
    """R075: risk is never left out, also of a system that has no flags."""
    seen = simple("Observation", "risk", status="final", code={"text": name}, valueString="High", **SUBJECT)
    found = headings(letter, file_of(seen))
    assert any(f"{name}: High" in line for line in found["Risk"])
    assert not any("No risk flag" in line for line in found["Risk"])


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("ECG, QTc", "Heart tracing (ECG) and QT interval"),
        ("Pregnancy test", "Pregnancy"),
        ("Naloxone", "Naloxone to take home"),
        ("Interpreter", "Communication needs"),
        ("Hepatitis C antibody", ""),
        ("Smoking status", ""),
        ("Alanine aminotransferase", ""),
        ("Sodium", ""),
    ],
)
def test_the_practice_is_told_of_these_observations_and_of_no_other(name: str, heading: str) -> None:
    """What it needs to prescribe safely and to speak with the person; results are the treatment provider's (docs/decisions/0066)."""
    seen = simple("Observation", "seen", status="final", code={"text": name}, valueString="as noted", **SUBJECT)
    found = headings("gp-copy", file_of(seen))
    assert [title for title, held in found.items() if any("as noted" in line for line in held)] == (
        [heading] if heading else []
    )


def test_the_practice_reads_the_report_of_a_heart_tracing_and_no_other() -> None:
    said = [
        simple("DiagnosticReport", at, status="final", code={"text": name}, conclusion=f"{at} as read", **SUBJECT)
        for at, name in (("one", "12 lead ECG"), ("two", "Urine drug screen"), ("three", "Chest X-ray"))
    ]
    told = [line for held in headings("gp-copy", file_of(*said)).values() for line in held if "as read" in line]
    assert len(told) == 1
    assert "one as read" in told[0]


def test_a_referral_tells_of_a_risk_that_came_as_an_observation() -> None:
    seen = simple("Observation", "risk", status="final", code={"text": "Suicide risk"}, valueString="High", **SUBJECT)
    assert lines("referral", file_of(seen), "Suicide risk: High")


@pytest.mark.parametrize("letter", WHOLE)
def test_a_condition_that_is_over_says_since_when(letter: str) -> None:
    over = simple(
        "Condition",
        "c",
        code={"text": "Endocarditis"},
        onsetDateTime="2024-02-01",
        abatementDateTime="2024-05-01",
        **SUBJECT,
    )
    assert lines(letter, file_of(over), "Endocarditis; since or recorded 2024-02-01; until 2024-05-01")


def test_a_report_that_a_referral_brings_comes_with_its_results() -> None:
    """A screen of which nobody says what it found is read as clear, or done again."""
    every = {name_of(each): each for each in whole_file()}
    asked = simple(
        "ServiceRequest",
        "asked",
        status="active",
        intent="order",
        supportingInfo=[{"reference": "DiagnosticReport/panel"}],
        **SUBJECT,
    )
    file = [*every.values(), label_resource(asked)]
    bundle = minimised("referral", file, replace(CONTEXT, event="referral", focus=("ServiceRequest/asked",)))
    results = [entry["resource"] for entry in bundle["entry"] if "method" in entry["resource"]]
    assert len(results) == 2
    (report,) = [
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "DiagnosticReport"
    ]
    assert len(report["result"]) == 2
    body = render(bundle, "hl7v2", HEADING).body.decode()
    assert "opiates: positive" in body
    assert "Presumptive: this is not a confirmatory result." in body


@pytest.mark.parametrize("wire", ["hl7v2", "hl7v2-oru"])
def test_the_name_that_a_person_has_comes_before_those_that_they_left(wire: str) -> None:
    """A record system files under the first repetition of PID-5."""
    left = {"use": "official", "family": "Married", "given": ["Alex"], "period": {"end": "2020-01-01"}}
    names = [
        {"use": "old", "family": "Former", "given": ["Al"]},
        left,
        {"use": "official", "family": "Example", "given": ["Alex"]},
    ]
    person = label_resource(patient(name=[*names, {"use": "nickname", "text": "Lex"}]))
    bundle = minimised("handover", [person, *file_of(prescription())[1:]], CONTEXT)
    (pid,) = [line for line in render(bundle, wire, HEADING).body.decode().split("\r") if line.startswith("PID")]
    assert [each.split("^")[0] for each in pid.split("|")[5].split("~")] == ["Example", "Lex", "Former", "Married"]
    people = readable(entries_of(bundle, HEADING), HEADING, redacted=False).parts[0].lines
    assert people[0] == "Name: Alex Example"


def test_the_persons_paper_does_not_say_that_they_may_have_what_was_cancelled() -> None:
    kit = issue("kit", medicine=NALOXONE, status="cancelled")
    assert "You did not get this." in lines("persons-handover", file_of(kit), "Naloxone 1.8mg")[0]


@pytest.mark.parametrize("letter", WHOLE)
def test_what_must_not_be_given_stands_with_the_medicines_and_before_what_can_wait(letter: str) -> None:
    titles = list(headings(letter, whole_file()))
    assert titles.index("Allergies") < titles.index("Heart tracing (ECG) and QT interval") < titles.index("Care plan")
    assert titles.index("Allergies") == titles.index("Other medication that ended lately") + 1


def noted(text: str, **more: Any) -> Json:
    return {**dose(**more), "note": [{"text": text}]}


@pytest.mark.parametrize("said", ["note", "reason", "dosage"])
@pytest.mark.parametrize(
    ("words", "lost"),
    [
        ("Vomited 10 minutes after", True),
        ("not retained", True),
        ("brought the dose back up", True),
        ("couldn't keep it down", True),
        ("spat out", True),
        ("not vomited until 10 minutes later", True),
        ("no nausea or vomiting", False),
        ("denies vomiting", False),
        ("Vomiting: nil", False),
        ("Supervised consumption", False),
    ],
)
def test_a_dose_that_was_vomited_is_told_to_whoever_gives_the_next(words: str, lost: bool, said: str) -> None:
    """A pharmacy and the person got the amount alone: whoever goes on from it takes a dose for tolerated that was not absorbed."""
    given = dose()
    if said == "dosage":
        given["dosage"]["text"] = words
    else:
        given |= {"note": [{"text": words}]} if said == "note" else {"statusReason": [{"text": words}]}
    file = file_of(prescription(), given)
    assert bool(lines("prescription-copy", file, "Methadone", "Last dose perhaps not absorbed")) is lost
    for letter in WHOLE:
        assert bool(lines(letter, file, "vomited or not kept down")) is lost, letter
    for letter in ("persons-handover", "persons-transfer"):
        assert bool(lines(letter, file, "you may not have kept your last dose down")) is lost, letter


def test_a_dose_that_the_person_may_not_be_told_of_is_not_told_by_its_words() -> None:
    hidden = {**noted("Vomited"), "meta": {"security": [{"system": systems.ACT_CODE, "code": "NOPAT"}]}}
    assert not lines("persons-handover", [patient(), label_resource(prescription()), hidden], "kept your last dose")


@pytest.mark.parametrize("letter", [*WHOLE, "referral", "prescription-copy", "persons-handover", "community-record"])
def test_a_dose_in_two_parts_is_told_whole(letter: str) -> None:
    """The last part alone was told: half of the day's dose, which the next prescriber would go on with."""
    morning = dose("morning", given="2026-01-15T08:00:00+00:00", amount=Decimal(25))
    night = dose("night", given="2026-01-15T11:00:00+00:00", amount=Decimal(35))
    before = dose("before", given="2026-01-14T11:00:00+00:00", amount=Decimal(36))
    file = file_of(prescription(), before, night, morning)
    assert lines(letter, file, "25 ml")
    assert lines(letter, file, "35 ml")
    assert bool(lines(letter, file, "36 ml")) is (letter == "community-record")


def test_a_dose_that_was_begun_before_the_last_one_of_its_day_is_told() -> None:
    begun = dose("begun", given="2026-01-15T07:00:00+00:00", amount=Decimal(15), status="stopped")
    assert lines("handover", file_of(prescription(), begun, dose()), "15 ml", "status stopped")
    assert lines("prescription-copy", file_of(prescription(), begun, dose()), "15 ml", "status stopped")


@pytest.mark.parametrize(
    ("given", "today", "lately"), [("15", True, True), ("14", False, True), ("12", False, True), ("11", False, False)]
)
def test_days_without_a_dose_are_named(given: str, today: bool, lately: bool) -> None:
    """Three missed days cost tolerance; on the day of release a dose is given before the gate, or nobody knows of one (R107, R110)."""
    file = file_of(prescription(), dose(given=f"2026-01-{given}T08:00:00+00:00"))
    assert bool(lines("handover", file, "recorded as given on the day of release")) is not today
    assert bool(lines("transfer", file, "recorded as given on the day of the move")) is not today
    for letter in WHOLE:
        assert bool(lines(letter, file, "three whole days")) is not lately
    assert bool(lines("prescription-copy", file, "three whole days")) is not lately


def test_an_injection_that_acts_is_no_day_without_a_dose() -> None:
    depot = "Buprenorphine 96mg/0.27ml prolonged-release solution for injection pre-filled syringes"
    file = file_of(
        prescription(medicine=depot), dose(given="2026-01-02T08:00:00+00:00", medicine=depot, amount=Decimal(96))
    )
    for letter in (*WHOLE, "prescription-copy"):
        assert not lines(letter, file, "three whole days"), letter
        assert not lines(letter, file, "on the day of"), letter


OPIOIDS = simple("Condition", "opioids", code={"text": "Opioid dependence in remission"}, **SUBJECT)


@pytest.mark.parametrize(
    ("with_it", "told"),
    [
        ((), True),
        ((prescription(status="stopped", start="2025-10-01", end="2025-11-01"),), True),
        ((prescription(),), False),
        ((dose(),), False),
        ((prescription(medicine="Naltrexone 50mg tablets"),), True),
    ],
)
def test_whoever_leaves_without_substitute_medication_is_at_high_risk_of_an_overdose(
    with_it: tuple[Json, ...], told: bool
) -> None:
    """R010: treatment provider and practice are told at the top; a move to another prison is no release."""
    file = file_of(OPIOIDS, *with_it)
    for letter in ("handover", "gp-copy"):
        found = headings(letter, file)
        assert any("High risk of overdose" in line for line in found["Risk"]) is told
        assert any("No risk flag" in line for held in found.values() for line in held), (
            "what nobody recorded is missing"
        )
    assert not lines("transfer", file, "High risk of overdose")


@pytest.mark.parametrize(
    "condition",
    [
        simple("Condition", "other", code={"text": "Alcohol dependence"}, **SUBJECT),
        {**OPIOIDS, "verificationStatus": {"coding": [{"code": "refuted"}]}},
    ],
)
def test_no_risk_of_an_overdose_is_worked_out_of_what_is_no_opioid_dependence(condition: Json) -> None:
    assert not lines("handover", file_of(condition), "High risk of overdose")


def test_the_flag_that_is_worked_out_carries_what_it_is_about() -> None:
    flag = next(
        each
        for each in resources_in(compose("handover", file_of(OPIOIDS), CONTEXT, AS_OF).bundle)
        if each["resourceType"] == "Flag"
    )
    assert {"SUD", "OPIOIDUD", "R"} <= {each["code"] for each in flag["meta"]["security"]}


@pytest.mark.parametrize("letter", [*WHOLE, "referral", "prescription-copy", "persons-handover", "care-plan-update"])
def test_an_amount_without_a_unit_says_so(letter: str) -> None:
    """40 of a solution of 1 mg in a millilitre is 40 mg; of one of 10 mg it is 4 or 400, and the reader takes what they are used to."""
    bare = prescription(text="once a day", dispenseRequest={"quantity": {"value": Decimal(280)}})
    bare["dosageInstruction"][0]["doseAndRate"] = [{"doseQuantity": {"value": Decimal(40)}}]
    unit = "of what is not written down: ask" if letter.startswith("persons") else "unit not recorded"
    assert lines(letter, file_of(bare), f"40 ({unit})")
    if not letter.startswith("persons"):
        assert lines(letter, file_of(bare), f"quantity 280 ({unit})")


def test_a_dose_given_without_a_unit_says_so_and_a_score_does_not() -> None:
    given = dose()
    given["dosage"]["dose"] = {"value": Decimal(40)}
    assert lines("handover", file_of(given), "40 (unit not recorded)")
    score = simple("Observation", "s", status="final", code={"text": "AUDIT"}, valueQuantity={"value": 20}, **SUBJECT)
    assert not lines("handover", file_of(score), "unit not recorded")


@pytest.mark.parametrize("amount", ["", "999"])
@pytest.mark.parametrize(("status", "told"), [("RE", "NOT given"), ("CP", "supervised; note: ")])
def test_a_dose_whose_amount_nobody_states_is_told_and_not_held(amount: str, status: str, told: str) -> None:
    """A refused dose has none, and 999 is HL7's word for one that is not known: the message was held, and the last dose with it."""
    body = (
        b"MSH|^~\\&|EHR|LEI|TG|HUB|20260115110000+0000||RAS^O17^RAS_O17|M1|P|2.5.1\rPID|1||9990000026^^^NHS^NH||Example^Alex\r"
        b"ORC|RE|RX1^EHR\rRXA|0|1|20260115080500+0000||36120711000001104^Methadone 1mg/ml oral solution^SCT|"
        + f"{amount}|||^Supervised consumption|||||||||||{status}|A\rRXR|PO^Oral\r".encode()
    )
    translation = translate(Channel(name="generated", format="hl7v2"), body)
    assert translation.hold is None
    file = file_of(*(entry["resource"] for entry in (translation.bundle or {})["entry"]))
    assert lines("handover", file, "Methadone", "2026-01-15T08:05:00+00:00", told, "Supervised consumption; Oral")
    assert bool(lines("prescription-copy", file_of(prescription(), *file), "amount not recorded")) is (status == "CP")


INPATIENT = [{"coding": [{"system": systems.MEDICATION_REQUEST_CATEGORY, "code": "inpatient"}]}]


@pytest.mark.parametrize("letter", [*WHOLE, "referral", "care-plan-update"])
def test_an_order_for_custody_is_told_from_one_for_outside(letter: str) -> None:
    """Two orders of one product, 60 ml inside and 40 ml for outside, read the same: both stood as active."""
    file = file_of(
        prescription(text="40 ml once a day"), prescription("inside", text="60 ml once a day", category=INPATIENT)
    )
    assert lines(letter, file, "60 ml once a day", "inpatient order, not for supply outside")
    assert not lines(letter, file, "40 ml once a day", "inpatient order")


def test_the_persons_paper_has_no_medicine_for_outside_that_was_given_inside_alone() -> None:
    """A detoxification with chlordiazepoxide read as one to go on with."""
    detox = prescription("detox", medicine="Chlordiazepoxide 10mg capsules", text="20 mg", category=INPATIENT)
    found = headings("persons-handover", file_of(detox, prescription("own", medicine="Sertraline 50mg tablets")))
    assert any("Chlordiazepoxide" in line for line in found["Your other medicines in prison"])
    assert not any("Chlordiazepoxide" in line for line in found["Your other medicines"])
    assert any("Sertraline" in line for line in found["Your other medicines"])


@pytest.mark.parametrize(
    ("name", "said"),
    [("Interpreter", "Polish"), ("ECG, QTc", "510 ms"), ("Pregnancy test", "Positive"), ("Pregnancy", "12 weeks")],
)
def test_a_referral_says_how_to_speak_with_the_person_and_what_changes_how_they_are_taken(name: str, said: str) -> None:
    """R056, R092: with every referral go communication needs and who is responsible; a pregnancy is an urgent way in."""
    seen = simple("Observation", "seen", status="final", code={"text": name}, valueString=said, **SUBJECT)
    assert lines("referral", file_of(seen), f"{name}: {said}")


def test_a_referral_names_who_is_responsible_or_that_nobody_is() -> None:
    team = simple("CareTeam", "team", participant=[in_team("named-nurse", {"display": "Nia Nurse"})], **SUBJECT)
    assert lines("referral", file_of(team), "Nia Nurse")
    assert lines("referral", file_of(team), "Not in this letter: recovery co-ordinator")
    assert not lines("referral", file_of(team), "Not in this letter: named nurse")


@pytest.mark.parametrize(
    ("status", "end", "over"),
    [
        ("active", "2026-01-10", True),
        ("active", "2026-02-10", False),
        ("stopped", "2026-01-10", False),
        ("unknown", "2026-01-10", True),
    ],
)
def test_a_copy_of_a_prescription_that_is_over_says_so(status: str, end: str, over: bool) -> None:
    """A message that came late was copied as active, with its dates among twenty words."""
    file = file_of(prescription(status=status, start="2026-01-01", end=end))
    assert bool(lines("prescription-copy", file, "The last day of this prescription is past")) is over


ALERTS = ("HIV positive", "Hepatitis C carrier", "BBV: infected", "Syphilis")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_infection_is_no_risk_that_officers_read_in_an_acct_document(alert: str) -> None:
    """An alert of the health record is a Flag whatever it is about: of these an ACCT review had the diagnosis that it promises never to hold."""
    flags = [
        {"resourceType": "Flag", "id": f"flag-{place}", "status": "active", "code": {"text": text}, **SUBJECT}
        for place, text in enumerate((alert, "Risk of self-harm"))
    ]
    clinic = {
        **next(each for each in whole_file() if each["resourceType"] == "Appointment"),
        "id": "clinic",
        "serviceType": [{"text": f"Clinic for: {alert}"}],
    }
    file = [*whole_file(), *map(label_resource, (*flags, clinic))]
    body = json.dumps(minimised("acct-contribution", file, CONTEXT), default=str)
    assert alert not in body
    assert "Risk of self-harm" in body
    kept = minimised("acct-contribution", file[:-1], CONTEXT)["entry"]
    assert len(minimised("acct-contribution", file, CONTEXT)["entry"]) == len(kept)
    for letter in WHOLE:  # who treats the person has every flag (R075)
        assert lines(letter, file, alert), letter


def seen(name: str, at: str | None = "2026-01-15T08:25:00+00:00", **more: Any) -> Json:
    when = {"effectiveDateTime": at} if at else {}
    return {
        "resourceType": "Observation",
        "id": "seen",
        "status": "final",
        "code": {"text": name},
        **SUBJECT,
        **when,
        **more,
    }


@pytest.mark.parametrize(
    ("observed", "lost"),
    [
        (seen("Vomiting"), True),
        (seen("Vomiting", valueBoolean=True), True),
        (seen("Vomiting", valueCodeableConcept={"text": "Present"}), True),
        (seen("Clinic note", valueString="Vomited 20 minutes after methadone"), True),
        (seen("Observation of the person", note=[{"text": "was sick after the dose"}]), True),
        (seen("Vomiting", at="2026-01-15"), True),
        (seen("Vomiting", at=None), True),
        (seen("Vomiting", at="2026-01-15T07:00:00+00:00"), False),
        (seen("Vomiting", at="2026-01-14"), False),
        (seen("Vomiting", valueBoolean=False), False),
        (seen("Vomiting", valueString="None"), False),
        (seen("Vomiting", valueCodeableConcept={"text": "Absent"}), False),
        (seen("Vomiting", valueInteger=0), False),
        (seen("Vomiting", dataAbsentReason={"text": "Not asked"}), False),
        (seen("Vomiting", status="entered-in-error"), False),
        (seen("Vomiting", status="cancelled"), False),
        (seen("Blood pressure", valueString="120/80"), False),
    ],
)
def test_vomiting_that_is_an_observation_of_its_own_reaches_whoever_gives_the_next_dose(
    observed: Json, lost: bool
) -> None:
    """It stood under no heading of a handover and in no copy, and every one of them said 40 ml, supervised."""
    file = file_of(prescription(), dose(), observed)
    assert bool(lines("prescription-copy", file, "Methadone", "Last dose perhaps not absorbed")) is lost
    for letter in WHOLE:
        under = headings(letter, file)["Last dose given"]
        assert bool(lines(letter, file, "vomited or not kept down")) is lost, letter
        assert (len(under) == 2) is lost, (letter, under)
    for letter in PAPERS:
        assert bool(lines(letter, file, "you may not have kept your last dose down")) is lost, letter
        assert not lines(letter, file, "20 minutes after"), letter


def test_vomiting_says_nothing_of_an_injection_nor_of_what_the_person_may_not_be_told() -> None:
    injected = dose(medicine=DEPOT, amount=Decimal(96))
    assert not facts.may_be_lost(injected, file_of(injected, seen("Vomiting")))
    hidden = {**seen("Vomiting"), "meta": {"security": [{"system": systems.ACT_CODE, "code": "NOPAT"}]}}
    assert not lines("persons-handover", file_of(prescription(), dose(), hidden), "kept your last dose")


def test_a_dose_of_the_late_evening_is_vomited_on_the_next_day() -> None:
    late = dose(given="2026-01-14T23:50:00+00:00")
    assert facts.may_be_lost(late, file_of(late, seen("Vomiting", at="2026-01-15T00:10:00+00:00")))
    assert not facts.may_be_lost(late, file_of(late, seen("Vomiting", at="2026-01-15T09:00:00+00:00")))


@pytest.mark.parametrize("letter", WHOLE)
def test_a_time_of_summer_in_universal_time_has_the_clock_of_england_beside_it(letter: str) -> None:
    """A practice reads 09:00Z as nine o'clock and misses the person by an hour; a dose of half past midnight was told of the day before."""
    visit = {
        **next(each for each in whole_file() if each["resourceType"] == "Appointment"),
        "start": "2026-07-20T09:00:00Z",
        "end": "2026-07-20T09:30:00+01:00",
    }
    given = dose(given="2025-07-14T23:30:00.5+00:00")
    file = file_of(prescription(), given, visit)
    (seen_at,) = lines(letter, file, "2026-07-20")
    assert seen_at.startswith("2026-07-20T09:00:00Z (10:00 in England); until 2026-07-20T09:30:00+01:00;")
    assert lines(letter, file, "given 2025-07-14T23:30:00.5+00:00 (2025-07-15 00:30 in England)")
    (when,) = lines(letter, file, "HMP Fellgate at")
    assert "in England" not in when


@pytest.mark.parametrize("letter", ["handover", "transfer", "gp-copy", "reception-notice"])
def test_when_it_happened_is_told_by_the_clock_of_england_too(letter: str) -> None:
    context = replace(CONTEXT, occurred="2026-07-15T23:30:00Z")
    bundle = minimised(letter, whole_file(), context)
    body = render(bundle, "hl7v2", HEADING).body.decode()
    assert "2026-07-15T23:30:00Z (2026-07-16 00:30 in England)" in body


@pytest.mark.parametrize("letter", PAPERS)
def test_a_paper_with_two_prescriptions_of_today_does_not_read_as_two_to_take(letter: str) -> None:
    """A change of dose that did not end what it changed: 40 ml and 60 ml stood one below the other, with nothing that says which."""
    said = "do not take both till you know"
    changed = prescription("changed", text="60 ml once a day")
    assert lines(letter, file_of(prescription(), changed), said)
    assert not lines(letter, file_of(prescription()), said)
    assert not lines(letter, file_of(prescription(), {**changed, "status": "stopped"}), said)
    assert not lines(letter, file_of(prescription(), prescription("later", start="2026-01-20")), said)


def test_a_reception_asks_for_what_the_first_dose_in_custody_depends_on() -> None:
    """An injection of five weeks ago is no prescription of today, and methadone on top of it was given by an answer that named none."""
    (asked,) = lines("reception-notice", file_of(), "Please send")
    for what in ("the last long-acting injection", "a pregnancy", "heart tracings"):
        assert what in asked


@pytest.mark.parametrize("wire", ["hl7v2-oru"])
def test_a_result_of_unknown_status_is_not_filed_as_a_final_one(wire: str) -> None:
    test = {**next(each for each in whole_file() if each["resourceType"] == "Observation"), "status": "unknown"}
    file = [*(each for each in whole_file() if each["resourceType"] != "Observation"), test]
    body = render(minimised("handover", file, CONTEXT), wire, HEADING).body.decode()
    held = [line.split("|") for line in body.split("\r") if line.startswith("OBX") and "^L|" not in line]
    assert held
    assert {fields[11] for fields in held} == {"R"}


def test_a_paper_says_when_it_was_written_as_a_person_does() -> None:
    bundle = minimised("persons-handover", whole_file(), CONTEXT)
    heading = replace(HEADING, time="2026-07-15T11:30:01.000000Z")
    written = readable(entries_of(bundle, heading), heading, redacted=False)
    assert "Written: Wednesday 15 July 2026 at 12:30" in written.parts[-1].lines


def test_a_contact_that_was_entered_in_error_is_taken_back_in_the_record_it_was_written_to() -> None:
    """The entry said that what was recorded is not in the file, and the visit that never was stayed in the prison's record."""
    visit = {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "entered-in-error",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        **SUBJECT,
    }
    assert lines("write-back", file_of(visit), "Entered in error, as who recorded it says: 1.")
    assert not lines("write-back", file_of(visit), "is not in the file", "What was recorded")
    assert not lines("write-back", file_of({**visit, "status": "finished"}), "Entered in error")
    assert lines("write-back", file_of(), "What was recorded is not in the file")
