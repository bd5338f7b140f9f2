"""Generated records as plain values, and the messages of both standards that tell them. What a letter says is compared with the values, not with FHIR.

It MUST NOT use anything of ours that reads or writes a message.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from fhir_profiles import systems
from fhir_profiles.shapes import Json
from tests.builders import nhs_number

FAMILIES = [
    "Aldous",
    "Birkett",
    "Corrie",
    "Dunmore",
    "Eastley",
    "Farrow",
    "Garside",
    "Hallam",
    "Ibbotson",
    "Jessop",
    "Kellett",
    "Lumsden",
]
GIVENS = ["Alex", "Bailey", "Casey", "Drew", "Elliot", "Frankie", "Harper", "Jamie", "Kit", "Lee"]
DEPOT = "Buprenorphine 96mg/0.27ml prolonged-release solution for injection pre-filled syringes"
PRODUCTS = (
    ("36120711000001104", "Methadone 1mg/ml oral solution", "ml"),
    ("42009111000001108", "Buprenorphine 2mg sublingual tablets sugar free", "mg"),
    ("42135711000001109", "Pregabalin 75mg capsules", "capsule"),
    ("41989511000001108", "Thiamine 100mg tablets", "tablet"),
    ("36752511000001100", DEPOT, "mg"),
)
SUBSTITUTES = frozenset((*(name for _, name, _ in PRODUCTS[:2]), DEPOT))
ASSAYS = (
    ("19295-5", "Opiates [Presence] in Urine by Screen method"),
    ("19550-3", "Methadone [Presence] in Urine by Screen method"),
)
HOW_OFTEN = {"QD": "once daily", "BID": "twice daily"}
ALLERGENS = ("Penicillin", "Latex", "Peanut", "Codeine")
REACTIONS = ("Rash", "Anaphylaxis", "Wheeze", "")
SEVERITIES = {"SV": "severe", "MO": "moderate", "MI": "mild", "": ""}
DIAGNOSES = ("Opioid dependence", "Asthma", "Epilepsy", "Depressive episode")
CERTAINTIES = {"W": "provisional", "F": "confirmed", "": ""}
RELATIONS = {"MTH": "Mother", "SPO": "Spouse", "SIB": "Sibling"}
SUPERVISION: Mapping[str, bool | None] = {
    "Supervised consumption": True,
    "not supervised": False,
    "supervised: no": False,
    "Non-supervised": False,
    "supervised until last week": None,
    "with water": None,
}
"""What a clinic writes of a dose, and whether it says that it was swallowed under watch."""
RESULTS: Mapping[str, str] = {
    "POSITIVE": "positive",
    "NEGATIVE": "negative",
    "Refused": "unknown",
    "Sample insufficient": "unknown",
}
WHY_NOT = ("Refused", "Intoxicated, withheld", "At court")
REMARKS: Mapping[str, bool] = {
    "": False,
    "Vomited ten minutes after": True,
    "Dose not retained": True,
    "Settled, no vomiting": False,
    "Took it with water": False,
}
"""What is remarked of a dose, and whether it says that the dose was not kept down."""
SCORES = ("443280005", "Alcohol use disorders identification test score")
CELLS = ("B2-014", "A1-002", "H1-007")


@dataclass(frozen=True, kw_only=True)
class Somebody:
    family: str
    given: str
    number: str
    born: str = ""


@dataclass(frozen=True, kw_only=True)
class Order:
    """`parts`: how much of the amount is taken when, where it is split; empty where all of it is taken at each time."""

    number: str
    code: str
    medicine: str
    amount: str
    unit: str
    supply: str
    often: str
    start: str
    end: str
    text: str
    prescriber: Somebody
    parts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Given:
    """A dose at an instant; a day may have two. `amount`: empty where nobody wrote it down. `supervision` in the words of a clinic, one of SUPERVISION.

    `why` one that was not given was not; `remark`: one of REMARKS.
    """

    order: Order
    at: str
    amount: str
    supervision: str
    done: bool
    why: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """`said`: what the laboratory wrote, one of RESULTS. What was not found out is neither positive nor negative."""

    code: str
    name: str
    at: str
    said: str


@dataclass(frozen=True, kw_only=True)
class Issued:
    """What was issued of an order. `how` it stands: issued, stopped (nobody says whether anything was handed over), or cancelled (nothing was)."""

    order: Order
    number: str
    at: str
    amount: str
    how: str


@dataclass(frozen=True, kw_only=True)
class Allergy:
    to: str
    reaction: str
    severity: str
    since: str


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    name: str
    certainty: str
    since: str


@dataclass(frozen=True, kw_only=True)
class Kin:
    who: Somebody
    relation: str
    telephone: str


@dataclass(frozen=True, kw_only=True)
class Stay:
    """A stay that began in one cell, went on in another, and ended with a release. `before`: by which family name the person was received."""

    number: str
    began: str
    ended: str
    cells: tuple[str, str]
    before: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """One person's record. Days are `2026-01-09`, instants `2026-01-09T08:05`, in winter, amounts as they are written.

    `rescue`: naloxone that was given against an overdose, and is no kit to take home.
    """

    person: Somebody
    orders: Sequence[Order]
    given: Sequence[Given]
    results: Sequence[Result]
    score: str
    rescue: Given | None
    issued: Sequence[Issued]
    allergies: Sequence[Allergy]
    diagnoses: Sequence[Diagnosis]
    kin: Sequence[Kin]
    stay: Stay


def _amount(random: Random) -> str:
    return (
        random.choice(("5", "7.5", "12.50", "0.40", "20", "40", "40.00", "100", "2", "16"))
        if random.random() < 0.5
        else str(random.randint(1, 180))
    )


def _parts(random: Random, amount: str) -> Sequence[tuple[str, str]]:
    """A dose of the morning and one of the night that are the amount together, and neither half of it."""
    least = Decimal(amount) / random.choice((4, 5, 8))
    return (("QAM", str(least)), ("QHS", str(Decimal(amount) - least)))


def _somebody(random: Random, families: list[str], number: str, born: str = "") -> Somebody:
    return Somebody(family=families.pop(), given=random.choice(GIVENS), number=number, born=born)


def told_record(seed: int) -> Told:
    """A record of a seed: no two of its people have one family name."""
    random = Random(seed)
    families = random.sample(FAMILIES, len(FAMILIES))
    born = f"{random.randint(1950, 2004)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    person = _somebody(random, families, nhs_number(seed), born)
    orders = []
    for at, (code, medicine, unit) in enumerate(random.sample(PRODUCTS, random.randint(1, len(PRODUCTS)))):
        amount, often = _amount(random), random.choice(list(HOW_OFTEN))
        orders.append(
            Order(
                number=f"RX-{seed}-{at}",
                code=code,
                medicine=medicine,
                amount=amount,
                unit=unit if random.random() < 0.85 else "",
                supply=str(random.randint(7, 560)),
                often=often,
                start=f"2026-01-{random.randint(1, 14):02}",
                end=f"2026-02-{random.randint(1, 28):02}",
                text=f"{amount} {HOW_OFTEN[often]}, {random.choice(('supervised', 'as it was before', 'with water'))}",
                prescriber=_somebody(random, families, f"C{random.randint(1_000_000, 9_999_999)}"),
                parts=_parts(random, amount) if often == "BID" and random.random() < 0.5 else (),
            )
        )
    given = [
        Given(
            order=order,
            at=f"2026-01-{day:02}T{random.randint(7, 20):02}:{random.randint(0, 59):02}",
            amount=random.choice((*[order.amount] * 7, *[_amount(random)] * 2, "")),
            supervision=random.choice(list(SUPERVISION)),
            done=random.random() < 0.7,
            why=random.choice(WHY_NOT),
            remark=random.choice(list(REMARKS)),
        )
        for order in orders
        for day in random.sample(range(1, 15), random.randint(1, 3))
        for _ in range(random.choice((1, 1, 2)))
    ]
    given = list(
        {(each.order.number, each.at): each for each in given}.values()
    )  # of one minute it is one dose, told again
    results = [
        Result(
            code=code,
            name=name,
            at=f"2026-01-{random.randint(1, 14):02}T09:{at:02}",
            said=random.choice(list(RESULTS)),
        )
        for at, (code, name) in enumerate(random.sample(ASSAYS, random.randint(0, 2)))
    ]
    return Told(
        person=person,
        orders=orders,
        given=given,
        results=results,
        score=str(random.randint(0, 40)) if random.random() < 0.5 else "",
        rescue=_rescue(random, seed) if random.random() < 0.5 else None,
        issued=_issued(random, orders),
        allergies=[
            Allergy(
                to=to, reaction=random.choice(REACTIONS), severity=random.choice(list(SEVERITIES)), since=_day(random)
            )
            for to in random.sample(ALLERGENS, random.randint(0, 2))
        ],
        diagnoses=[
            Diagnosis(name=name, certainty=random.choice(list(CERTAINTIES)), since=_day(random))
            for name in random.sample(DIAGNOSES, random.randint(0, 2))
        ],
        kin=[
            Kin(
                who=_somebody(random, families, ""),
                relation=random.choice(list(RELATIONS)),
                telephone=f"0113496{random.randint(0, 9999):04}",
            )
            for _ in range(random.randint(0, 2))
        ],
        stay=Stay(
            number=f"V-{seed}",
            began=f"2025-12-{random.randint(1, 28):02}T{random.randint(7, 20):02}:{random.randint(0, 59):02}",
            ended=f"2026-01-15T{random.randint(7, 11):02}:{random.randint(0, 59):02}",
            cells=(random.choice(CELLS), random.choice(CELLS)),
            before=families.pop(),
        ),
    )


def _rescue(random: Random, seed: int) -> Given:
    nobody = Somebody(family="", given="", number="")
    order = Order(
        number=f"RESCUE-{seed}",
        code="35750411000001102",
        medicine="Naloxone 1.8mg/0.1ml nasal spray unit dose",
        amount="1.8",
        unit="mg",
        supply="",
        often="QD",
        start="",
        end="",
        text="",
        prescriber=nobody,
    )
    at = f"2026-01-{random.randint(1, 14):02}T{random.randint(0, 6):02}:{random.randint(0, 59):02}"
    return Given(order=order, at=at, amount="1.8", supervision="with water", done=True, why="")


def _every_dose(told: Told) -> list[Given]:
    return [*told.given, *([told.rescue] if told.rescue is not None else [])]


def _day(random: Random) -> str:
    return f"2025-{random.randint(1, 12):02}-{random.randint(1, 28):02}"


def _issued(random: Random, orders: Sequence[Order]) -> list[Issued]:
    """Up to three issues of an order, each on a day of its own; two orders may be issued in the same minute."""
    return [
        Issued(
            order=order,
            number=str(at),
            at=f"2026-01-{day:02}T{random.randint(7, 20):02}:{random.randint(0, 59):02}",
            amount=_amount(random),
            how="issued" if random.random() < 0.7 else random.choice(("stopped", "cancelled")),
        )
        for order in orders
        for at, day in enumerate(random.sample(range(1, 15), random.randint(0, 3)), 1)
    ]


def _digits(moment: str) -> str:
    return "".join(each for each in moment if each.isdigit())


def _segment(name: str, fields: Mapping[int, str]) -> str:
    return "|".join((name, *(fields.get(at, "") for at in range(1, max(fields) + 1))))


def _v2(
    kind: str,
    number: str,
    person: Somebody,
    *segments: str,
    stay: str = "PV1|1|I|B2-014^^^LEI",
    event: str = "",
    kin: Sequence[str] = (),
) -> bytes:
    trigger, structure = kind.replace("^", "_"), kind
    head = f"MSH|^~\\&|PRISON-EHR|LEI|THROUGHGATE|HUB|20260115110000||{structure}^{trigger}|{number}|P|2.5.1"
    pid = (
        f"PID|1||{person.number}^^^NHS^NH~Z0001AA^^^NOMIS^PI||{person.family}^{person.given}||{_digits(person.born)}|M"
    )
    return "\r".join((head, *((event,) if event else ()), pid, *kin, stay, *segments, "")).encode()


def _adt(
    event: str, at: str, told: Told, person: Somebody, *segments: str, stay: Mapping[int, str], kin: Sequence[str] = ()
) -> bytes:
    visit = _segment("PV1", {1: "1", 2: "I", 19: f"{told.stay.number}^^^LEI", **stay})
    said = f"EVN|{event}|20260115110000||||{_digits(at)}"
    return _v2(f"ADT^{event}", f"ADT-{event}", person, *segments, stay=visit, event=said, kin=kin)


def _kin(at: int, kin: Kin) -> str:
    relation = f"{kin.relation}^{RELATIONS[kin.relation]}^HL70063"
    return _segment("NK1", {1: str(at), 2: f"{kin.who.family}^{kin.who.given}", 3: relation, 5: kin.telephone, 7: "N"})


def _allergies(told: Told) -> list[str]:
    return [
        _segment(
            "AL1", {1: str(at), 2: "DA", 3: f"^{each.to}", 4: each.severity, 5: each.reaction, 6: _digits(each.since)}
        )
        for at, each in enumerate(told.allergies, 1)
    ]


def stay_as_hl7v2(told: Told) -> list[bytes]:
    """ADT: received by another family name, moved, updated with who the person is, their kin, allergies and diagnoses, and released."""
    stay, person = told.stay, told.person
    received = Somebody(family=stay.before, given=person.given, number=person.number, born=person.born)
    began, ended = _digits(stay.began), _digits(stay.ended)
    first, second = (f"{cell}^^^LEI" for cell in stay.cells)
    diagnoses = [
        _segment("DG1", {1: str(at), 3: f"^{each.name}", 5: _digits(each.since), 6: each.certainty})
        for at, each in enumerate(told.diagnoses, 1)
    ]
    return [
        _adt("A01", stay.began, told, received, *_allergies(told), stay={3: first, 44: began}),
        _adt("A02", "2026-01-05T10:00", told, received, stay={3: second, 6: first, 44: began}),
        _adt("A08", "2026-01-06T10:00", told, person, stay={3: second, 44: began}),
        _adt(
            "A31",
            "2026-01-07T10:00",
            told,
            person,
            *_allergies(told),
            *diagnoses,
            stay={3: second, 44: began},
            kin=[_kin(at, each) for at, each in enumerate(told.kin, 1)],
        ),
        _adt("A03", stay.ended, told, person, stay={3: second, 36: "CR", 44: began, 45: ended}),
    ]


_CONTROLS = {"issued": "RE", "stopped": "DC", "cancelled": "OC"}


def _issued_as_hl7v2(told: Told) -> list[bytes]:
    """One RDS^O13 an issue; what was ordered stands in it too, with other amounts than what was issued."""
    messages = []
    for at, each in enumerate(told.issued):
        order = each.order
        rxe = {
            2: f"{order.code}^{order.medicine}^SCT",
            3: order.amount,
            5: order.unit,
            10: order.supply,
            11: order.unit,
        }
        rxd = {
            1: each.number,
            2: f"{order.code}^{order.medicine}^SCT",
            3: _digits(each.at),
            4: each.amount,
            5: _unit(order),
            7: f"D{at}",
        }
        orc = f"ORC|{_CONTROLS[each.how]}|{order.number}^EHR|F{at}^PHARM"
        messages.append(_v2("RDS^O13", f"RDS-{at}", told.person, orc, _segment("RXE", rxe), _segment("RXD", rxd)))
    return messages


def _unit(order: Order) -> str:
    return f"{order.unit}^{order.unit}" if order.unit else ""


def _unknown(at: int) -> str:
    """An amount that nobody knows: nothing, or HL7's own word for it."""
    return ("", "999")[at % 2]


