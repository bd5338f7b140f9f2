"""Each HL7 v2 code that we translate beside what HL7's own concept map says (v2-to-FHIR implementation guide): what is the same, and what is not.

Ours is asked from outside: a message with the code goes through its mapping, and the answer is read where HL7's map puts it.
`python -m tests.fhir_profiles.mappings.hl7_maps` writes `hl7_maps.csv` again and keeps the reasons; a new row has none, and the test fails.
"""

import csv
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as made_anew
from pathlib import Path
from typing import Any, Final

from fhir_profiles import mappings, systems
from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.shapes import Channel, Json
from tests.samples import samples_folder

DIFFERENCES: Final = Path(__file__).parent / "hl7_maps.csv"
COLUMNS: Final = ("field", "code", "hl7", "ours", "reason")
CHANNEL: Final = Channel(name="maps", format="hl7v2")
V2: Final = systems.V2_TABLE
AS_SENT: Final = "*"
"""In place of a code: every code of the table, where ours is the code as it was sent."""

_HEAD: Final = "MSH|^~\\&|EHR|ZFG|TG|GATE|20260115100000+0000||{kind}|M-1|P|2.5.1"
_PERSON: Final = "PID|1||9990000018^^^NHS^NH||Birkett-Test^Alex"
_STAY: Final = "PV1|1|I|B1^^^ZFG"
_DRUG: Final = "36120711000001104^Methadone 1mg/ml oral solution^SCT"
_TEST: Final = "26604007^FBC^SCT"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One field: HL7's map of it, our tables behind it (`module.NAME`), and a message with `@` where the code stands.

    `as_sent`: the HL7 v2 table whose codes are carried as they were sent. `nothing`: the word that says that nothing is known, where FHIR
    asks for one. `same`: our words for HL7's, where the resource is another one than HL7's map is for.
    """

    field: str
    hl7: str
    kind: str
    lines: tuple[str, ...]
    resource: str
    path: str
    tables: tuple[str, ...] = ()
    with_system: bool = False
    as_sent: str = ""
    nothing: str = ""
    same: Mapping[str, str] = made_anew(default_factory=dict)


def _adt(field: str, hl7: str, line: str, path: str, *, resource: str = "Patient", **more: Any) -> Compared:
    lines = (line,) if line.startswith("PID") else (_PERSON, line)
    lines = lines if any(each.startswith("PV1") for each in lines) else (*lines[:1], _STAY, *lines[1:])
    return Compared(field=field, hl7=hl7, kind="ADT^A08^ADT_A01", lines=lines, resource=resource, path=path, **more)


def _order(field: str, hl7: str, *lines: str, path: str, resource: str, kind: str, **more: Any) -> Compared:
    return Compared(field=field, hl7=hl7, kind=kind, lines=(_PERSON, *lines), resource=resource, path=path, **more)


_OML: Final = "OML^O21^OML_O21"
_ORU: Final = "ORU^R01^ORU_R01"
_RDE: Final = "RDE^O11^RDE_O11"
_ENDED: Final = {"cancelled": "revoked", "stopped": "revoked"}
"""A MedicationRequest is cancelled or stopped where a ServiceRequest is revoked."""
_RXE: Final = f"RXE||{_DRUG}|30||mg^mg"
_ALLERGY: Final = "AllergyIntolerance"
COMPARED: Final = (
    _adt("PID-8", "AdministrativeSex", f"{_PERSON}|||@", "gender", tables=("person._GENDERS",)),
    _adt("PID-16", "MaritalStatus", f"{_PERSON}|||||||||||@", "maritalStatus.coding", with_system=True,
         tables=("person._MARITAL", "person._NO_MARITAL")),
    _adt("PID-24", "YesNoIndicator", f"{_PERSON}|||||||||||||||||||@", "multipleBirthBoolean"),
    _adt("PID-30", "YesNoIndicator", f"{_PERSON}|||||||||||||||||||||||||@", "deceasedBoolean"),
    _adt("PID-5.7", "NameType", "PID|1||9990000018^^^NHS^NH||Birkett-Test^Alex^^^^^@", "name.use", tables=("person_contact._NAME_USES",)),
    _adt("PID-5.11", "NameAssemblyOrder", "PID|1||9990000018^^^NHS^NH||Birkett-Test^Alex^^^^^^^^^@", "name.extension.valueCode"),
    _adt("PID-11.7", "AddressType[Use]", f"{_PERSON}||||||1 Example Street^^^^ZA1 1AA^^@", "address.use", tables=("person_contact._ADDRESS_USES",)),
    _adt("PID-11.7 (type)", "AddressType[Type]", f"{_PERSON}||||||1 Example Street^^^^ZA1 1AA^^@", "address.type"),
    _adt("PID-13.2", "TelecommunicationUseCode", f"{_PERSON}||||||||^@^PH^^^^5550100", "telecom.use", tables=("person_contact._TELECOM_USES",)),
    _adt("PID-13.3", "TelecommunicationEquipmentType", f"{_PERSON}||||||||5550100^^@", "telecom.system",
         tables=("person_contact._TELECOM_SYSTEMS",)),
    _adt("NK1-15", "AdministrativeSex", "NK1|1|Other^Sam|||||||||||||@", "contact.gender", tables=("adt_details._GENDERS",)),
    _adt("NK1-3", "Relationship", "NK1|1|Other^Sam|@^^HL70063", "contact.relationship.coding", with_system=True, as_sent="0063"),
    _adt("NK1-7", "ContactRole", "NK1|1|Other^Sam|||||@^^HL70131", "contact.relationship.coding", with_system=True, as_sent="0131"),
    _adt("AL1-2", "AllergyType", "AL1|1|@|^Penicillin", "type", resource=_ALLERGY, tables=("allergies._ALLERGENS",)),
    _adt("AL1-2 (category)", "AllergenType[AllergyIntoleranceCategory]", "AL1|1|@|^Penicillin", "category", resource=_ALLERGY),
    _adt("AL1-4", "AllergySeverity[AllergyIntolerance.criticality]", "AL1|1|DA|^Penicillin|@", "criticality", resource=_ALLERGY,
         tables=("allergies._CRITICALITIES",)),
    _adt("AL1-4 (severity)", "AllergySeverity[AllergyIntolerance.reaction.severity]", "AL1|1|DA|^Penicillin|@|Rash", "reaction.severity",
         resource=_ALLERGY, tables=("allergies._SEVERITIES",)),
    _adt("PV1-2", "PatientClass[EncounterClass]", "PV1|1|@|B1^^^ZFG", "class", resource="Encounter", with_system=True, tables=("encounter._CLASSES",)),
    _adt("PV1-4", "AdmissionType", f"{_STAY}|@^^HL70007", "type.coding", resource="Encounter", with_system=True, as_sent="0007"),
    _adt("PV1-13", "ReadmissionIndicator", f"{_STAY}||||||||||@^^HL70092", "hospitalization.reAdmission.coding", resource="Encounter",
         with_system=True, as_sent="0092"),
    _adt("PV1-15", "AmbulatoryStatus", f"{_STAY}||||||||||||@^^HL70009", "hospitalization.specialArrangement.coding", resource="Encounter",
         with_system=True, as_sent="0009"),
    Compared(field="PV2-25", hl7="EncounterPriority", kind="ADT^A08^ADT_A01", lines=(_PERSON, _STAY, f"PV2{'|' * 25}@^^HL70217"),
             resource="Encounter", path="priority.coding", with_system=True, as_sent="0217"),
    Compared(field="MSH-9.2", hl7="Event[EncounterStatus]", kind="ADT^@", lines=(_PERSON, _STAY), resource="Encounter", path="status"),
    Compared(field="PV1-2 (status)", hl7="PatientClass[EncounterStatus]", kind="ADT^A01^ADT_A01", lines=(_PERSON, "PV1|1|@|B1^^^ZFG"),
             resource="Encounter", path="status"),
    _order("OBX-8", "InterpretationCodes", "ORC|RE|O-1", f"OBR|1|O-1||{_TEST}", "OBX|1|NM|718-7^Hb^LN||140|g/L||@|||F", kind=_ORU,
           resource="Observation", path="interpretation.coding", with_system=True, tables=("observation._FLAGS",)),
    _order("OBX-11", "ObservationResultStatusCodesInterpretation", "ORC|RE|O-1", f"OBR|1|O-1||{_TEST}", "OBX|1|NM|718-7^Hb^LN||140|g/L|||||@", kind=_ORU,
           resource="Observation", path="status", tables=("observation.STATUSES",), nothing="unknown"),
    _order("OBR-25", "ResultStatus[Non-Queries]", "ORC|RE|O-1", f"OBR|1|O-1||{_TEST}{'|' * 21}@", "OBX|1|NM|718-7^Hb^LN||140|g/L|||||F", kind=_ORU,
           resource="DiagnosticReport", path="status", tables=("oru_r01._STATUSES",), nothing="unknown"),
    _order("SPM-20", "YesNoIndicator[AvailabilityStatus]", "ORC|RE|O-1", f"OBR|1|O-1||{_TEST}", "OBX|1|NM|718-7^Hb^LN||140|g/L|||||F",
           f"SPM|1|S-1||BLD{'|' * 16}@", kind=_ORU, resource="Specimen", path="status", tables=("specimen._STATUSES",)),
    _order("ORC-1", "OrderControlCode[ServiceRequest.status]", "ORC|@|O-1", f"OBR|1|O-1||{_TEST}", kind=_OML, resource="ServiceRequest",
           path="status", tables=("service_request._CONTROLS",), nothing="unknown"),
    _order("ORC-5", "OrderStatus", "ORC|SC|O-1|||@", f"OBR|1|O-1||{_TEST}", kind=_OML, resource="ServiceRequest",
           path="status", tables=("service_request._STATUSES",), nothing="unknown"),
    _order("ORC-5 (medicine)", "OrderStatus", "ORC|SC|O-1|||@", _RXE, kind=_RDE, resource="MedicationRequest",
           path="status", tables=("prescription._ORDER_STATUSES",), nothing="unknown", same=_ENDED),
    _order("ORC-1 (medicine)", "OrderControlCode[ServiceRequest.status]", "ORC|@|O-1", _RXE, kind=_RDE, resource="MedicationRequest",
           path="status", tables=("prescription._CONTROLS",), nothing="unknown", same=_ENDED),
    _order("ORC-28", "ConfidentialityCode", f"ORC|RE|O-1{'|' * 26}@", f"OBR|1|O-1||{_TEST}", "OBX|1|NM|718-7^Hb^LN||140|g/L|||||F", kind=_ORU,
           resource="DiagnosticReport", path="meta.security", with_system=True, tables=("confidential._LABELS",)),
    _order("OBR-5", "ExtendedPriorityCodes", "ORC|NW|O-1", f"OBR|1|O-1||{_TEST}|@", kind=_OML, resource="ServiceRequest",
           path="priority", tables=("service_request.PRIORITIES",)),
    _order("TQ1-9", "ExtendedPriorityCodes", "ORC|NW|O-1", _RXE, "TQ1|1||QD||||||@", kind=_RDE, resource="MedicationRequest",
           path="priority", tables=("prescription._PRIORITIES",)),
    _order("RXE-9", "AllowSubstitution", "ORC|NW|O-1", f"{_RXE}||||@", kind=_RDE, resource="MedicationRequest", path="substitution.allowedBoolean"),
    _order("RXR-1", "RouteOfAdministration", "ORC|NW|O-1", _RXE, "RXR|@^^HL70162", kind=_RDE, resource="MedicationRequest",
           path="dosageInstruction.route.coding", with_system=True, as_sent="0162"),
    _order("RXA-20", "CompletionStatus", "ORC|RE|O-1", f"RXA|0|1|20260115090000+0000||{_DRUG}|30|mg^mg{'|' * 13}@", kind="RAS^O17^RAS_O17",
           resource="MedicationAdministration", path="status", tables=("ras_o17._STATUSES",)),
    _order("TXA-18", "DocumentConfidentialityStatus", f"TXA|1|DS|TX|||||||||D-1{'|' * 6}@", "OBX|1|TX|^Note||seen|", kind="MDM^T02^MDM_T02",
           resource="DocumentReference", path="securityLabel.coding", with_system=True, tables=("mdm_t02._CONFIDENTIALITY",)),
    _adt("DG1-6", "DiagnosisType", "DG1|1||F11.2^Opioid dependence^I10|||@", "verificationStatus.coding", resource="Condition", with_system=True,
         tables=("adt_details._CERTAINTY",)),
)  # fmt: skip
NO_MAP: Final[Mapping[str, str]] = {
    "adt_a03.EVENTS": "our own words for a disposition, which HL7 leaves to each site (table 0112)",
    "adt_a03._TASKS": "our own words",
    "allergies._SENSITIVITIES": "IAM-9 (table 0436): HL7's map of IAM leaves it out",
    "allergies._STANDINGS": "IAM-17 (table 0438): HL7's map has no concept map for it",
    "participation._PLACES": "places of a segment, not codes",
    "datatypes._SYSTEMS": "names of code systems, not codes: HL7 names the systems in its guide, no concept map has them",
    "datatypes._ORDER_NUMBERS": "kinds of FHIR identifiers, not codes of a message",
    "datatypes._UNIVERSAL": "how an id of table 0301 is written as a URI; HL7's map keeps the letters as a type",
    "datatypes._UNITS": "units of measure as UCUM (terminology/units.csv), each row with its source",
    "dosage._UNITS": "letters of a repeat pattern (table 0335), which becomes a Timing and no code",
    "field_ledger._RULES": "what is minimised at intake, no translation",
    "mdm_t02._COMPLETION": "TXA-17 (table 0271): HL7's map of TXA has no concept map for it",
    "mdm_t02._GONE": "TXA-19 (table 0273): HL7's map of TXA has no concept map for it",
    "mdm_t02._RESULT_STATUS": "OBX-11 as the status of a document, for which HL7 has no concept map",
    "minimised._BY_ELEMENT": "what is minimised at intake, no translation",
    "observation_value._SNOMED": "our result words as SNOMED CT",
    "observation_value._MEDIA_TYPES": "ED.3 (table 0291) as MIME types, which HL7 maps as written",
    "observation._RESULT_FLAGS": "our result words as flags",
    "person._VERIFICATION": "PID-32 as the NHS number verification status of UK Core: English senders' own codes",
    "person._UNNAMED": "names of identifiers, not codes of a message",
    "ppr_pc1._LIFE_CYCLES": "PRB-14: HL7 has no map of PRB",
    "ppr_pc1._CONFIRMATIONS": "PRB-13: HL7 has no map of PRB",
    "prescription._CATEGORIES": "ORC-29 (table 0482): HL7 maps it to a place, not to the category of a prescription",
    "ras_o17._WHY_NOT": "RXA-20 in words",
    "confidential._WORDS": "ORC-28: the words of table 0177, for its codes",
    "rds_o13._CONTROLS": "ORC-1 of a dispense: HL7 has no map of RXD",
    "reading._HEADER_FIELDS": "places of a message header, not codes",
    "ref_i12._STATUSES": "RF1-1 (table 0283): HL7 has no map of RF1",
}
"""Our other tables, and why none of HL7's concept maps can judge them."""


