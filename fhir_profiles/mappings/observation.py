"""One OBX as one Observation: an assay of a drug test, or an ordinary laboratory result. It must never say that a result was expected.

A drug test carries its substance group, its method (screening or confirmatory), its purpose, and what it found as an interpretation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.datatypes import (
    coding,
    concept,
    establishment_extension,
    order_identifier,
    organisation,
    practitioners,
    slug,
    words,
)
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.observation_value import drug_value, value
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import assay, test_method

PROFILE: Final = systems.UK_CORE + "UKCore-Observation-Lab"
STATUSES: Final = {
    "F": "final",
    "U": "final",
    "P": "preliminary",
    "R": "preliminary",
    "S": "preliminary",
    "A": "amended",
    "C": "corrected",
    "X": "cancelled",
    "N": "cancelled",
    "D": "entered-in-error",
    "W": "entered-in-error",
    "I": "registered",
    "O": "registered",
}
"""HL7 table 0085."""
_MEASURED: Final = 18
"""The first field of an OBX that says how a result was measured."""
_ANALYSED: Final = "http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time"
_FLAGS: Final = frozenset(
    ["<", ">", "A", "AA", "B", "CAR", "D", "DET", "E", "EX", "EXP", "H", "HH", "HU", "I", "IE", "IND", "L", "LL", "LU", "MS", "N",
     "NCL", "ND", "NEG", "NR", "NS", "POS", "R", "RR", "S", "SDD", "SYN-R", "SYN-S", "U", "UNE", "VS", "W", "WR"]
)  # fmt: skip
"""HL7 table 0078, as far as HL7 v3's ObservationInterpretation has the same letters."""
_RESULT_FLAGS: Final = {"positive": ("POS", "Positive"), "negative": ("NEG", "Negative")}


@dataclass(kw_only=True)
class Order:
    """What the OBR (and ORC, SPM) of an order says for all its results. `rejected`: why its specimen was, `remarks` how it came, in words."""

    key: tuple[str, ...]
    code: Json
    panel: bool
    purpose: str | None
    taken: str | None
    method: str | None
    specimen: Json | None
    encounter: Json | None
    rejected: str = ""
    remarks: Sequence[str] = ()
    seen: dict[tuple[str, ...], int] = field(default_factory=dict)
    drug_tests: int = 0


def observation(reading: Reading, row: Row, notes: Sequence[Json], order: Order) -> Json:
    """Make the Observation of one OBX with the notes (NTE, as Annotations) that follow it."""
    code = concept(row, 3, to="Observation.code") or {"text": "not stated"}
    known = assay(code)
    group = known.group
    method = known.method or _method_of(row) or order.method
    resource: Json = {
        "resourceType": "Observation",
        "id": _id(reading, row, order, method or ""),
        "meta": {"profile": [PROFILE]},
        "status": _status(reading, row),
        "category": [
            {"coding": [{"system": systems.OBSERVATION_CATEGORY, "code": "laboratory", "display": "Laboratory"}]}
        ],
        "code": code,
        "subject": {"reference": PATIENT_REFERENCE},
    }
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    flags = _flags(row)
    if order.rejected:
        flags.append({"text": f"specimen rejected: {order.rejected}"})
    found = value(reading, row)
    row.text(2, to="Observation.value[x]")
    drug_test = group is not None
    if drug_test:
        order.drug_tests += 1
        found = _drug_test(reading, row, resource, found, flags, (group or "", method, order.purpose))
    elif order.panel and found:
        reading.inform(row.place(3), "this result of a drug test belongs to no substance group that is known")
    resource.update(found or {"dataAbsentReason": {"coding": [coding(systems.DATA_ABSENT, "unknown")]}})
    if flags:
        resource["interpretation"] = flags
    _circumstances(reading, row, resource, order)
    notes = [*notes, *({"text": remark} for remark in order.remarks)]
    if notes:
        resource["note"] = notes
    return _in_order(resource)


def _id(reading: Reading, row: Row, order: Order, method: str) -> str:
    """Name the result by its order, code, sub-id and method; the third of the same name is the third, whatever OBX-1 says."""
    name = (row.peek(3) or row.peek(3, 2), row.peek(3, 3), row.peek(4), method)
    order.seen[name] = order.seen.get(name, 0) + 1
    row.text(4, to="Observation.id")
    return stable_id("Observation", reading.sender, *order.key, *name, str(order.seen[name]))


def _status(reading: Reading, row: Row) -> str:
    written = row.text(11, to="Observation.status").upper()
    known = STATUSES.get(written)
    if known is None:
        if written:
            row.unsupported(11, reason="not a value of table 0085")
        reading.warn(row.place(11), "the status of a result is missing or not in table 0085", code="code-invalid")
    return known or "unknown"


def _flags(row: Row) -> list[Json]:
    """Read OBX-8: the usual flags as codes, others as text."""
    flags: list[Json] = []
    for repetition in range(1, row.count(8) + 1):
        written = row.text(8, 1, repetition, to="Observation.interpretation")
        display = row.text(8, 2, repetition, to="Observation.interpretation")
        if written.upper() in _FLAGS:
            row.text(8, 3, repetition, to="Observation.interpretation")
            flags.append({"coding": [coding(systems.INTERPRETATION, written.upper(), display)]})
        elif written or display:
            flags.append({"text": display or written})
    return flags