def as_hl7v2(told: Told) -> list[bytes]:
    """One RDE^O11 an order, one RDS^O13 an issue, one RAS^O17 a dose, one ORU^R01 for all results, and the stay as ADT."""
    messages = []
    for at, order in enumerate(told.orders):
        who = order.prescriber
        orc = {
            1: "NW",
            2: f"{order.number}^EHR",
            9: "20260110115500",
            12: f"{who.number}^{who.family}^{who.given}^^^Dr^^^GMC",
            29: "O^Outpatient",
        }
        rxe = {
            2: f"{order.code}^{order.medicine}^SCT",
            3: order.amount,
            5: _unit(order),
            7: f"^{order.text}",
            10: order.supply,
            11: _unit(order),
        }
        bounds = {7: _digits(order.start), 8: _digits(order.end)}
        timings = [{1: "1", 3: order.often}]
        if order.parts:
            unit = f"{order.unit}&{order.unit}" if order.unit else ""
            timings = [
                {1: str(n), 2: f"{part}^{unit}".rstrip("^"), 3: when, 12: "A" if n == 1 else ""}
                for n, (when, part) in enumerate(order.parts, 1)
            ]
        messages.append(
            _v2(
                "RDE^O11",
                f"RDE-{at}",
                told.person,
                _segment("ORC", orc),
                _segment("RXE", rxe),
                *(_segment("TQ1", timing | bounds) for timing in timings),
                "RXR|PO^Oral",
            )
        )
    for at, dose in enumerate(_every_dose(told)):
        order = dose.order
        rxa = {
            1: "0",
            2: "1",
            3: _digits(dose.at),
            4: _digits(dose.at),
            5: f"{order.code}^{order.medicine}^SCT",
            6: dose.amount or _unknown(at),
            7: order.unit if dose.amount else "",
        }
        rxa |= {
            9: f"^{dose.supervision}",
            10: "N77^Nightly^Nurse",
            18: "" if dose.done else f"^{dose.why}",
            20: "CP" if dose.done else "RE",
            21: "A",
        }
        rxe = {2: f"{order.code}^{order.medicine}^SCT", 3: order.amount, 5: order.unit}
        messages.append(
            _v2(
                "RAS^O17",
                f"RAS-{at}",
                told.person,
                f"ORC|RE|{order.number}^EHR",
                _segment("RXE", rxe),
                "RXR|PO^Oral",
                _segment("RXA", rxa),
                "RXR|PO^Oral",
                *([f"NTE|1||{dose.remark}"] if dose.remark else []),
            )
        )
    if told.results:
        obr = {
            1: "1",
            2: "L-1",
            3: "F-1",
            4: "69739-1^Drugs of abuse panel - Urine by Screen method^LN",
            7: "20260114073000",
            25: "F",
            31: "therapeutic",
        }
        found = [
            _segment(
                "OBX",
                {
                    1: str(at),
                    2: "ST",
                    3: f"{each.code}^{each.name}^LN",
                    5: each.said,
                    8: "" if RESULTS[each.said] == "positive" else "ND",
                    11: "F",
                    14: _digits(each.at),
                },
            )
            for at, each in enumerate(told.results, 1)
        ]
        messages.append(_v2("ORU^R01", "ORU-1", told.person, _segment("OBR", obr), *found))
    if told.score:
        code = "^".join((*SCORES, "SCT"))
        obx = {1: "1", 2: "NM", 3: code, 5: told.score, 11: "F", 14: "20260112"}
        obr = {1: "1", 2: "L-2", 3: "F-2", 4: code, 7: "20260112", 25: "F"}
        messages.append(_v2("ORU^R01", "ORU-2", told.person, _segment("OBR", obr), _segment("OBX", obx)))
    return [*messages, *_issued_as_hl7v2(told), *stay_as_hl7v2(told)]


