"""Instalment prescriptions (FP10MDA): read as they are said, copied in codes, words and figures, and judged beside the message, never in front of it."""

import io
import re
from decimal import Decimal
from typing import Any

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles import systems
from fhir_profiles.fhir_json import encode
from fhir_profiles.instalments import COURSE, FORM, INSTALMENTS, SERIAL, instalments_of
from fhir_profiles.number_words import in_words
from fhir_profiles.prescription_advice import advice
from fhir_profiles.profiles.prescription_copy import MARK, ORDER_SYSTEMS, PROFILE, build
from fhir_profiles.render import render
from fhir_profiles.shapes import Channel, Event, Json
from fhir_profiles.tasks import TASKS
from fhir_profiles.terminology import lookup
from fhir_profiles.translate import translate
from fhir_profiles.wires.sentences import sentence
from tests.fhir_profiles.letters.files import HEADING, METHADONE, case
from tests.fhir_profiles.letters.test_through_the_gate import minimised

WORDINGS = [row["wording"] for row in lookup("home_office_wordings").rows]
SUPPLY = {
    "validityPeriod": {"start": "2026-01-15", "end": "2026-02-12"},
    "initialFill": {"quantity": {"value": 40, "unit": "ml"}},
    "dispenseInterval": {"value": 1, "unit": "day"},
    "numberOfRepeatsAllowed": 13,
    "quantity": {"value": Decimal("560.5"), "unit": "ml"},
    "expectedSupplyDuration": {"value": 14, "unit": "days"},
}


def instalments(**more: Any) -> Json:
    """A methadone prescription in daily instalments for 14 days, as good as one can be."""
    return {
        "resourceType": "MedicationRequest",
        "id": "methadone",
        "status": "active",
        "intent": "order",
        "identifier": [{"system": SERIAL, "value": "7012345678"}],
        "category": [{"coding": [{"system": FORM, "code": "FP10MDA"}], "text": "FP10MDA"}],
        "medicationCodeableConcept": METHADONE,
        "subject": {"reference": "Patient/patient"},
        "authoredOn": "2026-01-15",
        "requester": {"reference": "Practitioner/prescriber"},
        "dosageInstruction": [{"text": "40 ml once a day", "additionalInstruction": [{"text": WORDINGS[4]}]}],
        "dispenseRequest": SUPPLY,
        **more,
    }


def supply(**more: Any) -> Json:
    kept = {key: value for key, value in (SUPPLY | more).items() if value is not None}
    return instalments(dispenseRequest=kept)


def copied(request: Json) -> Json:
    """What a pharmacy gets of a prescription, through the shipped agreement."""
    file, context = case("prescription-copy")
    file = [each for each in file if (each["resourceType"], each["id"]) != ("MedicationRequest", "methadone")]
    return minimised("prescription-copy", [*file, request], context)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (7, "seven"),
        (14, "fourteen"),
        (40, "forty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (105, "one hundred and five"),
        (280, "two hundred and eighty"),
        (1000, "one thousand"),
        (1014, "one thousand and fourteen"),
        (2840, "two thousand eight hundred and forty"),
        (999_999, "nine hundred and ninety-nine thousand nine hundred and ninety-nine"),
        (Decimal("560.5"), "five hundred and sixty point five"),
        (Decimal("2.50"), "two point five zero"),
        (Decimal("1E+2"), "one hundred"),
    ],
)
def test_a_quantity_in_words(number: int | Decimal, words: str) -> None:
    assert in_words(number) == words


