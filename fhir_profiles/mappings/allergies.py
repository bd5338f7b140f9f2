"""AL1 and IAM as AllergyIntolerances: to what, how it shows itself, and how sure that is. It must never make one allergy of two, or lose a reaction.

An allergy is named by the sender's own number (IAM-7), else by what it is to: a later message about it supersedes the earlier one. What an
IAM says of the allergy of an AL1 counts: it says the same and more.
"""

from collections.abc import Iterable
from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.datatypes import coding, concept, name_of_code, slug, words
from fhir_profiles.mappings.field_ledger import Row, keep_order
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json

_TO: Final = "AllergyIntolerance"
_NOTE: Final = f"{_TO}.note.text"
_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
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
_SENSITIVITIES: Final = {"AL": "allergy", "IN": "intolerance", "CT": "intolerance"}
"""IAM-9, HL7 table 0436: it says of the kind what IAM-2 only implies. A side effect and an adverse reaction are neither, and stand in words."""
_SEVERITIES: Final = {
    "SV": "severe",
    "SEVERE": "severe",
    "MO": "moderate",
    "MODERATE": "moderate",
    "MI": "mild",
    "MILD": "mild",
}
"""HL7 table 0128, and its words."""
_SAYS_NOTHING: Final = frozenset({"U", "UNKNOWN", ""})
_CRITICALITIES: Final = {"SV": "high", "MI": "low"}
"""HL7 table 0128 again: senders write how bad a reaction was, and how dangerous the next one would be, in the same field."""
_STANDINGS: Final = {
    "C": ("active", "confirmed"),
    "I": ("inactive", "confirmed"),
    "U": ("active", "unconfirmed"),
    "P": ("active", "unconfirmed"),
    "S": ("active", "unconfirmed"),
    "D": ("active", "unconfirmed"),
    "E": (None, "entered-in-error"),
}
"""IAM-17, HL7 table 0438: how the allergy stands, and how sure it is. One that is doubted is not refuted."""
_DELETED: Final = "D"
"""IAM-6, HL7 table 0206, as DG1-21: what the sender deletes was never so. Added, updated and unchanged are what it is without the word."""
_ORDER: Final = ("resourceType", "id", "meta", "identifier", "clinicalStatus", "verificationStatus", "type", "category", "criticality", "code", "patient",
                 "onsetDateTime", "onsetString", "recordedDate", "note", "reaction")  # fmt: skip
_JOINED: Final = ("category", "reaction", "note")


def add_allergies(reading: Reading, told: Iterable[Row], managed: Iterable[Row]) -> None:
    """Add an AllergyIntolerance for each allergy that the AL1 (`told`) and the IAM (`managed`) of a message name."""
    told, managed = list(told), list(managed)
    for rows in (told, managed):
        keep_order(rows, to="Bundle.entry")
    found = [each for row in managed if (each := _managed(reading, row)) is not None]
    said = {name_of_code(each["code"]) for each in found}
    for row in told:
        code = concept(row, 3, to=f"{_TO}.code")
        if code is not None and name_of_code(code) in said:
            row.drop_by("told-once")
        elif (each := _told(reading, row, code)) is not None:
            found.append(each)
    once: dict[str, Json] = {}
    for each in found:
        once[each["id"]] = _joined(once[each["id"]], each) if each["id"] in once else each
    reading.resources += ({name: each[name] for name in _ORDER if name in each} for each in once.values())


def _joined(first: Json, other: Json) -> Json:
    """Make one of an allergy that is named twice: every reaction of both, the graver criticality, and how it stands by the last word."""
    standing = {"clinicalStatus", "verificationStatus"}
    joined = {**other, **{name: value for name, value in first.items() if name not in standing}}
    for name in _JOINED:
        members = [*first.get(name, ()), *(each for each in other.get(name, ()) if each not in first.get(name, ()))]
        if members:
            joined[name] = members
    if "high" in {first.get("criticality"), other.get("criticality")}:
        joined["criticality"] = "high"
    return joined


def _told(reading: Reading, row: Row, code: Json | None) -> Json | None:
    """Read an AL1."""
    if code is None:
        reading.warn(row.place(3), "an allergy that does not say to what was left out")
        return None
    resource: Json = _started(reading, code, ())
    resource["clinicalStatus"] = {"coding": [coding(_CLINICAL, "active")]}
    _say(row, resource)
    onset = reading.date_time(row, 6, to=f"{_TO}.onsetDateTime")
    if onset is not None:
        resource["onsetDateTime"] = onset
    return resource