SENDER = "https://prison.example/fhir"
ABOUT = {"reference": "Patient/p1"}


def _concept(order: Order) -> Json:
    return {
        "coding": [{"system": systems.SNOMED, "code": order.code, "display": order.medicine}],
        "text": order.medicine,
    }


def _quantity(amount: str, unit: str) -> Json:
    return {"value": f"@{amount}@"} | ({"unit": unit} if unit else {})


def measured(amount: str, unit: str) -> str:
    """An amount as a reader has to find it: what has no unit says so."""
    return f"{amount} {unit}" if unit else f"{amount} (unit not recorded)"


def _ordered(at: int, order: Order) -> tuple[Json, Json]:
    repeat = {"frequency": 1 if order.often == "QD" else 2, "period": 1, "periodUnit": "d"}
    bounds = {"boundsPeriod": {"start": order.start, "end": order.end}}
    dosage = {"text": order.text, "timing": {"repeat": {**repeat, **bounds}}}
    dosages: list[Json] = [{**dosage, "doseAndRate": [{"doseQuantity": _quantity(order.amount, order.unit)}]}]
    if order.parts:
        once = {"frequency": 1, "period": 1, "periodUnit": "d"}
        dosages = [
            {
                "sequence": 1,
                "text": order.text,
                "timing": {"repeat": {**once, **bounds, "when": ["MORN" if when == "QAM" else "HS"]}},
                "doseAndRate": [{"doseQuantity": _quantity(part, order.unit)}],
            }
            for when, part in order.parts
        ]
    who = {
        "resourceType": "Practitioner",
        "id": f"w{at}",
        "identifier": [{"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": order.prescriber.number}],
        "name": [{"family": order.prescriber.family, "given": [order.prescriber.given], "prefix": ["Dr"]}],
    }
    request = {
        "resourceType": "MedicationRequest",
        "id": f"o{at}",
        "identifier": [{"system": "https://prison.example/order", "value": order.number}],
        "status": "active",
        "intent": "order",
        "subject": ABOUT,
        "medicationCodeableConcept": _concept(order),
        "authoredOn": "2026-01-10",
        "requester": {"reference": f"Practitioner/w{at}"},
        "dosageInstruction": dosages,
        "dispenseRequest": {"quantity": _quantity(order.supply, order.unit)},
    }
    return who, request


