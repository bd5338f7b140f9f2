"""HL7 v2 messages as the prison's systems would send them, about synthetic people. It MUST NOT be used by the line.

Fields stand where HL7 v2.5.1 and the conventions of the integration guide put them. Every text is given by the caller: no clock, no
random ids. Times are HL7 times (`20260301101500+0000`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.demo.people import SyntheticPerson

ESTABLISHMENT = "ZFG"
SENDING_APPLICATION = "FELLGATE-EHR"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The header of one message: its id, its time, who sends it, and how it wants to be acknowledged (MSH-15, MSH-16)."""

    message_id: str
    at: str
    establishment: str = ESTABLISHMENT
    application: str = SENDING_APPLICATION
    processing_id: str = "P"
    accept_when: str = ""
    application_when: str = ""


@dataclass(frozen=True, kw_only=True)
class Assay:
    """One drug test of a panel: what was tested (code, text, coding system) and what was found (`positive`, `negative`, other text)."""

    code: str
    text: str
    result: str
    system: str = "LN"


@dataclass(frozen=True, kw_only=True)
class Product:
    """One prescribed product: dm+d code, name, dose and unit (UCUM), route."""

    code: str
    text: str
    dose: str
    unit: str
    route: str = "26643006^Oral^SCT"


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a product is prescribed. `order_type` (ORC-29) is `O` for supply outside, `I` for administration in custody."""

    start: str
    end: str = ""
    instruction: str = "Once daily, supervised"
    order_type: str = "O"
    control: str = "NW"
    order: str = ""


OPIATES = ("19295-5", "Opiates [Presence] in Urine by Screen method")
METHADONE_ASSAY = ("19550-3", "Methadone [Presence] in Urine by Screen method")
BENZODIAZEPINES = ("14316-4", "Benzodiazepines [Presence] in Urine by Screen method")
COCAINE = ("19359-9", "Cocaine [Presence] in Urine by Screen method")
METHADONE = Product(code="36120711000001104", text="Methadone 1mg/ml oral solution", dose="40", unit="mg")
DIAZEPAM = Product(code="42127711000001101", text="Diazepam 10mg tablets", dose="10", unit="mg")

_FINDINGS = {"positive": "10828004^Positive^SCT", "negative": "260385009^Negative^SCT"}
_SEX = {"male": "M", "female": "F"}


def segment(name: str, fields: Mapping[int, str]) -> str:
    """One segment from numbered fields; what is not named is empty, and nothing follows the last field that has a value."""
    last = max(number for number, value in fields.items() if value)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def message(structure: str, segments: Sequence[str], sent: Sent) -> bytes:
    """A whole message: MSH, then the segments, each ended by a carriage return."""
    # MSH-1 is the separator itself, so the numbers here are one less than HL7's.
    header = segment(
        "MSH",
        {
            1: "^~\\&",
            2: sent.application,
            3: sent.establishment,
            4: "THROUGHGATE",
            5: "GATEWAY",
            6: sent.at,
            8: structure,
            9: sent.message_id,
            10: sent.processing_id,
            11: "2.5.1",
            14: sent.accept_when,
            15: sent.application_when,
            17: "UNICODE UTF-8",
        },
    )
    return "".join(f"{line}\r" for line in (header, *segments)).encode()


def pid(person: SyntheticPerson) -> str:
    """PID with both numbers in PID-3 and the release address as PID-11 type H."""
    return segment(
        "PID",
        {
            1: "1",
            3: f"{person.nhs_number}^^^NHS^NH~{person.prison_number}^^^NOMIS^PI",
            5: f"{person.family}^{person.given}^^^^^L",
            7: person.born.replace("-", ""),
            8: _SEX[person.gender],
            11: f"1 Example Street^^Exampleton^^{person.postcode}^GBR^H" if person.postcode else "",
        },
    )


def pd1(person: SyntheticPerson) -> str:
    """PD1-4 names the GP practice by its ODS code."""
    return segment("PD1", {4: f"{person.gp_ods}^Example Practice"})


def pv1(sent: Sent, *, disposition: str = "", admitted: str = "", discharged: str = "") -> str:
    """PV1 with the establishment in PV1-3.4, the disposition in PV1-36 and the times in PV1-44 and PV1-45."""
    fields = {1: "1", 2: "I", 3: f"A1-01^^^{sent.establishment}", 36: disposition, 44: admitted, 45: discharged}
    return segment("PV1", fields)


def admission(person: SyntheticPerson, sent: Sent) -> bytes:
    """ADT^A01: reception."""
    segments = (segment("EVN", {1: "A01", 2: sent.at}), pid(person), pd1(person), pv1(sent, admitted=sent.at))
    return message("ADT^A01^ADT_A01", segments, sent)


def discharge(person: SyntheticPerson, sent: Sent, *, disposition: str) -> bytes:
    """ADT^A03: the person leaves; `disposition` (PV1-36, a NOMIS movement reason) says how."""
    visit = pv1(sent, disposition=disposition, discharged=sent.at)
    return message("ADT^A03^ADT_A03", (segment("EVN", {1: "A03", 2: sent.at}), pid(person), pd1(person), visit), sent)


def discharge_cancelled(person: SyntheticPerson, sent: Sent) -> bytes:
    """ADT^A13: the discharge did not happen."""
    segments = (segment("EVN", {1: "A13", 2: sent.at}), pid(person), pd1(person), pv1(sent))
    return message("ADT^A13^ADT_A01", segments, sent)


def merge(survivor: SyntheticPerson, sent: Sent, *, prior_prison_number: str) -> bytes:
    """ADT^A40: two prison numbers are one person; MRG-1 has the number that goes."""
    merged = segment("MRG", {1: f"{prior_prison_number}^^^NOMIS^PI"})
    return message("ADT^A40^ADT_A39", (segment("EVN", {1: "A40", 2: sent.at}), pid(survivor), merged), sent)


def drug_test(person: SyntheticPerson, sent: Sent, assays: Sequence[Assay], *, purpose: str) -> bytes:
    """ORU^R01: one urine screen, an OBX for each assay; `purpose` (OBR-31) is `therapeutic`, `compact`, `mandatory` or empty."""
    panel = "69739-1^Drugs of abuse panel - Urine by Screen method^LN"
    placer, filler = f"P{sent.message_id}", f"F{sent.message_id}"
    segments = [
        pid(person),
        pd1(person),
        pv1(sent),
        segment("ORC", {1: "RE", 2: placer, 3: filler, 9: sent.at}),
        segment("OBR", {1: "1", 2: placer, 3: filler, 4: panel, 7: sent.at, 22: sent.at, 25: "F", 31: purpose}),
    ]
    for number, assay in enumerate(assays, start=1):
        code = f"{assay.code}^{assay.text}^{assay.system}"
        found = _FINDINGS.get(assay.result, f"^{assay.result}")
        segments.append(segment("OBX", {1: str(number), 2: "CWE", 3: code, 5: found, 11: "F", 14: sent.at}))
    return message("ORU^R01^ORU_R01", segments, sent)


def prescription(person: SyntheticPerson, sent: Sent, product: Product, course: Course) -> bytes:
    """RDE^O11: one prescription."""
    order = course.order or f"RX{sent.message_id}"
    unit = f"{product.unit}^{product.unit}^UCUM"
    segments = (
        pid(person),
        pd1(person),
        pv1(sent),
        segment("ORC", {1: course.control, 2: order, 9: sent.at, 29: course.order_type}),
        segment(
            "RXE", {2: f"{product.code}^{product.text}^SCT", 3: product.dose, 5: unit, 7: f"^{course.instruction}"}
        ),
        segment("TQ1", {1: "1", 3: "QD", 7: course.start, 8: course.end}),
        segment("RXR", {1: product.route}),
    )
    return message("RDE^O11^RDE_O11", segments, sent)