def _managed(reading: Reading, row: Row) -> Json | None:
    """Read an IAM: what an AL1 says, and the number, the action, the standing and the times of it."""
    code = _code(row)
    if code is None:
        reading.warn(row.place(3), "an allergy that does not say to what was left out")
        return None
    number, namespace = row.text(7, to=f"{_TO}.identifier.value"), row.text(7, 2, to=f"{_TO}.identifier.system")
    resource = _started(reading, code, ("allergy", number, namespace) if number else ())
    if number:
        system = systems.LOCAL_ID + "allergy" + (f"/{slug(namespace)}" if namespace else "")
        resource["identifier"] = [{"system": system, "value": number}]
    notes = _standing(reading, row, resource)
    _say(row, resource)
    kind = _SENSITIVITIES.get(row.peek(9).upper())
    if kind is not None:
        row.mapped_field(9, to=f"{_TO}.type")
        resource["type"] = kind
    elif said := words(row, 9, to=_NOTE):
        resource.pop("type", None)
        notes.append(f"kind, as written: {said}")
    if said := words(row, 10, to=_NOTE):
        notes.append(f"group, as written: {said}")
    if notes:
        resource["note"] = [*resource.get("note", ()), *({"text": note} for note in notes)]
    onset = reading.date_time(row, 11, to=f"{_TO}.onsetDateTime")
    began = row.text(12, to=f"{_TO}.onsetString") if onset is None else ""
    recorded = reading.date_time(row, 13, to=f"{_TO}.recordedDate")
    for name, value in (("onsetDateTime", onset), ("onsetString", began), ("recordedDate", recorded)):
        if value:
            resource[name] = value
    return resource


def _code(row: Row) -> Json | None:
    """Read IAM-3, with the clinician's codes for the same (IAM-27) beside it."""
    code, also = concept(row, 3, to=f"{_TO}.code"), concept(row, 27, to=f"{_TO}.code")
    if code is None or also is None:
        return code or also
    codings = [*code.get("coding", ()), *also.get("coding", ())]
    return {"coding": codings, "text": code["text"]} if codings else code


def _started(reading: Reading, code: Json, number: tuple[str, ...]) -> Json:
    return {
        "resourceType": _TO,
        "id": stable_id(_TO, reading.sender, *(number or (name_of_code(code),))),
        "meta": {"profile": [systems.UK_CORE + "UKCore-AllergyIntolerance"]},
        "code": code,
        "patient": {"reference": PATIENT_REFERENCE},
    }


def _standing(reading: Reading, row: Row, resource: Json) -> list[str]:
    """Read IAM-6 and IAM-17. INVARIANT: an allergy of which no word that is known says otherwise is active (R4 ait-1)."""
    if row.peek(6).upper() == _DELETED:
        row.mapped_field(6, to=f"{_TO}.verificationStatus")
        resource["verificationStatus"] = {"coding": [coding(_VERIFICATION, "entered-in-error")]}
        return []
    written = row.peek(17).upper()
    clinical, sure = _STANDINGS.get(written, ("active", None))
    if clinical is not None:
        resource["clinicalStatus"] = {"coding": [coding(_CLINICAL, clinical)]}
    if sure is not None:
        row.mapped_field(17, to=f"{_TO}.verificationStatus")
        resource["verificationStatus"] = {"coding": [coding(_VERIFICATION, sure)]}
    elif said := words(row, 17, to=_NOTE):
        reading.warn(row.place(17), "how the allergy stands is said in words that are not known: they are in its note")
        return [f"how it stands, as written: {said}"]
    return []


def _say(row: Row, resource: Json) -> None:
    """Read what the two segments say in the same fields: kind (2), severity (4) and reactions (5)."""
    kind, category = _ALLERGENS.get(row.peek(2).upper(), (None, None))
    if kind is not None:
        row.mapped_field(2, to=f"{_TO}.{'type' if category is None else 'category'}")
        resource["type"] = kind
    elif row.has(2):
        row.residual(2, 0, reason="not a value of table 0127, or one without a category")
    if category is not None:
        resource["category"] = [category]
    criticality = _CRITICALITIES.get(row.peek(4).upper())
    if criticality is not None:
        resource["criticality"] = criticality
    severity = _severity(row, resource)
    manifestations = [
        item for repetition in range(1, row.count(5) + 1) if (item := _manifestation(row, repetition)) is not None
    ]
    # FHIR has no reaction without a manifestation: a severity alone says that it was not stated.
    if manifestations or severity is not None:
        reaction: Json = {"manifestation": manifestations or [{"text": "not stated"}]}
        resource["reaction"] = [reaction | ({"severity": severity} if severity is not None else {})]


def _manifestation(row: Row, repetition: int) -> Json | None:
    """Read a reaction, words in the standard (ST); a sender's code with its system is one."""
    to = f"{_TO}.reaction.manifestation"
    if row.peek(5, 3, repetition) or row.peek(5, 6, repetition):
        return concept(row, 5, repetition, to=to)
    said = words(row, 5, repetition, to=f"{to}.text")
    return {"text": said} if said else None


def _severity(row: Row, resource: Json) -> str | None:
    """Read how bad it was, by code or by word; a word that is not known is lost by nobody: it is in the note."""
    written = [row.peek(4, part) for part in (1, 2, 9)]
    severity = next((_SEVERITIES[each.upper()] for each in written if each.upper() in _SEVERITIES), None)
    if severity is not None:
        row.mapped_field(4, to=f"{_TO}.reaction.severity")
    elif all(each.upper() in _SAYS_NOTHING for each in written):
        if row.has(4):
            row.residual(4, 0, reason="a severity that says nothing")
    elif said := words(row, 4, to=_NOTE):
        resource["note"] = [{"text": f"severity, as written: {said}"}]
    return severity
