"""PID and PD1 as a UK Core Patient with the id `patient`, and whether the message is about exactly one person who can be identified.

It must never look a person up, and never put a number under the NHS number's system whose check digit fails: a letter would carry it on.
"""

from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import fhir_date
from fhir_profiles.identifiers import (
    nhs_number_is_valid,
    normal_nhs_number,
    normal_prison_number,
    prison_number_is_valid,
)
from fhir_profiles.ids import PATIENT_ID
from fhir_profiles.mappings import participation
from fhir_profiles.mappings.datatypes import (
    coding,
    concept,
    display_name,
    number_of,
    ods_code,
    practitioner_system,
    rest_of_identifier,
    slug,
)
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.person_contact import addresses, names, telecoms
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Hold, HoldCode, Json
from fhir_profiles.terminology import lookup
from fhir_profiles.v2_identity import identifier_system, identifiers_in

_GENDERS: Final = {
    "M": "male",
    "F": "female",
    "O": "other",
    "A": "other",
    "U": "unknown",
    "N": "other",
    "1": "male",
    "2": "female",
    "0": "unknown",
    "9": "unknown",
}
"""HL7 table 0001, and the NHS data dictionary's person gender codes that English senders use in its place."""
_MARITAL: Final = {"A": "L", "E": "L", "G": "T", "P": "T", "R": "T", "N": "A", "B": "U"} | {
    sign: sign for sign in "DMSWCI"
}
_MARITAL_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
_NO_MARITAL: Final = {"U": "UNK", "O": "OTH", "T": "NAVU"}
_NULL_FLAVOR: Final = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
_VERIFICATION: Final = {
    "01": "Number present and verified",
    "02": "Number present but not traced",
    "03": "Trace required",
    "04": "Trace attempted - No match or multiple match found",
    "05": "Trace needs to be resolved - (NHS Number or patient detail conflict)",
    "06": "Trace in progress",
    "07": "Number not present and trace not required",
    "08": "Trace postponed (baby under six weeks old)",
}
_UNNAMED: Final = {18: "booking-number"}
"""PID-18 is the account: the number of one booking in a prison, which changes with every custody."""
_RESTRICTED: Final = frozenset({"Y", "R", "V", "VIP", "RESTRICTED"})
"""Values of PV1-16 that mark a record as one to protect. Table 0099 has none of its own; another one is a courtesy, and is left out."""
PROFILE: Final = systems.UK_CORE + "UKCore-Patient"
_ABOUT_SOMETHING_ELSE: Final = frozenset({"ORC", "OBR", "OBX", "PR1", "IN1", "TXA", "PRB", "PRD", "MRG"})
_DISABILITY: Final = "http://hl7.org/fhir/StructureDefinition/patient-disability"
_NATIONALITY: Final = "http://hl7.org/fhir/StructureDefinition/patient-nationality"


def identity_hold(reading: Reading) -> Hold | None:
    """Say why the message cannot be given to exactly one person, or None.

    Two people: two different values of one identifier system, or PID segments that share no identifier. Nobody: no identifier whose form and
    check digit hold.
    """
    values: dict[str, str] = {}
    for identifier in reading.persons:
        if values.setdefault(identifier.system, identifier.value) != identifier.value:
            return Hold(
                code=HoldCode.TWO_PEOPLE,
                path=identifier.path,
                text="two different numbers of one kind: the message may be about two people",
            )
    segments = reading.message.all("PID")
    if len(segments) > 1:
        known = [_names_of(reading, index) for index in range(len(segments))]
        if any(not (known[0] & other) for other in known[1:]):
            return Hold(
                code=HoldCode.TWO_PEOPLE,
                path="PID[2]-3",
                text="the PID segments share no identifier: the message may be about two people",
            )
    if not any(identifier.valid for identifier in reading.persons):
        return Hold(
            code=HoldCode.NO_PERSON,
            path="PID-3",
            text="no NHS number or prison number whose form and check digit hold",
        )
    return None


def _names_of(reading: Reading, index: int) -> frozenset[str]:
    """Give what names the person of one PID: its national identifiers, else the field as written."""
    segment = reading.message.all("PID")[index]
    found = frozenset(f"{item.system}|{item.value}" for item in identifiers_in(reading.message, segment, 3))
    return found or frozenset({segment.field(3)})


