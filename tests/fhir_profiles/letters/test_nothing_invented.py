"""Nothing is invented and nothing that is needed is lost: every letter about a person, over generated records, as data and as text.

What a letter may say beside its record is the closed list own_words.csv, and what a line of text may say beside its resource line_words.csv:
whoever changes a sentence of a letter changes it there as well, and reads it once more. `make soak` asks a hundred times as many records, and
whether each row of the list is still needed.
"""

import copy
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.minimise import NothingLeaves, minimise
from fhir_profiles.compose import LETTERS
from fhir_profiles.elements import name_of
from fhir_profiles.fhir_json import decode
from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.label import label_resource
from fhir_profiles.render import render
from fhir_profiles.shapes import Json, LetterContext
from fhir_profiles.wires.envelope import entries_of
from fhir_profiles.wires.readable import readable
from tests.consent.test_must_have import must_have
from tests.fhir_profiles.letters.files import (
    AS_OF,
    CONTEXT,
    HEADING,
    REPORTS,
    case,
    dose,
    drug_test,
    issue,
    patient,
    prescription,
)
from tests.fhir_profiles.letters.test_through_the_gate import NAMING, decided
from tests.fhir_profiles.letters.tracing import Trace, own_words, record_of, unsaid, values_at
from tests.fhir_profiles.validators.leaving import FILES

ABOUT_A_PERSON = tuple(name for name in LETTERS if name not in REPORTS)
SOAK = float(os.environ.get("THROUGHGATE_SOAK") or 0)
EXAMPLES = max(50, int(5000 * SOAK))
MEDICINES = (
    "Methadone 1mg/ml oral solution",
    "Buprenorphine 2mg sublingual tablets",
    "Buprenorphine 96mg/0.27ml prolonged-release solution for injection",
    "Pregabalin 75mg capsules",
    "Naloxone 1.8mg nasal spray",
)
PRESCRIBERS = ("Practitioner/prescriber", "Practitioner/nurse")


def look(letter: str, file: Sequence[Json], context: LetterContext) -> tuple[list[str], Trace]:
    """What is wrong with a letter: values and words of no origin, and what its recipient has to have and does not."""
    bundle, decision = decided(letter, file, context)
    trace = Trace(letter, record_of(file, context, HEADING, AS_OF))
    with suppress(NothingLeaves):
        left = minimise(bundle, decision, NAMING).bundle
        wrong = [f"lost: {each}" for each in lost(letter, bundle, left)]
        for wire in LETTERS[letter].wires[:2]:
            wrong += trace.invented(decode(render(left, wire, HEADING).body))
        return wrong + unsaid(lines_of(left), enveloped(left)), trace
    return [], trace


def enveloped(bundle: Json) -> Json:
    return {"entry": entries_of(bundle, HEADING)}


def lines_of(bundle: Json) -> list[str]:
    """The letter as paper and HL7 v2 hold it, but for the lines about the letter itself."""
    parts = readable(entries_of(bundle, HEADING), HEADING, redacted=False).parts
    return [line for part in parts if part.code != "letter" for line in part.lines]


def lost(letter: str, before: Json, after: Json) -> Iterator[str]:
    """The adjudicated paths whose values are not all there any more. Identifiers and references are the gate's to change."""
    for path in must_have(letter):
        kind, _, names = path.partition(".")
        if not path.endswith(".reference") and ".identifier" not in path:
            held, kept = (
                Counter(
                    value
                    for entry in bundle["entry"]
                    if entry["resource"]["resourceType"] == kind
                    for value in values_at(entry["resource"], names)
                )
                for bundle in (before, after)
            )
            if held - kept:
                yield path


AMOUNTS = st.decimals(Decimal("0.1"), Decimal(250), places=2, allow_nan=False)
DAYS = st.integers(1, 28).map(lambda day: f"2026-01-{day:02}")


def statement(name: str, medicine: str, status: str) -> Json:
    """What somebody says is taken of a medicine."""
    return {
        "resourceType": "MedicationStatement",
        "id": f"{name}-said",
        "status": status,
        "subject": {"reference": PATIENT_REFERENCE},
        "medicationCodeableConcept": {"text": medicine},
        "dosage": [{"text": "as the person says"}],
    }


