"""What an ADT message says beside the stay: allergies (AL1), diagnoses (DG1), next of kin (NK1) and observations (OBX).

It must never say that an allergy or a diagnosis is certain where the message does not: what is not said is left out.
"""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.datatypes import coding, concept, practitioner
from fhir_profiles.mappings.field_ledger import Row, keep_order
from fhir_profiles.mappings.observation import Order, observation
from fhir_profiles.mappings.person_contact import addresses, names, telecoms
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Hold, HoldCode, Json

_ALLERGY_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_CONDITION_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CONDITION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/condition-category"
_ALLERGENS: Final = {
    "DA": ("allergy", "medication"),
    "FA": ("allergy", "food"),
    "EA": ("allergy", "environment"),
    "LA": ("allergy", "environment"),
    "PA": ("allergy", "environment"),
    "AA": ("allergy", "biologic"),
    "MA": ("allergy", None),
    "MC": ("intolerance", None),
}
"""HL7 table 0127: type and category; pollen and plant are of the environment."""
_SEVERITIES: Final = {"SV": "severe", "MO": "moderate", "MI": "mild"}
"""HL7 table 0128; U (unknown) says nothing."""
_CRITICALITIES: Final = {"SV": "high", "MI": "low"}
"""HL7 table 0128 again: senders write how bad a reaction was, and how dangerous the next one would be, in the same field."""
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
    rows = _rows(reading, ("OBX",), hold)["OBX"]
    keep_order(rows, to="Bundle.entry")
    order = _order(reading)
    reading.resources += [observed(reading, row, order) for row in rows]


def add_person_details(reading: Reading, hold: Hold | None) -> None:
    """Add what the message says of the person alone: next of kin, allergies and diagnoses."""
    rows = _rows(reading, ("NK1", "AL1", "DG1"), hold)
    for segment in reading.message.segments:
        if segment.name == "IAM":
            text = "an allergy in an IAM segment is not read: it stays in the original message"
            reading.warn(reading.row(segment).place(3), text)
    keep_order(rows["NK1"], to="Patient.contact")
    for name in ("AL1", "DG1"):
        keep_order(rows[name], to="Bundle.entry")
    contacts = [found for row in rows["NK1"] if (found := _contact(row)) is not None]
    if contacts:
        reading.resources[0]["contact"] = contacts
    reading.resources += [found for row in rows["AL1"] if (found := _allergy(reading, row)) is not None]
    reading.resources += [found for row in rows["DG1"] if (found := _condition(reading, row)) is not None]
    once: dict[str, Json] = {}
    for each in reading.resources:  # an allergy or a diagnosis that is named twice is one: the first counts
        once.setdefault(each["id"], each)
    reading.resources[:] = once.values()


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


def _allergy(reading: Reading, row: Row) -> Json | None:
    to = "AllergyIntolerance"
    code = concept(row, 3, to=f"{to}.code")
    if code is None:
        reading.warn(row.place(3), "an allergy that does not say to what was left out")
        return None
    resource: Json = {
        "resourceType": to,
        "id": stable_id(to, reading.sender, _name(code)),
        "meta": {"profile": [systems.UK_CORE + "UKCore-AllergyIntolerance"]},
        "clinicalStatus": {"coding": [coding(_ALLERGY_CLINICAL, "active")]},
    }
    kind, category = _ALLERGENS.get(row.text(2, to=f"{to}.category").upper(), (None, None))
    if row.has(2) and kind is None:
        row.residual(2, 0, reason="not a value of table 0127, or one without a category")
    row.text(2, 2, to=f"{to}.category")
    row.text(2, 3, to=f"{to}.category")
    if kind is not None:
        resource["type"] = kind
    if category is not None:
        resource["category"] = [category]
    reaction = _reaction(row)
    criticality = _CRITICALITIES.get(row.peek(4).upper())
    if criticality is not None:
        resource["criticality"] = criticality
    resource["code"] = code
    resource["patient"] = {"reference": PATIENT_REFERENCE}
    onset = reading.date_time(row, 6, to=f"{to}.onsetDateTime")
    if onset is not None:
        resource["onsetDateTime"] = onset
    if reaction is not None:
        resource["reaction"] = [reaction]
    return resource


def _reaction(row: Row) -> Json | None:
    """Read AL1-5 and AL1-4. FHIR has no reaction without a manifestation: a severity alone says that it was not stated."""
    to = "AllergyIntolerance.reaction"
    found = [
        item
        for repetition in range(1, row.count(5) + 1)
        if (item := concept(row, 5, repetition, to=f"{to}.manifestation")) is not None
    ]
    severity = _SEVERITIES.get(row.text(4, to=f"{to}.severity").upper())
    for component in (2, 3):
        row.text(4, component, to=f"{to}.severity")
    if not found and severity is None:
        if row.has(4):
            row.residual(4, 0, reason="a severity that says nothing")
        return None
    result: Json = {"manifestation": found or [{"text": "not stated"}]}
    return result | ({"severity": severity} if severity is not None else {})


def _condition(reading: Reading, row: Row) -> Json | None:
    to = "Condition"
    code = concept(row, 3, to=f"{to}.code")
    described = row.text(4, to=f"{to}.code.text")
    if code is None and not described:
        reading.warn(row.place(3), "a diagnosis that says nothing was left out")
        return None
    resource: Json = {
        "resourceType": to,
        "id": stable_id(to, reading.sender, _name(code or {"text": described})),
        "meta": {"profile": [systems.UK_CORE + "UKCore-Condition"]},
    }
    written = row.text(6, to=f"{to}.verificationStatus").upper()
    status = (
        "entered-in-error" if row.text(21, to=f"{to}.verificationStatus").upper() == "D" else _CERTAINTY.get(written)
    )
    if status is not None:
        resource["verificationStatus"] = {"coding": [coding(_CONDITION_VERIFICATION, status)]}
    elif written:
        # a word such as "ruled out" that is lost leaves a diagnosis
        reading.warn(row.place(6), "not a value of table 0052: it is carried as written, in a note")
        resource["note"] = [{"text": f"type of diagnosis, as written: {row.text(6, to=f'{to}.note.text')}"}]
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
    return resource


def _name(code: Json) -> str:
    """What names an allergy or a diagnosis among those of one sender: its first code, else its text."""
    first = code.get("coding", [{}])[0]
    return f"{first.get('system', '')}|{first['code']}" if "code" in first else code["text"].lower()


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
    return contact if contact.keys() & {"name", "telecom", "address"} else None


def _order(reading: Reading) -> Order:
    """Observations of an ADT belong to no order: they are named by the stay, or else by the message."""
    visit = reading.message.get("PV1-19")
    key = ("stay", visit) if visit else ("message", reading.message.get("MSH-10") or "")
    return Order(key=key, code={}, panel=False, purpose=None, taken=None, method=None, specimen=None, encounter=None)


def observed(reading: Reading, row: Row, order: Order) -> Json:
    """Make one Observation. It is no laboratory result unless it is a drug test, which is one wherever it stands."""
    before = order.drug_tests
    resource = observation(reading, row, (), order)
    if order.drug_tests == before:
        del resource["category"]
        resource["meta"] = {"profile": [systems.UK_CORE + "UKCore-Observation"]}
    return resource