def tables_of_ours() -> set[str]:
    """Every table of words at the top of a module that reads HL7 v2, as `module.NAME`."""
    found = set()
    for info in pkgutil.iter_modules(mappings.__path__):
        if info.name.startswith(("fhir_", "hmpps")):
            continue
        module = importlib.import_module(f"{mappings.__name__}.{info.name}")
        source = Path(str(module.__file__)).read_text("utf-8")
        for name, value in vars(module).items():
            if (
                isinstance(value, Mapping)
                and value
                and f"\n{name}: Final" in source
                and all(isinstance(key, str | int) for key in value)
            ):
                found.add(f"{info.name}.{name}")
    return found


def _table(name: str) -> Iterable[str]:
    module, constant = name.split(".")
    found: Iterable[str] = getattr(importlib.import_module(f"{mappings.__name__}.{module}"), constant)
    return found


def hl7_map(path: Path, *, with_system: bool) -> dict[str, str]:
    """What one concept map of HL7 gives for each code; nothing where it gives nothing."""
    found: dict[str, str] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            code, target, system = (row[column].strip() if column < len(row) else "" for column in (0, 6, 9))
            if code and code not in {"Code", "HL7 v2"}:
                written = f"{system}|{target}" if with_system and target else target
                found[code] = " or ".join(each for each in (found.get(code), written) if each)
    return found