@pytest.mark.parametrize("number", [-1, 1_000_000, Decimal("-0.5"), Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_quantity_has_no_words(number: int | Decimal) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        in_words(number)


@given(st.lists(st.integers(0, 999_999), min_size=2, max_size=2, unique=True))
def test_two_numbers_never_have_the_same_words(numbers: list[int]) -> None:
    assert in_words(numbers[0]) != in_words(numbers[1])


@pytest.mark.parametrize(
    "sign",
    [
        {"category": [{"coding": [{"system": FORM, "code": "FP10MDA"}]}]},
        {"courseOfTherapyType": {"coding": [{"system": "https://fhir.nhs.uk/x", "code": INSTALMENTS}]}},
        {"dispenseRequest": {"dispenseInterval": {"value": 1, "unit": "day"}}},
        {"dispenseRequest": {"initialFill": {"quantity": {"value": 40, "unit": "ml"}}}},
    ],
)
def test_each_sign_of_instalments_is_enough(sign: Json) -> None:
    plain = instalments(category=[], dispenseRequest={"quantity": {"value": 40, "unit": "ml"}})
    assert instalments_of(plain) is None
    found = instalments_of(plain | sign)
    assert found is not None
    assert build(plain | sign)["courseOfTherapyType"]["coding"][-1]["code"] == INSTALMENTS


def test_what_is_said_is_read_and_nothing_is_computed() -> None:
    found = instalments_of(instalments())
    assert found is not None
    assert (found.total["value"], found.each["value"], found.interval_days) == (Decimal("560.5"), 40, 1)
    assert (found.count, found.days, found.form, found.serial) == (14, 14, "FP10MDA", "7012345678")
    assert found.wordings == ("supervise",)
    bare = instalments_of(instalments(dispenseRequest={}))
    assert bare is not None
    assert (bare.total, bare.each, bare.interval_days, bare.count, bare.days) == ({}, {}, None, None, None)


@pytest.mark.parametrize("wording", WORDINGS)
def test_each_wording_is_known_wherever_it_stands(wording: str) -> None:
    for place in (
        {"note": [{"text": f"Note. {wording.upper()}"}]},
        {"dosageInstruction": [{"text": f"40 ml daily; {wording}"}]},
        {"dosageInstruction": [{"patientInstruction": wording.replace("'", "\u2019")}]},
        {"dosageInstruction": [{"additionalInstruction": [{"text": wording}]}]},
    ):
        found = instalments_of(instalments(dosageInstruction=[]) | place)
        assert found is not None
        assert len(found.wordings) == 1, place


def test_the_pharmacy_gets_it_in_codes_words_and_figures() -> None:
    bundle = copied(instalments())
    copy = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "MedicationRequest")
    assert copy["intent"] == "original-order"
    assert copy["courseOfTherapyType"]["coding"][-1] == {"system": COURSE, "code": INSTALMENTS}
    assert copy["dispenseRequest"] == SUPPLY
    assert copy["note"][0]["text"] == MARK
    assert copy["note"][1]["text"] == (
        "Instalment prescription, on paper: the Electronic Prescription Service carries none. Total quantity 560.5 ml (five hundred and "
        "sixty point five ml), each instalment 40 ml (forty ml), interval 1 day, instalments 14, for 14 days, form FP10MDA, "
        "serial number 7012345678."
    )
    assert PROFILE.check({**copy, "meta": {"profile": [PROFILE.url]}}) == ()
    assert PROFILE.check({**copy, "intent": "order"}) != ()
    of_ten = build(supply(quantity={"value": Decimal("5.6E+2"), "unit": "ml"}))
    assert "Total quantity 560 ml (five hundred and sixty ml)" in of_ten["note"][1]["text"]


def test_paper_says_it_and_that_it_is_no_prescription() -> None:
    many = copied(instalments(note=[{"text": f"{wording} {number}"} for number in range(12) for wording in WORDINGS]))
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render(many, "pdf", HEADING).body)).pages]
    assert len(pages) > 1
    assert all(MARK in re.sub(r"\s+", " ", page) for page in pages)
    text = re.sub(r"\s+", " ", " ".join(pages))
    for said in ("five hundred and sixty point five ml", "interval 1 day", "form FP10MDA", "7012345678", WORDINGS[4]):
        assert said in text
    message = render(many, "hl7v2", HEADING).body.decode()
    assert "five hundred and sixty point five ml" in message
    assert not re.search(r"\r(ORC|RX[A-Z]|TQ1)\|", message)


def test_what_is_not_said_is_named() -> None:
    text = build(instalments(identifier=[], dispenseRequest={}))["note"][1]["text"]
    assert text.count("not recorded") == 6


def test_an_amount_without_a_unit_says_so() -> None:
    """560 of nobody says what was read as millilitres."""
    bare = instalments()
    bare["dispenseRequest"] = SUPPLY | {"quantity": {"value": Decimal(560)}}
    text = build(bare)["note"][1]["text"]
    assert "Total quantity 560 (unit not recorded) (five hundred and sixty)" in text


# advice