def add_patient(reading: Reading) -> None:
    """Put the Patient into the bundle: of the first PID; further PIDs stay in the original message. A message without PID gets an empty Patient."""
    patient: Json = {"resourceType": "Patient", "id": PATIENT_ID, "meta": {"profile": [PROFILE]}}
    reading.resources.append(patient)
    segments = reading.rows("PID")
    if len(segments) > 1:
        hold = identity_hold(reading)
        for other in segments[1:]:
            if hold is not None and hold.code is HoldCode.TWO_PEOPLE:
                other.leave_by("one-person")
            else:
                other.leave("a second PID segment of one person: the Patient is made from the first")
    if segments:
        _read_pid(reading, segments[0], patient)
    pd1 = reading.first("PD1")
    disability = concept(pd1, 6, to="Patient.extension.valueCodeableConcept") if pd1 is not None else None
    if disability is not None:
        patient.setdefault("extension", []).append({"url": _DISABILITY, "valueCodeableConcept": disability})
    if _is_protected(reading, pd1):
        patient["meta"]["security"] = [{"system": systems.CONFIDENTIALITY, "code": "R"}]
    practitioners = _general_practitioners(pd1) if pd1 is not None else []
    practitioners += [each for each in _practitioners_by_part(reading) if each not in practitioners]
    if practitioners:
        patient["generalPractitioner"] = practitioners


def _is_protected(reading: Reading, pd1: Row | None) -> bool:
    """Say whether PD1-12 (protection indicator, table 0136) or PV1-16 (a table of each site) asks that who has no need learns nothing.

    Nothing lifts the mark: a message without it says nothing of it, and `N` is what a sender says who never heard of it.
    """
    to = "Patient.meta.security"
    said = pd1.text(12, to=to).upper() if pd1 is not None else ""
    if pd1 is not None and said not in {"", "Y", "N"}:
        pd1.unsupported(12, reason="not Y or N")
        reading.warn("PD1-12", "not Y or N: say whether the person's record is sensitive", code="code-invalid")
    stay = reading.first("PV1")
    restricted = stay is not None and stay.peek(16).upper() in _RESTRICTED
    if stay is not None and restricted:
        stay.text(16, to=to)
    return said == "Y" or restricted


def _read_pid(reading: Reading, row: Row, patient: Json) -> None:
    row.residual(1, 0, reason="sequence number of the segment")
    _put(patient, "extension", [*_ethnicity(row), *_nationality(row)])
    _put(patient, "identifier", _identifiers(reading, row))
    _put(patient, "name", names(row))
    _put(patient, "telecom", [*telecoms(row), *telecoms(row, (40,))])
    gender = _GENDERS.get(row.text(8, to="Patient.gender").upper())
    if gender is not None:
        patient["gender"] = gender
    elif row.has(8):
        row.unsupported(8, reason="not a value of table 0001")
        reading.warn("PID-8", "not a value of table 0001; the gender was left out", code="code-invalid")
    birth = row.text(7, to="Patient.birthDate")
    if birth:
        date = fhir_date(birth)
        if date is None:
            row.unsupported(7, reason="not a real date")
            reading.warn("PID-7", "this is not a real date, and was left out")
        else:
            patient["birthDate"] = date
    _deceased(reading, row, patient)
    _put(patient, "address", addresses(row))
    _county(row, patient)
    _marital(row, patient)
    _multiple_birth(row, patient)
    language = concept(row, 15, to="Patient.communication.language")
    if language is not None:
        patient["communication"] = [{"language": language}]


def _put(resource: Json, name: str, values: list[Json]) -> None:
    if values:
        resource[name] = values


def _identifiers(reading: Reading, row: Row) -> list[Json]:
    found: list[Json] = []
    for number in (3, 2, 4, 18):
        for repetition in range(1, row.count(number) + 1):
            identifier = _identifier(reading, row, number, repetition)
            if identifier is None:
                continue
            same = [each for each in found if all(each[name] == identifier[name] for name in ("system", "value"))]
            if not same:
                found.append(identifier)
            elif identifier not in same:
                row.residual(number, 0, repetition, reason="a number that stands before it already")
    return found