@st.composite
def courses(draw: st.DrawFn, name: str) -> list[Json]:
    """A prescription, a dose of it and a result, of amounts, units, days and people of their own."""
    medicine, unit = draw(st.sampled_from(MEDICINES)), draw(st.sampled_from(["ml", "mg", "tablet"]))
    amount, day, hour = draw(AMOUNTS), draw(DAYS), draw(st.integers(0, 23))
    ordered = prescription(
        f"{name}-order",
        medicine=medicine,
        authored=day,
        start=draw(st.none() | DAYS),
        text=f"{amount} {unit} {draw(st.sampled_from(['daily', 'each morning', 'once a week']))}",
        requester={"reference": draw(st.sampled_from(PRESCRIBERS))},
        status=draw(st.sampled_from(["active", "active", "stopped", "on-hold", "cancelled", "completed", "unknown"])),
        intent=draw(st.sampled_from(["order", "order", "plan", "proposal"])),
        dispenseRequest={"quantity": {"value": draw(AMOUNTS), "unit": unit}},
    )
    ordered["dosageInstruction"][0] |= {
        "doseAndRate": [{"doseQuantity": {"value": amount, "unit": unit}}],
        "timing": {
            "repeat": {"frequency": draw(st.integers(1, 3)), "period": 1, "periodUnit": draw(st.sampled_from("dh"))}
        },
    }
    had = draw(st.sampled_from(["completed", "completed", "not-done", "stopped", "unknown"]))
    taken = dose(
        f"{name}-dose", given=f"{day}T{hour:02}:05:00+00:00", amount=draw(AMOUNTS), medicine=medicine, status=had
    )
    if had == "not-done":
        taken["statusReason"] = [{"text": "Refused"}]
    said = statement(name, medicine, draw(st.sampled_from(["active", "stopped", "not-taken"])))
    taken["dosage"]["dose"] = {"value": taken["dosage"]["dose"]["value"], "unit": unit}
    level = {"value": draw(AMOUNTS), "unit": draw(st.sampled_from(["ng/mL", "mmol/L"]))}
    tested = drug_test(
        f"{name}-test", group=draw(st.sampled_from(["opiates", "methadone"])), note=[{"text": f"{day} {amount}"}]
    )
    tested["component"] = [{"code": {"text": "Concentration"}, "valueQuantity": level}]
    tested["status"] = draw(st.sampled_from(["final", "cancelled", "preliminary"]))
    return [label_resource(each) for each in (ordered, taken, tested, said)]


@st.composite
def records(draw: st.DrawFn) -> tuple[str, list[Json], LetterContext]:
    letter = draw(st.sampled_from(ABOUT_A_PERSON))
    file, context = case(letter)
    dropped = draw(st.sets(st.integers(0, len(file) - 1), max_size=6))
    more = [each for name in "ab" for each in draw(courses(name))]
    kept = [each for at, each in enumerate(file) if at not in dropped]
    added = tuple(f"{each['resourceType']}/{each['id']}" for each in more)
    replaced = draw(st.sampled_from([None, None, None, "0000000000000000000P"]))
    told = replace(
        context,
        focus=(*context.focus, *(added if draw(st.booleans()) else ())),
        provisional=draw(st.booleans()),
        not_contained=draw(st.integers(0, 2)),
        establishment_telephone=draw(st.sampled_from(["0113 496 0000", ""])),
        replaces=replaced,
        taken_back=3 if replaced else 0,
    )
    return letter, [*kept, *more], told


@settings(max_examples=EXAMPLES, deadline=None)
@given(records())
def test_all_that_a_letter_says_is_of_its_record_and_nothing_that_is_needed_is_lost(
    record: tuple[str, list[Json], LetterContext],
) -> None:
    assert look(*record)[0] == []


@pytest.mark.parametrize("file", FILES)
def test_every_letter_of_every_file_says_nothing_of_its_own(file: str) -> None:
    used = set()
    for letter in ABOUT_A_PERSON:
        resources, context = FILES[file](letter)
        found, trace = look(letter, resources, context)
        assert found == [], letter
        used |= trace.used
    assert len(used) > 150


