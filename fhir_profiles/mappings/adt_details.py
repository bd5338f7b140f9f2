"""What an ADT message says beside the stay: allergies (AL1, IAM), diagnoses (DG1), next of kin (NK1) and observations (OBX).

It must never say that a diagnosis is certain where the message does not: what is not said is left out.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.label import keep_labels
from fhir_profiles.mappings.allergies import add_allergies
from fhir_profiles.mappings.annotation import annotations
from fhir_profiles.mappings.confidential import Confidential, labelled
from fhir_profiles.mappings.datatypes import coding, concept, name_of_code, period_of, practitioner, slug, words
from fhir_profiles.mappings.field_ledger import Row, keep_order
from fhir_profiles.mappings.observation import Order, observation
from fhir_profiles.mappings.person_contact import addresses, names, telecoms
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Hold, HoldCode, Json

_CONDITION_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CONDITION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/condition-category"
_CERTAINTY: Final = {"A": "provisional", "W": "provisional", "F": "confirmed"}
"""HL7 table 0052: admitting and working diagnoses are provisional."""
_ELSEWHERE: Final = ("ORC", "OBR", "TQ1", "TXA")
"""Orders and documents have messages of their own; no version of the standard puts them into an ADT."""
_GENDERS: Final = {"M": "male", "F": "female", "O": "other", "A": "other", "U": "unknown", "N": "other"}


def add_details(reading: Reading, hold: Hold | None) -> None:
    """Add what the message says beside the stay. When it may be about two people only what stands before the second PID is read."""
    for name in _ELSEWHERE:
        for row in reading.rows(name):
            row.leave_by("told-once")
    add_person_details(reading, hold)
    observations_of_message(reading, hold)


def observations_of_message(reading: Reading, hold: Hold | None) -> None:
    """Add an Observation for each OBX of a message whose observations belong to no order."""
    add_observations(reading, [(row, []) for row in _rows(reading, ("OBX",), hold)["OBX"]])


def add_observations(reading: Reading, found: Sequence[tuple[Row, Sequence[Row]]]) -> int:
    """Add an Observation for each OBX with the notes that follow it, of what is said of the person beside every order; gives how many are drug tests."""
    keep_order([row for row, _ in found], to="Bundle.entry")
    order = _of_no_order(reading)
    # INVARIANT: what belongs to no order may be of any that its sender calls confidential: absent never widens.
    labels = Confidential((row,) for row in reading.rows("ORC")).labels(to="Observation") if found else []
    for row, notes in found:
        made = observed(reading, row, order, annotations(notes, to="Observation.note"))
        reading.resources.append(labelled(made, labels))
    return order.drug_tests


def add_person_details(reading: Reading, hold: Hold | None) -> None:
    """Add what the message says of the person alone: next of kin, allergies and diagnoses."""
    rows = _rows(reading, ("NK1", "AL1", "IAM", "DG1"), hold)
    keep_order(rows["NK1"], to="Patient.contact")
    contacts = [found for row in rows["NK1"] if (found := _contact(row)) is not None]
    if contacts:
        reading.resources[0]["contact"] = contacts
    add_allergies(reading, rows["AL1"], rows["IAM"])
    _add_diagnoses(reading, rows["DG1"])


def _add_diagnoses(reading: Reading, rows: list[Row]) -> None:
    """Add a Condition for each diagnosis. One that is named twice is one: the surest word counts, and what is deleted there is no word."""
    keep_order(rows, to="Bundle.entry")
    once: dict[str, tuple[Row, Json]] = {}
    for row in rows:
        found = _condition(reading, row)
        if found is None:
            continue
        said = [once[found["id"]], (row, found)] if found["id"] in once else [(row, found)]
        (kept, condition), *others = sorted(said, key=lambda one: _surety(one[1]), reverse=True)
        for other, outdone in others:
            other.drop("the same diagnosis as in another segment, which is as sure or surer")
            condition = _with_more_care(condition, outdone)
        once[found["id"]] = (kept, condition)
    reading.resources += [found for _, found in once.values()]


def _surety(condition: Json) -> int:
    status = condition.get("verificationStatus", {}).get("coding", [{}])[0].get("code")
    return ("entered-in-error", None, "provisional", "confirmed").index(status)


def _with_more_care(condition: Json, other: Json) -> Json:
    """Keep of the same diagnosis in another segment what casts doubt on it (a note), and what keeps it back (a label)."""
    notes = [
        *condition.get("note", ()),
        *(each for each in other.get("note", ()) if each not in condition.get("note", ())),
    ]
    return keep_labels(other, condition | ({"note": notes} if notes else {}))


def _rows(reading: Reading, names_: tuple[str, ...], hold: Hold | None) -> dict[str, list[Row]]:
    """Give the rows of some segments; of a message that may be about two people, those before the second PID."""
    first_only = hold is not None and hold.code is HoldCode.TWO_PEOPLE
    found: dict[str, list[Row]] = {name: [] for name in names_}
    persons = 0
    for segment in reading.message.segments:
        persons += segment.name == "PID"
        if segment.name not in found:
            continue
        row = reading.row(segment)
        if first_only and persons > 1:
            row.leave_by("one-person")
        else:
            found[segment.name].append(row)
    return found


def _condition(reading: Reading, row: Row) -> Json | None:
    to = "Condition"
    code = concept(row, 3, to=f"{to}.code")
    described = row.text(4, to=f"{to}.code.text")
    if code is None and not described:
        reading.warn(row.place(3), "a diagnosis that says nothing was left out")
        return None
    number, namespace = row.text(20, to=f"{to}.identifier.value"), row.text(20, 2, to=f"{to}.identifier.system")
    named = ("diagnosis", number, namespace) if number else (name_of_code(code or {"text": described}),)
    resource: Json = {
        "resourceType": to,
        "id": stable_id(to, reading.sender, *named),
        "meta": {"profile": [systems.UK_CORE + "UKCore-Condition"]},
    }
    if number:
        system = systems.LOCAL_ID + "diagnosis" + (f"/{slug(namespace)}" if namespace else "")
        resource["identifier"] = [{"system": system, "value": number}]
    status = _certainty(reading, row, resource)
    if status is not None:
        resource["verificationStatus"] = {"coding": [coding(_CONDITION_VERIFICATION, status)]}
    resource["category"] = [{"coding": [coding(_CONDITION_CATEGORY, "encounter-diagnosis")]}]
    row.text(2, to=f"{to}.code.coding.system")
    resource["code"] = {**(code or {}), "text": described or (code or {}).get("text", described)}
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    onset = reading.date_time(row, 5, to=f"{to}.onsetDateTime")
    recorded = reading.date_time(row, 19, to=f"{to}.recordedDate")
    asserter = practitioner(row, 16, to=f"{to}.asserter")
    for name, value in (("onsetDateTime", onset), ("recordedDate", recorded), ("asserter", asserter)):
        if value is not None:
            resource[name] = value
    return labelled(resource, _confidential(reading, row))


def _certainty(reading: Reading, row: Row, resource: Json) -> str | None:
    """Read DG1-21 (deleted: it was an error) and DG1-6. INVARIANT: a word such as "ruled out" that is lost leaves a diagnosis."""
    status = _CERTAINTY.get(row.peek(6).upper())
    if status is not None:
        row.mapped_field(6, to="Condition.verificationStatus")
    elif said := words(row, 6, to="Condition.note.text"):
        reading.warn(row.place(6), "not a value of table 0052: it is carried as written, in a note")
        resource["note"] = [{"text": f"type of diagnosis, as written: {said}"}]
    if row.peek(21).upper() != "D":
        return status
    row.mapped_field(21, to="Condition.verificationStatus")
    return "entered-in-error"


def _confidential(reading: Reading, row: Row) -> list[Json]:
    """Read DG1-18: a diagnosis that its sender calls confidential is not less so here (HL7 table 0136)."""
    said = row.peek(18).upper()
    if said == "Y":
        row.mapped_field(18, to="Condition.meta.security")
    elif said not in {"", "N"}:
        row.unsupported(18, reason="not Y or N")
        reading.warn(row.place(18), "not Y or N: say whether the diagnosis is confidential", code="code-invalid")
    return [coding(systems.CONFIDENTIALITY, "R")] if said == "Y" else []


def _contact(row: Row) -> Json | None:
    """Read one NK1 as Patient.contact: who, in what relation, and how to reach them."""
    to = "Patient.contact"
    relations = [concept(row, number, to=f"{to}.relationship") for number in (3, 7)]
    contact: Json = {}
    if any(relations):
        contact["relationship"] = [each for each in relations if each is not None]
    name = names(row, 2, to=f"{to}.name")
    if name:
        contact["name"] = name[0]
    for repetition in range(2, row.count(2) + 1):
        row.residual(2, 0, repetition, reason="a contact has one name in FHIR: the first")
    telecom = [*telecoms(row, (5, 6), to=f"{to}.telecom"), *telecoms(row, (40,), to=f"{to}.telecom")]
    if telecom:
        contact["telecom"] = telecom
    address = addresses(row, 4, to=f"{to}.address")
    if address:
        contact["address"] = address[0]
    for repetition in range(2, row.count(4) + 1):
        row.residual(4, 0, repetition, reason="a contact has one address in FHIR: the first")
    gender = _GENDERS.get(row.text(15, to=f"{to}.gender").upper())
    if gender is not None:
        contact["gender"] = gender
    elif row.has(15):
        row.unsupported(15, reason="not a value of table 0001")
    contact |= period_of((row, 8, 1, 1), (row, 9, 1, 1), to=to)
    return contact if contact.keys() & {"name", "telecom", "address"} else None


def _of_no_order(reading: Reading) -> Order:
    """Observations of an ADT, or of the person in any message, belong to no order: they are named by the stay, or else by the message."""
    visit = reading.message.get("PV1-19")
    key = ("stay", visit) if visit else ("message", reading.message.get("MSH-10") or "")
    return Order(key=key, code={}, panel=False, purpose=None, taken=None, method=None, specimen=None, encounter=None)


def observed(reading: Reading, row: Row, order: Order, notes: Sequence[Json] = ()) -> Json:
    """Make one Observation. It is no laboratory result unless it is a drug test, which is one wherever it stands."""
    before = order.drug_tests
    resource = observation(reading, row, notes, order)
    if order.drug_tests == before:
        del resource["category"]
        resource["meta"] = {"profile": [systems.UK_CORE + "UKCore-Observation"]}
    return resource