def _identifier(reading: Reading, row: Row, number: int, repetition: int) -> Json | None:
    """Read one CX. National numbers are taken from PID-3 only: PID-2 and PID-4 are what they were before HL7 v2.3.1."""
    to = "Patient.identifier"
    system = identifier_system(row.segment, number, repetition)
    if system is not None and number != 3:
        row.residual(number, 0, repetition, reason="a national number is read from PID-3 only")
        return None
    value = row.text(number, 1, repetition, to=f"{to}.value")
    if not value:
        return None
    authority = row.text(number, 4, repetition, to=f"{to}.system")
    kind = row.text(number, 5, repetition, to=f"{to}.type")
    if system is None:
        named = authority or row.peek(number, 4, repetition, 2) or kind or _UNNAMED.get(number, "unnamed")
        identifier: Json = {"system": systems.LOCAL_ID + slug(named), "value": value}
        if kind:
            identifier = {"type": {"coding": [coding(systems.V2_TABLE + "0203", kind)], "text": kind}, **identifier}
        return identifier | rest_of_identifier(row, number, repetition, to=to)
    nhs = system == systems.NHS_NUMBER
    normal = normal_nhs_number(value) if nhs else normal_prison_number(value)
    if not (nhs_number_is_valid(normal) if nhs else prison_number_is_valid(normal)):
        reason = "the check digit of this NHS number fails" if nhs else "this prison number has not the form A1234BC"
        row.unsupported(number, 1, repetition, reason=reason)
        reading.warn(row.place(number, 1, repetition), f"{reason}; it was left out")
        return None
    identifier = {"system": system, "value": normal}
    status = _verification(row) if nhs else None
    return {"extension": [status], **identifier} if status is not None else identifier


def _nationality(row: Row) -> list[Json]:
    """Read PID-28: returns to NDTMS ask for it."""
    found = concept(row, 28, to="Patient.extension.extension.valueCodeableConcept")
    code = {"url": "code", "valueCodeableConcept": found}
    return [] if found is None else [{"extension": [code], "url": _NATIONALITY}]


def _county(row: Row, patient: Json) -> None:
    """Read PID-12, the county of an address before HL7 v2.3: where there is one address and it names none."""
    found = patient.get("address", [])
    if len(found) == 1 and "district" not in found[0]:
        county = row.text(12, to="Patient.address.district")
        if county:
            found[0]["district"] = county


def _verification(row: Row) -> Json | None:
    """Read PID-32 as the status of the NHS number: 01 to 08, also written NSTS01 to NSTS08 (HL7 UK use of table 0445)."""
    written = row.peek(32).upper().removeprefix("NSTS")
    display = _VERIFICATION.get(written)
    if display is None:
        return None
    row.mapped(32, 1, to="Patient.identifier.extension")
    status = {"coding": [coding(systems.UK_CORE_VERIFICATION_CODES, written, display)]}
    return {"url": systems.UK_CORE_VERIFICATION, "valueCodeableConcept": status}


def _ethnicity(row: Row) -> list[Json]:
    """Read the ethnic category where it is coded as the NHS codes it, in PID-22 or PID-10."""
    table = lookup("ethnic_categories").by("code")
    for number in (22, 10):
        written = row.peek(number).upper()
        known = table.get(written)
        if known is not None:
            row.mapped(number, 1, to="Patient.extension")
            row.text(number, 2, to="Patient.extension")
            category = {"coding": [coding(systems.UK_CORE_ETHNIC_CODES, written, known["display"])]}
            return [{"url": systems.UK_CORE_ETHNIC_CATEGORY, "valueCodeableConcept": category}]
    return []


def _deceased(reading: Reading, row: Row, patient: Json) -> None:
    moment = reading.date_time(row, 29, to="Patient.deceasedDateTime") if row.has(29) else None
    indicator = row.text(30, to="Patient.deceasedBoolean").upper()
    if moment is not None:
        patient["deceasedDateTime"] = moment
    elif indicator in {"Y", "N"}:
        patient["deceasedBoolean"] = indicator == "Y"
    elif indicator:
        row.unsupported(30, reason="not Y or N")