def scene(*resources: Json) -> Callable[[str], tuple[list[Json], LetterContext]]:
    """A small file of somebody, which the letter is about."""
    file = [label_resource(each) for each in (patient(), *resources)]
    return lambda letter: (file, replace(case(letter)[1], focus=tuple(map(name_of, file))))


ABOUT = {"subject": {"reference": PATIENT_REFERENCE}}
SCENES: dict[str, Callable[[str], tuple[list[Json], LetterContext]]] = {
    "no dose on record": scene(prescription()),
    "a dose of which nobody says how much": scene(
        prescription(), {name: held for name, held in dose().items() if name != "dosage"}
    ),
    "a dose that was vomited": scene(prescription(), {**dose(), "note": [{"text": "Vomited"}]}),
    "days without a dose": scene(prescription(), dose(given="2026-01-11T08:00:00+00:00")),
    "a prescription whose last day is past": scene(prescription(start="2026-01-01", end="2026-01-10")),
    "opioid dependence and nothing in force": scene(
        {"resourceType": "Condition", "id": "opioids", "code": {"text": "Opioid dependence"}, **ABOUT}
    ),
    "a contact entered in error": scene(
        {"resourceType": "Encounter", "id": "visit", "status": "entered-in-error", "class": {"code": "AMB"}, **ABOUT}
    ),
}
"""What the files above never are, and what a letter has words of its own for."""


@pytest.mark.parametrize("name", SCENES)
def test_every_letter_of_every_scene_says_nothing_of_its_own(name: str) -> None:
    assert {letter: found for letter in ABOUT_A_PERSON if (found := look(letter, *SCENES[name](letter))[0])} == {}


def with_what_is_not_to_be_done(letter: str) -> tuple[list[Json], LetterContext]:
    file, context = case(letter)
    forbidden = label_resource(prescription("forbidden", doNotPerform=True))
    return [*file, forbidden], replace(context, focus=(*context.focus, "MedicationRequest/forbidden"))


@pytest.mark.parametrize("letter", ABOUT_A_PERSON)
def test_what_is_said_of_an_order_not_to_give_a_medicine_is_in_the_list(letter: str) -> None:
    assert look(letter, *with_what_is_not_to_be_done(letter))[0] == []


def changed(letter: str, change: Callable[[dict[str, list[Json]]], None], *, wire: str = "") -> list[str]:
    """What the trace finds in a letter of the whole file after a change on its way out."""
    file, context = case(letter)
    bundle, decision = decided(letter, file, context)
    left = decode(render(minimise(bundle, decision, NAMING).bundle, wire or LETTERS[letter].wires[0], HEADING).body)
    held: dict[str, list[Json]] = {}
    for entry in left["entry"]:
        held.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    change(held)
    return Trace(letter, record_of(file, context, HEADING, AS_OF)).invented(left)


def swap_requesters(held: dict[str, list[Json]]) -> None:
    ordered = next(each for each in held["MedicationRequest"] if "requester" in each)
    nurse = next(each for each in held["Practitioner"] if each["name"][0]["family"] == "Nurse")
    ordered["requester"] = {"reference": f"urn:uuid:{nurse['id']}"}


def swap_texts(held: dict[str, list[Json]]) -> None:
    one, other = (each for each in held["MedicationRequest"] if "Sertraline" in str(each) or "280.0" in str(each))
    one["dosageInstruction"], other["dosageInstruction"] = other["dosageInstruction"], one["dosageInstruction"]