ELECTRONIC = [{"system": min(ORDER_SYSTEMS), "value": "83C40E-A23856-00123C"}]
PREGABALIN = {"coding": [{"system": systems.SNOMED, "code": "42135711000001109"}], "text": "Pregabalin 75mg capsules"}
DISCHARGE = [{"coding": [{"system": systems.MEDICATION_REQUEST_CATEGORY, "code": "discharge"}]}]
PLAIN = instalments(category=DISCHARGE, dispenseRequest={"quantity": {"value": 14, "unit": "tablet"}})
FOR_THREE = {"expectedSupplyDuration": {"value": 3, "code": "d"}}
THREE_DAYS = PLAIN | {"medicationCodeableConcept": {"text": "Thiamine 100mg tablets"}, "dispenseRequest": FOR_THREE}
ADVICE: list[tuple[str, Json, set[str]]] = [
    ("as good as one can be", instalments(), set()),
    ("15 days", supply(expectedSupplyDuration={"value": 15, "unit": "d"}), {"instalments-too-long"}),
    ("3 weeks", supply(expectedSupplyDuration={"value": 3, "unit": "wk"}), {"instalments-too-long"}),
    ("15 instalments", supply(expectedSupplyDuration=None, numberOfRepeatsAllowed=14), {"instalments-too-long"}),
    ("14 instalments", supply(expectedSupplyDuration=None), set()),
    ("no interval", supply(dispenseInterval=None), {"instalments-incomplete"}),
    ("no amount", supply(initialFill=None), {"instalments-incomplete"}),
    ("no wording", instalments(dosageInstruction=[{"text": "40 ml a day"}]), {"instalments-wording"}),
    ("pregabalin", instalments(medicationCodeableConcept=PREGABALIN), {"instalments-not-allowed"}),
    (
        "pregabalin in Wales",
        instalments(medicationCodeableConcept=PREGABALIN, category=[{"coding": [{"system": FORM, "code": "WP10MDA"}]}]),
        set(),
    ),
    ("electronic", instalments(identifier=ELECTRONIC), {"instalments-electronic"}),
    ("no total", supply(quantity=None), {"controlled-quantity-missing"}),
    (
        "as directed",
        instalments(dosageInstruction=[{"text": "As directed.", "patientInstruction": WORDINGS[4]}]),
        {"controlled-dose-missing"},
    ),
    ("an ordinary one", PLAIN, set()),
    (
        "31 days",
        PLAIN | {"dispenseRequest": {**PLAIN["dispenseRequest"], "expectedSupplyDuration": {"value": 31, "code": "d"}}},
        {"controlled-long-supply"},
    ),
    (
        "29 days valid",
        PLAIN
        | {
            "dispenseRequest": {
                **PLAIN["dispenseRequest"],
                "validityPeriod": {"start": "2026-01-15", "end": "2026-02-13"},
            }
        },
        {"controlled-long-validity"},
    ),
    (
        "by substance alone",
        PLAIN | {"medicationCodeableConcept": {"text": "Methadone"}},
        {"controlled-preparation-missing"},
    ),
    (
        "without a form",
        PLAIN | {"medicationCodeableConcept": {"text": "Methadone 1mg"}},
        {"controlled-preparation-missing"},
    ),
    (
        "without a strength",
        PLAIN | {"medicationCodeableConcept": {"text": "Methadone oral solution"}},
        {"controlled-preparation-missing"},
    ),
    ("in words", PLAIN | {"medicationCodeableConcept": {"text": "Methadone 1mg/ml oral solution"}}, set()),
    ("nobody prescribes", PLAIN | {"requester": {"type": "Practitioner"}}, {"controlled-prescriber-missing"}),
    ("named in words", PLAIN | {"requester": {"display": "Dr Example"}}, set()),
    ("no date", PLAIN | {"authoredOn": None}, {"controlled-date-missing"}),
    (
        "to be repeated",
        PLAIN | {"dispenseRequest": {**PLAIN["dispenseRequest"], "numberOfRepeatsAllowed": 1}},
        {"controlled-repeats"},
    ),
    ("never repeated", PLAIN | {"dispenseRequest": {**PLAIN["dispenseRequest"], "numberOfRepeatsAllowed": 0}}, set()),
    ("three days of another medicine", THREE_DAYS, {"discharge-short-supply"}),
    (
        "three days on a form",
        THREE_DAYS | {"category": [*DISCHARGE, {"coding": [{"system": FORM, "code": "FP10"}]}]},
        set(),
    ),
    (
        "three days of substitute medication",
        PLAIN | {"dispenseRequest": {**PLAIN["dispenseRequest"], **FOR_THREE}},
        set(),
    ),
    ("seven days", THREE_DAYS | {"dispenseRequest": {"expectedSupplyDuration": {"value": 7, "code": "d"}}}, set()),
    ("no controlled drug", PLAIN | {"medicationCodeableConcept": {"text": "Thiamine"}, "dispenseRequest": {}}, set()),
    ("for custody", PLAIN | {"category": [], "dispenseRequest": {}, "dosageInstruction": []}, set()),
    ("stopped", instalments(status="stopped", dispenseRequest={}), set()),
]