def _marital(row: Row, patient: Json) -> None:
    status = concept(row, 16, to="Patient.maritalStatus")
    if status is None:
        return
    written = row.peek(16).upper()
    if written in _MARITAL:
        status["coding"] = [coding(_MARITAL_SYSTEM, _MARITAL[written]), *status["coding"][1:]]
    elif written in _NO_MARITAL:
        status["coding"] = [coding(_NULL_FLAVOR, _NO_MARITAL[written]), *status["coding"][1:]]
    patient["maritalStatus"] = status


def _multiple_birth(row: Row, patient: Json) -> None:
    """Read PID-24 and PID-25: a twin has the birthday, and often the address, of somebody else on file."""
    order = number_of(row.peek(25))
    indicator = row.text(24, to="Patient.multipleBirth[x]").upper()
    if isinstance(order, int) and 0 < order < 100:
        row.mapped(25, to="Patient.multipleBirth[x]")
        patient["multipleBirthInteger"] = order
    elif indicator in {"Y", "N"}:
        patient["multipleBirthBoolean"] = indicator == "Y"
    elif indicator:
        row.unsupported(24, reason="not Y or N")


def _general_practitioners(row: Row) -> list[Json]:
    """Read PD1-4 (the person's GP) and PD1-3 (the practice, an XON). An ODS code names an Organization (DESIGN section 6)."""
    found: list[Json] = []
    to = "Patient.generalPractitioner"
    for repetition in range(1, row.count(4) + 1):
        found += _gp_of_xcn(row, 4, repetition, to)
    for repetition in range(1, row.count(3) + 1):
        reference = _practice(row, 3, repetition, to)
        if reference.get("identifier") in [item["identifier"] for item in found if "identifier" in item]:
            row.residual(3, 0, repetition, reason="the practice that PD1-4 names")
        elif len(reference) > 1:
            found.append(reference)
    return found


def _practice(row: Row, number: int, repetition: int, to: str) -> Json:
    """Read a practice (XON): a number that begins with a letter is its ODS code."""
    name = row.text(number, 1, repetition, to=f"{to}.display")
    value = row.text(number, 3, repetition, to=f"{to}.identifier.value") or row.text(
        number, 10, repetition, to=f"{to}.identifier.value"
    )
    ods = value.upper() if value and value[:1].isalpha() and value.isalnum() else ""
    reference: Json = {"type": "Organization"}
    if value:
        system = systems.ODS if ods else systems.LOCAL_ID + "practice"
        reference["identifier"] = {"system": system, "value": ods or value}
    return reference | ({"display": name} if name else {})


def _practitioners_by_part(reading: Reading) -> Iterator[Json]:
    """Read the primary care provider of ROL or PRT: PD1-4 is withdrawn in HL7 v2.7. What stands among orders or results is about those."""
    to = "Patient.generalPractitioner"
    rows: list[Row] = []
    for segment in reading.message.segments[2:] if len(reading.message.all("PID")) == 1 else ():
        if segment.name in _ABOUT_SOMETHING_ELSE:
            break
        if segment.name in participation.SEGMENTS:
            rows.append(reading.row(segment))
    for part in participation.parts(rows, participation.PRIMARY, at=reading.time_of_message(), to=to):
        for repetition in range(1, part.row.count(part.person) + 1):
            yield from _gp_of_xcn(part.row, part.person, repetition, to)
        practice = _practice(part.row, part.organisation, 1, to)
        if len(practice) > 1:
            yield practice


def _gp_of_xcn(row: Row, number: int, repetition: int, to: str) -> list[Json]:
    row.minimise(number, 0, repetition, rule="staff")
    value = row.text(number, 1, repetition, to=f"{to}.identifier.value")
    authority = row.text(number, 9, repetition, to=f"{to}.identifier.system")
    display = display_name(row, number, repetition, first=2, to=f"{to}.display")
    if not value and not display:
        return []
    ods = ods_code(row, number, repetition, authority)
    if ods is not None and not (ods[0] in "CG" and ods[1:].isdigit() and len(ods) == 8):
        reference: Json = {"type": "Organization", "identifier": {"system": systems.ODS, "value": ods}}
    else:
        reference = {"type": "Practitioner"}
        if value:
            system = systems.GMP_NUMBER if value[0] == "G" and len(value) == 8 else practitioner_system(authority)
            reference["identifier"] = {"system": system, "value": value}
    if display:
        reference["display"] = display
    return [reference]