def _dosed(at: int, dose: Given) -> Json:
    why: Json = {} if dose.done else {"statusReason": [{"text": dose.why}]}
    notes = [each for each in (dose.remark, "" if dose.amount else dose.supervision) if each]
    why |= {"note": [{"text": each} for each in notes]} if notes else {}
    if dose.amount:
        why["dosage"] = {"text": dose.supervision, "dose": _quantity(dose.amount, dose.order.unit)}
    return {
        "resourceType": "MedicationAdministration",
        "id": f"d{at}",
        "status": "completed" if dose.done else "not-done",
        "subject": ABOUT,
        "medicationCodeableConcept": _concept(dose.order),
        "effectiveDateTime": f"{dose.at}:00Z",
    } | why


def _found(at: int, result: Result) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"r{at}",
        "status": "final",
        "subject": ABOUT,
        "category": [{"coding": [{"system": systems.TEST_PURPOSE, "code": "therapeutic"}]}],
        "code": {
            "coding": [{"system": systems.LOINC, "code": result.code, "display": result.name}],
            "text": result.name,
        },
        "effectiveDateTime": f"{result.at}:00Z",
        "valueCodeableConcept": {"text": result.said},
    }


def _scored(score: str) -> Json:
    code, name = SCORES
    return {
        "resourceType": "Observation",
        "id": "s1",
        "status": "final",
        "subject": ABOUT,
        "code": {"coding": [{"system": systems.SNOMED, "code": code, "display": name}], "text": name},
        "effectiveDateTime": "2026-01-12",
        "valueQuantity": {"value": f"@{score}@"},
    }