SABOTAGE: dict[str, tuple[str, Callable[[dict[str, list[Json]]], None]]] = {
    "another dose": ("handover", lambda held: held["MedicationAdministration"][0]["dosage"]["dose"].update(value=Decimal("45.00"))),
    "the same dose with fewer digits": (
        "handover",
        lambda held: held["MedicationAdministration"][0]["dosage"]["dose"].update(value=Decimal(40)),
    ),
    "another unit": ("prescription-copy", lambda held: held["MedicationAdministration"][0]["dosage"]["dose"].update(unit="mg")),
    "another time": ("gp-copy", lambda held: held["MedicationAdministration"][0].update(effectiveDateTime="2026-01-14T08:05:00+00:00")),
    "another person's name": ("handover", lambda held: held["Patient"][0]["name"][0].update(family="Prescriber")),
    "another person's number": ("engagement", lambda held: held["Patient"][0]["identifier"][0].update(value="9990000018")),
    "the dosages of two prescriptions for one another": ("handover", swap_texts),
    "another prescriber": ("handover", swap_requesters),
    "a result that nobody reported": (
        "assessment",
        lambda held: held["Observation"][0].update(valueCodeableConcept={"text": "Negative"}),
    ),
    "a sentence that no letter has": (
        "referral",
        lambda held: held["Communication"][0]["payload"].append({"contentString": "Doing well."}),
    ),
    "a sentence of another letter": (
        "handover",
        lambda held: held["Communication"][0]["payload"].append({"contentString": "Show it to the nurse here."}),
    ),
    "a count that is wrong": (
        "community-record",
        lambda held: held["Communication"][0]["payload"][0].update(
            contentString=held["Communication"][0]["payload"][0]["contentString"].replace("doses given: 1", "doses given: 2")
        ),
    ),
    "a section that says that nothing is there": (
        "transfer",
        lambda held: held["Composition"][0]["section"][0].update(title="No risk"),
    ),
    "an element that nobody wrote": ("care-plan-update", lambda held: held["CarePlan"][0].update(note=[{"text": "Reduce."}])),
}  # fmt: skip


@pytest.mark.parametrize("name", SABOTAGE)
def test_sabotage_what_was_changed_on_the_way_is_found(name: str) -> None:
    letter, change = SABOTAGE[name]
    assert changed(letter, lambda _: None) == []
    assert changed(letter, change), name


LINES = {
    "another number": ("; 40.00 ml; ", "; 45.00 ml; "),
    "another unit": ("; 40.00 ml; ", "; 40.00 mg; "),
    "another time": ("given 2026-01-15T08:05", "given 2026-01-15T09:05"),
    "another person": ("prescriber Prescriber", "prescriber Nurse"),
    "a word": ("status active", "status fine"),
}


@pytest.mark.parametrize("name", LINES)
def test_sabotage_what_was_changed_in_the_text_is_found(name: str) -> None:
    bundle, decision = decided("handover", *case("handover"))
    left = minimise(bundle, decision, NAMING).bundle
    lines, (said, instead) = lines_of(left), LINES[name]
    assert unsaid(lines, enveloped(left)) == []
    assert any(said in line for line in lines)
    assert unsaid([line.replace(said, instead) for line in lines], enveloped(left))


def test_sabotage_a_value_that_the_recipient_needs_and_does_not_get_is_found() -> None:
    bundle, decision = decided("handover", *case("handover"))
    fewer = replace(
        decision,
        permitted=tuple(each for each in decision.permitted if "doseQuantity" not in each and "dosage" not in each),
    )
    left = minimise(copy.deepcopy(bundle), fewer, NAMING).bundle
    assert "MedicationAdministration.dosage.dose.value" in set(lost("handover", bundle, left))


if SOAK:

    def test_each_row_of_the_closed_list_is_needed() -> None:
        """Each resource is taken out of each file in turn."""
        used = set()
        mixture = label_resource(issue(medicine="an unknown mixture", authorizingPrescription=[]))
        for letter in ABOUT_A_PERSON:
            for made in FILES.values():
                file, context = made(letter)
                for told in (
                    context,
                    replace(context, provisional=True, not_contained=2),
                    replace(context, establishment_telephone="", occurred=None, recorded_by=""),
                    replace(context, replaces="0000000000000000000P", taken_back=2),
                    replace(context, replaces="0000000000000000000P", taken_back=2, focus=()),
                ):
                    used |= look(letter, file, told)[1].used
            for made in SCENES.values():
                used |= look(letter, *made(letter))[1].used
            used |= look(letter, *with_what_is_not_to_be_done(letter))[1].used
            used |= look(letter, [patient(), prescription(), mixture], CONTEXT)[1].used
            file, context = case(letter)
            for at in range(len(file)):
                used |= look(letter, [*file[:at], *file[at + 1 :]], context)[1].used
        assert [own for own in own_words() if own not in used] == []