def _method_of(row: Row) -> str | None:
    method = concept(row, 17, to="Observation.method")
    return test_method(method) if method is not None else None


def _drug_test(
    reading: Reading,
    row: Row,
    resource: Json,
    found: Json,
    flags: list[Json],
    about: tuple[str, str | None, str | None],
) -> Json:
    """Add what makes a result a drug test, and give its value."""
    group, method, purpose = about
    code = resource["code"]
    resource["code"] = {
        **code,
        "coding": [*_but(code, systems.SUBSTANCE_GROUP), coding(systems.SUBSTANCE_GROUP, group)],
    }
    if purpose is not None:
        resource["category"].append({"coding": [{"system": systems.TEST_PURPOSE, "code": purpose}]})
    named = concept(row, 17, to="Observation.method")
    if method is not None:
        methods = [coding(systems.TEST_METHOD, method), *_but(named or {}, systems.TEST_METHOD)]
        resource["method"] = {"coding": methods, "text": (named or {}).get("text", method)}
    elif named is not None:
        resource["method"] = named
    said, result = drug_value(found, flags)
    codings: list[Json] = [{"system": systems.TEST_RESULT, "code": result}]
    known = _RESULT_FLAGS.get(result)
    if known is not None and known[0] not in {flag["coding"][0]["code"] for flag in flags if "coding" in flag}:
        codings.append({"system": systems.INTERPRETATION, "code": known[0], "display": known[1]})
    flags.append({"coding": codings})
    if result == "unknown" and found:
        reading.warn(row.place(5), "this drug test says neither positive nor negative in words that are known")
    return said


def _but(concept_as_sent: Json, system: str) -> list[Json]:
    """Give the codings as they were sent, without one that is ours: whoever was told ours may send it back."""
    return [each for each in concept_as_sent.get("coding", ()) if each.get("system") != system]


def _circumstances(reading: Reading, row: Row, resource: Json, order: Order) -> None:
    """Add when, by whom, on what, and against which range."""
    taken = reading.date_time(row, 14, to="Observation.effectiveDateTime") or order.taken
    if taken is not None:
        resource["effectiveDateTime"] = taken
    performers = _performers(row)
    if performers:
        resource["performer"] = performers
    if "method" not in resource:
        named = concept(row, 17, to="Observation.method")
        if named is not None:
            resource["method"] = named
    if order.specimen is not None:
        resource["specimen"] = order.specimen
    if order.encounter is not None:
        resource["encounter"] = order.encounter
    reference = row.text(7, to="Observation.referenceRange.text")
    if reference:
        resource["referenceRange"] = [{"text": reference}]
    if len(row.fields) > _MEASURED:
        _measurement(reading, row, resource)


def _performers(row: Row) -> list[Json]:
    """Read the laboratory (OBX-23, with its address OBX-24 in the words of its name; else OBX-15) and who answers for the result (OBX-16)."""
    to = "Observation.performer"
    laboratory = organisation(row, 23, to=to)
    if laboratory is not None:
        parts = [row.text(24, position, to=f"{to}.display") for position in (1, 2, 3, 9, 4, 5, 6)]
        laboratory["display"] = ", ".join(part for part in (laboratory.get("display", ""), *parts) if part)
    elif row.has(15):
        named = words(row, 15, to=f"{to}.display")
        laboratory = {"type": "Organization", "display": named} if named else None
    return [*([laboratory] if laboratory is not None else []), *(practitioners(row, 16, to=to) if row.has(16) else [])]


def _measurement(reading: Reading, row: Row, resource: Json) -> None:
    """Add with what and where on the body it was measured, when it was analysed, and the laboratory's number of it."""
    device = row.text(18, to="Observation.device.identifier.value")
    if device:
        named = row.text(18, 2, to="Observation.device.identifier.system")
        identifier = {"system": systems.LOCAL_ID + slug(named or "device"), "value": device}
        resource["device"] = {"type": "Device", "identifier": identifier}
    analysed = reading.date_time(row, 19, to="Observation.extension")
    if analysed is not None:
        resource.setdefault("extension", []).append({"url": _ANALYSED, "valueDateTime": analysed})
    site = concept(row, 20, to="Observation.bodySite")
    if site is not None:
        resource["bodySite"] = site
    number = order_identifier(row, 21, kind="FILL", to="Observation.identifier")
    if number is not None:
        resource["identifier"] = [number]


_ORDER: Final = (
    "resourceType",
    "id",
    "meta",
    "extension",
    "status",
    "category",
    "code",
    "subject",
    "encounter",
    "effectiveDateTime",
    "performer",
)


def _in_order(resource: Json) -> Json:
    """Put the elements into the order in which FHIR defines them, as far as a reader would notice."""
    return {name: resource[name] for name in _ORDER if name in resource} | resource