_STATUSES = {"issued": "completed", "stopped": "stopped", "cancelled": "cancelled"}


def _issue(at: int, issued: Issued, orders: Sequence[Order]) -> Json:
    return {
        "resourceType": "MedicationDispense",
        "id": f"i{at}",
        "status": _STATUSES[issued.how],
        "subject": ABOUT,
        "medicationCodeableConcept": _concept(issued.order),
        "authorizingPrescription": [{"reference": f"MedicationRequest/o{orders.index(issued.order)}"}],
        "quantity": _quantity(issued.amount, issued.order.unit),
        "whenPrepared": f"{issued.at}:00Z",
    }


def _code(system: str, code: str) -> Json:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def _allergy(at: int, allergy: Allergy) -> Json:
    severity = {"severity": SEVERITIES[allergy.severity]} if allergy.severity else {}
    shown = [{"text": allergy.reaction or "not stated"}]
    told = {"reaction": [{"manifestation": shown, **severity}]} if allergy.reaction or severity else {}
    return {
        "resourceType": "AllergyIntolerance",
        "id": f"a{at}",
        "clinicalStatus": _code("allergyintolerance-clinical", "active"),
        "code": {"text": allergy.to},
        "patient": ABOUT,
        "onsetDateTime": allergy.since,
        **told,
    }