def ours(compared: Compared, code: str) -> str:
    """What our mapping makes of the code, at the place where HL7's map puts it; nothing where it makes nothing."""
    kind = compared.kind.replace("@", code)
    if "^".join(kind.split("^")[:2]) not in MAPPINGS:
        return "not read"
    lines = [_HEAD.format(kind=kind), *(line.replace("@", code) for line in compared.lines)]
    translation = MAPPINGS["^".join(kind.split("^")[:2])](CHANNEL, ("\r".join(lines) + "\r").encode())
    made: list[Json] = [entry["resource"] for entry in translation.bundle["entry"]]
    value: Any = next((each for each in made if each["resourceType"] == compared.resource), {})
    for part in compared.path.split("."):
        value = value[0] if isinstance(value, list) and value else value
        value = value.get(part, "") if isinstance(value, dict) else ""
    value = value[0] if isinstance(value, list) and value else value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{value.get('system', '')}|{value['code']}"
    return "" if value == compared.nothing else compared.same.get(str(value), str(value))


def differences(folder: Path, chosen: Iterable[Compared] = COMPARED) -> list[tuple[str, str, str, str]]:
    """Field, code, HL7's word and ours, wherever the two are not the same; codes of HL7's map and of our tables."""
    found = []
    for compared in chosen:
        said = hl7_map(folder / "v2-to-fhir" / "codesystems" / f"{compared.hl7}.csv", with_system=compared.with_system)
        known = {code.upper() for code in said}
        more = (str(code) for table in compared.tables for code in _table(table) if str(code) not in known)
        codes = dict.fromkeys([*said, *more])
        rows = [(code, said.get(code, ""), ours(compared, code)) for code in codes]
        apart = [row for row in rows if row[1] != row[2]]
        as_sent = [row for row in apart if compared.as_sent and row[2] == f"{V2}{compared.as_sent}|{row[0]}"]
        if as_sent:
            found.append((compared.field, AS_SENT, compared.hl7, f"{V2}{compared.as_sent}"))
        found += [(compared.field, *row) for row in apart if row not in as_sent]
    return found


def listed() -> dict[tuple[str, str, str, str], str]:
    """The committed differences, each with its reason."""
    with DIFFERENCES.open(encoding="utf-8", newline="") as file:
        return {(row["field"], row["code"], row["hl7"], row["ours"]): row["reason"] for row in csv.DictReader(file)}


def write(folder: Path, known: Callable[[], dict[tuple[str, str, str, str], str]] = listed) -> None:
    reasons = {row[:2]: reason for row, reason in known().items()} if DIFFERENCES.exists() else {}
    with DIFFERENCES.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file, lineterminator="\n")
        written.writerow(COLUMNS)
        written.writerows((*row, reasons.get(row[:2], "")) for row in differences(folder))


if __name__ == "__main__":
    write(samples_folder())
