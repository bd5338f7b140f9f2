"""RDE^O11: what is prescribed, how it stands, from when to when, and the pharmacy; exact, or as text."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from fhir_profiles import systems
from fhir_profiles.facts import prescription_for_supply
from fhir_profiles.shapes import Event, Json, Translation
from tests.fhir_profiles.mappings.golden_pairs import translate

PID = "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI"
METHADONE = "36120711000001104^Methadone 1mg/ml oral solution^SCT"


def prescribe(*lines: str, kind: str = "RDE^O11") -> Translation:
    header = f"MSH|^~\\&|EHR|LEI|||20260310||{kind}|M1|P|2.5.1"
    return translate("\r".join([header, PID, *lines]).encode())


def request(*lines: str) -> Json:
    resource: Json = prescribe(*lines).bundle["entry"][1]["resource"]
    return resource


def rxe(code: str = METHADONE, **fields: str) -> str:
    numbered = {2: code, **{int(name[1:]): value for name, value in fields.items()}}
    return "|".join(["RXE", *(numbered.get(number, "") for number in range(1, max(numbered) + 1))])


ORC = "ORC|NW|RX-1|||||||20260310115500"


@pytest.mark.parametrize(
    ("control", "order_status", "status"),
    [
        ("NW", "", "active"),
        ("RE", "", "active"),
        ("XO", "", "active"),
        ("CA", "", "cancelled"),
        ("DC", "", "stopped"),
        ("HD", "", "on-hold"),
        ("RL", "", "active"),
        ("SC", "CM", "completed"),
        ("SC", "DC", "stopped"),
        ("ZZ", "", "unknown"),
        *((control, "IP", "active") for control in ("NW", "XO")),
        *((control, "CM", "completed") for control in ("NW", "XX")),
        *((control, "CA", "cancelled") for control in ("RE", "OK", "HD")),
        *((control, "DC", "stopped") for control in ("NW", "PR")),
        ("XX", "RP", "stopped"),
        ("NW", "HD", "on-hold"),
        ("HD", "IP", "on-hold"),
        *((control, "IP", "stopped") for control in ("RU", "RQ", "DC")),
        ("CA", "CM", "cancelled"),
        *((control, said, "unknown") for control, said in (("RL", "HD"), ("RO", "RP"), ("RF", "CM"), ("NW", "ER"))),
    ],
)
def test_how_the_order_stands(control: str, order_status: str, status: str) -> None:
    translation = prescribe(f"ORC|{control}|RX-1|||{order_status}", rxe())
    assert translation.bundle["entry"][1]["resource"]["status"] == status
    assert translation.events == (Event.PRESCRIPTION,)
    assert bool(translation.tasks) == (status == "unknown")


def test_a_stop_supersedes_the_order_and_keeps_its_start() -> None:
    """The same id; it ends on the day of the stop; the day of the stop is not the day of prescribing."""
    started = request(ORC, rxe(), "TQ1|1||QD||||20260310|20260323")
    stopped = request("ORC|DC|RX-1|||||||20260318115500", rxe(f32="20260309"), "TQ1|1||QD||||20260310|20260323")
    assert stopped["id"] == started["id"]
    period = stopped["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]
    assert period == {"start": "2026-03-10", "end": "2026-03-18T11:55:00+00:00"}
    assert stopped["authoredOn"] == "2026-03-09"
    assert "authoredOn" not in request("ORC|DC|RX-1|||||||20260318115500", rxe())
    before = request("ORC|CA|RX-1|||||||20260301", rxe(), "TQ1|1||QD||||20260310|20260323")
    assert before["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] == {
        "start": "2026-03-10",
        "end": "2026-03-10",
    }


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        (METHADONE, ["36120711000001104"]),
        ("322496005^Buprenorphine 2mg^SCT", ["42009111000001108", "322496005"]),
        ("321196004^Diazepam 2mg tablets^DMD", ["42128111000001101", "321196004"]),
        ("231411000001101^Subutex 2mg^dm+d", ["42009111000001108", "231411000001101"]),
        ("^Methadone 1mg/ml oral solution", ["36120711000001104"]),
        ("L1^METHADONE 1MG/ML ORAL SOLUTION^L", ["36120711000001104", "L1"]),
        ("36120711000001104", ["36120711000001104"]),
        ("L2^Paracetamol^L", ["L2"]),
        ("^Something new", []),
    ],
)
def test_old_and_new_codes(written: str, codes: list[str]) -> None:
    """The current dm+d code first, what was sent kept beside it; what the formulary does not know is carried as sent."""
    concept = request(ORC, rxe(written))["medicationCodeableConcept"]
    assert [each["code"] for each in concept.get("coding", [])] == codes
    assert concept["text"]


def test_doses_are_exact_or_text() -> None:
    def dose(**fields: str) -> Json | None:
        instruction: Json = request(ORC, rxe(f7="^as told", **fields))["dosageInstruction"][0]
        assert instruction["text"].startswith("as told")
        rates = instruction.get("doseAndRate")
        return rates[0] if rates else None

    mg = {"unit": "mg", "system": systems.UCUM, "code": "mg"}
    assert dose(f3="0.50", f5="mg") == {"doseQuantity": {"value": Decimal("0.50"), **mg}}
    assert dose(f3="2", f4="4", f5="mg") == {"doseRange": {"low": {"value": 2, **mg}, "high": {"value": 4, **mg}}}
    assert dose(f3="40", f5="drops^drops^L") == {"doseQuantity": {"value": 40, "unit": "drops"}}
    assert dose(f3="4", f4="2", f5="mg") == {"doseQuantity": {"value": 4, **mg}}
    assert dose(f3="as needed", f5="mg") is None
    assert [issue.path for issue in prescribe(ORC, rxe(f3="lots")).issues] == ["RXE-3"]


@pytest.mark.parametrize(
    ("pattern", "repeat", "as_needed"),
    [
        ("QD", {"frequency": 1, "period": 1, "periodUnit": "d"}, None),
        ("BD", {"frequency": 2, "period": 1, "periodUnit": "d"}, None),
        ("Q6H", {"frequency": 1, "period": 6, "periodUnit": "h"}, None),
        ("Q2D", {"frequency": 1, "period": 2, "periodUnit": "d"}, None),
        ("nocte", {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["NIGHT"]}, None),
        ("PRN", None, True),
        ("FRIDAYS", None, None),
    ],
)
def test_timing(pattern: str, repeat: Json | None, as_needed: bool | None) -> None:
    """A pattern that the list does not know is kept as text."""
    dosage = request(ORC, rxe(f7="^x"), f"TQ1|1||{pattern}")["dosageInstruction"][0]
    assert dosage.get("timing", {}).get("repeat") == repeat
    assert dosage.get("asNeededBoolean") == as_needed
    assert (dosage.get("timing", {}).get("code") == {"text": pattern}) == (repeat is None and not as_needed)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Once daily, supervised", "supervised"),
        ("SUPERVISED CONSUMPTION", "supervised"),
        ("unsupervised", "unsupervised"),
        ("not supervised", "unsupervised"),
        ("weekdays supervised, weekend unsupervised", None),
        ("once daily", None),
    ],
)
def test_supervision_only_where_it_is_stated(text: str, word: str | None) -> None:
    found = request(ORC, rxe(f7=f"^{text}"))["dosageInstruction"][0].get("additionalInstruction", [])
    assert [each["coding"][0]["code"] for each in found] == ([word] if word else [])


@pytest.mark.parametrize(
    ("written", "category", "supply"), [("I", "inpatient", False), ("O", "outpatient", True), ("", None, True)]
)
def test_category(written: str, category: str | None, supply: bool) -> None:
    """ORC-29 I is given in custody: no pharmacy gets a copy of it."""
    found = request(f"{ORC}{'|' * 20}{written}", rxe())
    assert [each["coding"][0]["code"] for each in found.get("category", [])] == ([category] if category else [])
    assert prescription_for_supply(found) is supply


def test_supply() -> None:
    found = request(ORC, rxe(f10="140.0", f11="ml", f12="2", f40="FX001^Example Pharmacy^ODS"))["dispenseRequest"]
    assert found["quantity"]["code"] == "258773002"
    assert str(found["quantity"]["value"]) == "140.0"
    assert found["numberOfRepeatsAllowed"] == 2
    assert found["performer"]["identifier"] == {"system": systems.ODS, "value": "FX001"}
    local = request(ORC, rxe(f40="7^Corner^LOCAL"))["dispenseRequest"]["performer"]["identifier"]
    assert local == {"system": systems.LOCAL_ID + "local", "value": "7"}


def test_several_orders_and_old_messages() -> None:
    """Each ORC is a MedicationRequest; TQ before the RXE counts only without one after it."""
    translation = prescribe(ORC, "TQ1|1||BD", rxe(), "ORC|NW|RX-2", "TQ1|1||BD", rxe(), "TQ1|1||QD", "TQ1|2||QHS")
    first, second = (entry["resource"] for entry in translation.bundle["entry"][1:])
    assert first["dosageInstruction"][0]["timing"]["repeat"]["frequency"] == 2
    daily, night = (each["timing"]["repeat"] for each in second["dosageInstruction"])
    assert "when" not in daily
    assert night["when"] == ["HS"]
    old = prescribe(ORC, rxe(f1="^BD^D7^20260310"), kind="RDE^O01").bundle["entry"][1]["resource"]
    assert old["dosageInstruction"][0]["timing"]["repeat"] == {
        "boundsPeriod": {"start": "2026-03-10"},
        "frequency": 2,
        "period": 1,
        "periodUnit": "d",
    }


def test_an_end_before_the_start_is_left_out() -> None:
    translation = prescribe(ORC, rxe(), "TQ1|1||QD||||20260310|20260301")
    period = translation.bundle["entry"][1]["resource"]["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]
    assert period == {"start": "2026-03-10"}
    assert [issue.path for issue in translation.issues] == ["TQ1-8"]


@pytest.mark.parametrize("amount", ["40 mg", "1,000", "1e2", "forty", "-5"])
def test_a_dose_that_is_no_amount_is_carried_as_written(amount: str) -> None:
    """It becomes no figure, and it is not lost: the dosage text has it."""
    translation = prescribe(ORC, rxe(f3=amount, f5="mg^milligram", f7="^Once daily, supervised"))
    (dosage,) = translation.bundle["entry"][1]["resource"]["dosageInstruction"]
    assert dosage["text"] == f"Once daily, supervised; dose as written: {amount} milligram"
    assert "doseAndRate" not in dosage
    assert [issue.path for issue in translation.issues] == ["RXE-3"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ((rxe(f3="5", f5="mL", f6="OS^Oral solution", f25="1", f26="mg/mL"),), "form as written: Oral solution; strength as written: 1 mg/mL"),
        ((rxe(f23="2.5", f24="mL/h"),), "rate as written: 2.5 mL/h"),
        ((rxe(f25="", f26="mg/mL"),), None),
        ((rxe(f25="strong", f26="mg/mL"), "TQ1|1||QD|at noon"), None),
        ((rxe(f3="5", f5="mL"), "RXC|A|^Methadone powder|50|mg^milligram|1|mg/mL"),
         "additive as written: Methadone powder, amount as written: 50 milligram, strength as written: 1 mg/mL"),
        ((rxe(f3=""), "TQ1|1|2&x^tablet&y|QD"), "quantity as written: 2 tablet"),
        ((rxe(f3="5", f5="mL"), "TQ1|1|2^tablet|QD"), "quantity as written: 2 tablet"),
        ((rxe(f3="5", f5="mL"), "TQ1|1|1|QD"), None),
        ((rxe(f3="5", f5="mL"), "TQ1|1||QD|0800~2000||17^hours||||||||3"),
         "times as written: 0800, 2000; duration as written: 17 hours; number of times as written: 3"),
        ((rxe(f1="2&tablet^QD", f3=""),), "quantity as written: 2 tablet"),
    ],
)  # fmt: skip
def test_what_no_element_holds_is_in_the_words(lines: tuple[str, ...], text: str | None) -> None:
    """A strength, a form, a component or an hour that is lost can change the dose: it stands in the text as the sender wrote it."""
    (dosage,) = request(ORC, *lines).get("dosageInstruction", [{}])
    assert dosage.get("text") == text


@pytest.mark.parametrize("parts", [("10.75", "75.25"), ("1", "4"), ("4", "1")])
@pytest.mark.parametrize("old", [False, True])
def test_the_parts_of_a_dose_without_a_unit_say_so(parts: tuple[str, str], old: bool) -> None:
    """Found by generated records: the words of a split dose had "10.75" of nobody says what, and the 1 of 1 and 4 was lost."""
    morning, night = parts
    timings = () if old else (f"TQ1|1|{morning}|QAM", f"TQ1|2|{night}|QHS")
    order = rxe(f1=f"{morning}^QAM~{night}^QHS", f3="86") if old else rxe(f3="86")
    texts = [each["text"] for each in request(ORC, order, *timings)["dosageInstruction"]]
    whole = "dose as written: 86 (unit not recorded)"
    assert texts == [f"{whole}; quantity as written: {part} (unit not recorded)" for part in parts]


SPLIT = (
    ("TQ1|1|20^ml|QAM", "TQ1|2|40^ml|QHS"),
    ("TQ1|1|20|QAM", "TQ1|2|40^ml|QHS"),
    ("TQ1|1|20^mL|QAM", "TQ1|2||QHS"),
)


@pytest.mark.parametrize("timings", SPLIT)
@pytest.mark.parametrize("maximum", ["", "80"])
def test_a_timing_that_says_another_quantity_than_the_order_leaves_no_figure(
    timings: tuple[str, str], maximum: str
) -> None:
    """60 ml in two parts is not 60 ml twice a day: the words have the dose of the order and the quantity of each timing."""
    translation = prescribe(ORC, *timings, rxe(f3="60", f4=maximum, f5="ml^ml"))
    morning, night = translation.bundle["entry"][1]["resource"]["dosageInstruction"]
    assert "doseAndRate" not in morning
    assert "doseAndRate" not in night
    assert "dose as written: 60 ml" in morning["text"]
    assert "quantity as written: 20" in morning["text"]
    assert "dose as written: 60 ml" in night["text"]
    assert ("quantity as written: 40 ml" in night["text"]) == ("|40" in timings[1])
    assert ("maximum dose as written: 80 ml" in night["text"]) == bool(maximum)
    assert [issue.path for issue in translation.issues] == ["RXE-3"]


@pytest.mark.parametrize("quantity", ["", "1", "40^ml", "40"])
def test_a_timing_that_says_no_other_quantity_leaves_the_figure(quantity: str) -> None:
    (dosage,) = request(ORC, rxe(f3="40", f5="ml"), f"TQ1|1|{quantity}|QD")["dosageInstruction"]
    assert dosage["doseAndRate"][0]["doseQuantity"]["value"] == 40


@pytest.mark.parametrize(
    "field", ["RXE|20&ml^QAM^^20260310~40&ml^QHS^^20260310", "RXE|1^QAM^^20260310~1^QHS^^20260310"]
)
def test_each_repetition_of_an_old_timing_is_a_dosage(field: str) -> None:
    """What stands after the first is the rest of the dose."""
    old = prescribe(ORC, f"{field}|{METHADONE}", kind="RDE^O01").bundle["entry"][1]["resource"]
    morning, night = old["dosageInstruction"]
    assert morning["timing"]["repeat"]["when"] == ["MORN"]
    assert night["timing"]["repeat"]["when"] == ["HS"]
    assert ("40 ml" in night["text"]) == ("40" in field)


@pytest.mark.parametrize("written", ["", "1"])
def test_a_timing_that_stands_in_the_orc_alone_is_not_lost(written: str) -> None:
    """A dose without how often and until when is another dose."""
    lines = ("ORC|NW|RX-1|||||^BID^^20260310^20260323", rxe(f1=written, f3="20", f5="ml"))
    old = prescribe(*lines, kind="RDE^O01").bundle["entry"][1]["resource"]
    (dosage,) = old["dosageInstruction"]
    bounds = {"boundsPeriod": {"start": "2026-03-10", "end": "2026-03-23"}}
    assert dosage["timing"]["repeat"] == {**bounds, "frequency": 2, "period": 1, "periodUnit": "d"}
    other = prescribe(lines[0], rxe(f1="^QD", f3="20", f5="ml"), kind="RDE^O01").bundle["entry"][1]["resource"]
    assert other["dosageInstruction"][0]["timing"]["repeat"] == {"frequency": 1, "period": 1, "periodUnit": "d"}


@pytest.mark.parametrize("timing", ["TQ1|1||QAM~QHS", "TQ1|1||FRIDAYS~QAM", "TQ1|1||QAM~FRIDAYS"])
def test_of_two_patterns_neither_is_the_timing(timing: str) -> None:
    """A reader of the structure alone would give one of two doses."""
    (dosage,) = request(ORC, rxe(f3="30", f5="ml"), timing)["dosageInstruction"]
    assert dosage["timing"] == {"code": {"text": timing.rpartition("|")[2].replace("~", "; ")}}


@pytest.mark.parametrize(
    ("joints", "numbers"),
    [(("S", "S"), [1, 2, 3]), (("A", "A"), [1, 1, 1]), (("S", "A"), [1, 2, 2]), (("", ""), None), (("S", ""), None)],
)
def test_dosages_follow_one_another_only_where_the_message_says_so(
    joints: tuple[str, str], numbers: list[int] | None
) -> None:
    """FHIR reads different sequence numbers as one after another, equal ones as beside each other."""
    timings = [f"TQ1|{at}||QD{'|' * 9}{joint}" for at, joint in enumerate((*joints, ""), 1)]
    found = request(ORC, rxe(f3="30", f5="ml"), *timings)["dosageInstruction"]
    wanted: Sequence[int | None] = numbers or [None] * 3
    assert [each.get("sequence") for each in found] == wanted


def test_a_maximum_that_is_no_amount_is_carried_as_written() -> None:
    """A range that cannot be read does not become a fixed dose in silence."""
    (dosage,) = request(ORC, rxe(f3="40", f4="up to 60", f5="mg"))["dosageInstruction"]
    assert dosage["text"] == "maximum dose as written: up to 60 mg"
    assert dosage["doseAndRate"][0]["doseQuantity"]["value"] == 40


def test_the_instruction_of_the_timing_is_not_lost_beside_that_of_the_order() -> None:
    """Both are the prescriber's words; the same words twice are said once."""
    (dosage,) = request(ORC, rxe(f7="^One a day"), "TQ1|1||QD||||20260310||||With food")["dosageInstruction"]
    assert dosage["text"] == "One a day; With food"
    (dosage,) = request(ORC, rxe(f7="^One a day"), "TQ1|1||QD||||20260310||||One a day")["dosageInstruction"]
    assert dosage["text"] == "One a day"


@pytest.mark.parametrize(
    ("timing", "text", "bounds"),
    [
        ("TQ1|1||QD|||7^D|20260310", "for 7 days", "boundsPeriod"),
        ("TQ1|1||QD|||1^WK|20260310", "for 1 week", "boundsPeriod"),
        ("TQ1|1||QD|||7^D", None, "boundsDuration"),
        ("TQ1|1||QD|||7^D|20260310|20260316", None, "boundsPeriod"),
        ("TQ1|1||QD|||soon|20260310", None, "boundsPeriod"),
    ],
)
def test_how_long_is_said_in_words_where_a_start_leaves_it_no_element(
    timing: str, text: str | None, bounds: str
) -> None:
    """A Timing has a period or a duration. A course of a week must not look as if it had no end, and no end is computed."""
    (dosage,) = request(ORC, rxe(), timing)["dosageInstruction"]
    assert dosage.get("text") == text
    assert bounds in dosage["timing"]["repeat"]
    assert "end" not in dosage["timing"]["repeat"].get("boundsPeriod", {}) or text is None