def _diagnosis(at: int, diagnosis: Diagnosis) -> Json:
    sure = CERTAINTIES[diagnosis.certainty]
    return {
        "resourceType": "Condition",
        "id": f"c{at}",
        "code": {"text": diagnosis.name},
        "subject": ABOUT,
        "onsetDateTime": diagnosis.since,
    } | ({"verificationStatus": _code("condition-ver-status", sure)} if sure else {})


def _patient(person: Somebody, kin: Sequence[Kin]) -> Json:
    numbers = ((systems.NHS_NUMBER, person.number), (systems.PRISON_NUMBER, "Z0001AA"))
    contacts = [
        {
            "relationship": [{"text": RELATIONS[each.relation]}],
            "name": {"family": each.who.family, "given": [each.who.given]},
            "telecom": [{"system": "phone", "value": each.telephone}],
        }
        for each in kin
    ]
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": system, "value": value} for system, value in numbers],
        "name": [{"family": person.family, "given": [person.given]}],
        "gender": "male",
        "birthDate": person.born,
    } | ({"contact": contacts} if contacts else {})


def as_fhir(told: Told) -> list[bytes]:
    """The whole record in one message."""
    head = {
        "resourceType": "MessageHeader",
        "id": "h1",
        "eventCoding": {"system": "https://prison.example/events", "code": "record"},
        "sender": {"identifier": {"system": systems.AGENCY, "value": "LEI"}},
        "source": {"endpoint": SENDER},
    }
    resources = [
        head,
        _patient(told.person, told.kin),
        *(each for at, order in enumerate(told.orders) for each in _ordered(at, order)),
        *(_dosed(at, dose) for at, dose in enumerate(_every_dose(told))),
        *(_found(at, result) for at, result in enumerate(told.results)),
        *([_scored(told.score)] if told.score else []),
        *(_issue(at, issued, told.orders) for at, issued in enumerate(told.issued)),
        *(_allergy(at, allergy) for at, allergy in enumerate(told.allergies)),
        *(_diagnosis(at, diagnosis) for at, diagnosis in enumerate(told.diagnoses)),
    ]
    entries = [{"fullUrl": f"{SENDER}/{each['resourceType']}/{each['id']}", "resource": each} for each in resources]
    bundle = {
        "resourceType": "Bundle",
        "id": "b1",
        "type": "message",
        "timestamp": "2026-01-15T11:00:00Z",
        "entry": entries,
    }
    return [
        json.dumps(bundle).replace('"@', "").replace('@"', "").encode()
    ]  # amounts with the digits that they are written with