@pytest.mark.parametrize(("name", "request_", "codes"), ADVICE, ids=[row[0] for row in ADVICE])
def test_what_a_prescriber_is_told(name: str, request_: Json, codes: set[str]) -> None:
    assert set(advice([request_])) == codes, name
    assert codes <= set(TASKS)


def test_every_advice_has_its_row() -> None:
    told = {code for _, _, codes in ADVICE for code in codes}
    ours = {code for code in TASKS if code.startswith(("instalments-", "controlled-"))}
    assert told == ours | {"discharge-short-supply"}


@pytest.mark.parametrize(
    "code",
    ["42385311000001106", "322591003", "462111000001108", "42128111000001101", "321196004"],
    ids=["methadone now", "methadone earlier", "by brand", "diazepam now", "diazepam earlier"],
)
def test_earlier_and_current_codes_are_the_same_medicine(code: str) -> None:
    coded = {"coding": [{"system": systems.SNOMED, "code": code}]}
    long = {**SUPPLY, "validityPeriod": {"start": "2026-01-15", "end": "2027-01-15"}}
    told = advice([instalments(medicationCodeableConcept=coded, dispenseRequest=long)])
    assert told == ("controlled-long-validity",)


@pytest.mark.parametrize("bad", [None, 7, "x", [], {}, [None], {"value": "x"}, True])
def test_advice_never_fails_on_data(bad: Any) -> None:
    for member in (
        "dispenseRequest",
        "category",
        "dosageInstruction",
        "note",
        "identifier",
        "medicationCodeableConcept",
        "requester",
        "authoredOn",
    ):
        advice([instalments(**{member: bad})])
        for inner in SUPPLY:
            advice([supply(**{inner: bad})])
            build(supply(**{inner: bad}))


def test_advice_stands_beside_the_message_and_holds_nothing() -> None:
    file, _ = case("prescription-copy")
    person = next(each for each in file if each["resourceType"] == "Patient")
    found = {}
    for name, request in (("good", instalments()), ("bad", supply(initialFill=None, quantity=None))):
        resources = [person, {**request, "requester": {"display": "Dr Example"}}]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
        found[name] = translate(Channel(name="ehr", format="fhir", client="ehr"), encode(bundle))
    assert found["good"].events == found["bad"].events
    assert Event.PRESCRIPTION in found["bad"].events
    assert found["bad"].hold is None
    told = {task.code for task in found["bad"].tasks} - {task.code for task in found["good"].tasks}
    assert told == {"instalments-incomplete", "controlled-quantity-missing"}


@pytest.mark.parametrize(
    ("form", "serial", "said"),
    [
        ("FP10", "7012345678", ["Form FP10, serial number 7012345678."]),
        ("fp10", None, ["Form FP10."]),
        (None, "7012345678", ["Serial number 7012345678."]),
        (None, None, []),
    ],
)
def test_an_ordinary_prescription_says_its_form_and_serial_number_where_they_are_known(
    form: str | None, serial: str | None, said: list[str]
) -> None:
    """By these a pharmacist finds the paper; nothing is said of what nobody recorded, and nothing of instalments."""
    request = instalments(
        category=[{"coding": [{"system": FORM, "code": form}]}] if form else [],
        identifier=[{"system": SERIAL, "value": serial}] if serial else [],
        dispenseRequest={"quantity": SUPPLY["quantity"]},
        note=[{"text": "Take with food"}],
    )
    assert instalments_of(request) is None
    copy = next(
        each["resource"] for each in copied(request)["entry"] if each["resource"]["resourceType"] == "MedicationRequest"
    )
    assert [note["text"] for note in copy["note"]] == [MARK, *said, "Take with food"]


def test_the_line_of_a_prescription_does_not_call_instalments_repeats() -> None:
    """A quantity of 560.5 ml with "repeats allowed 13" is fourteen times what was prescribed to whoever reads no further."""
    line = sentence(instalments(), {})
    assert "total quantity 560.5 ml; each instalment 40 ml; interval between instalments 1 day" in line
    assert "instalments after the first 13; to last 14 days" in line
    assert "repeats" not in line
    plain = instalments(
        category=[{"text": "community"}],
        dispenseRequest={"quantity": {"value": 28, "unit": "ml"}, "numberOfRepeatsAllowed": 2},
    )
    assert "quantity 28 ml; repeats allowed 2" in sentence(plain, {})
