"""A Patient as PID and PD1: the other way round of `mappings/person.py`, and read back by it. It must never say more than the letter does."""

from collections.abc import Iterator, Sequence
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codings, referenced, words_of
from fhir_profiles.shapes import Json
from fhir_profiles.wires.er7 import components, leaf, repeated, segment, timestamp
from fhir_profiles.wires.sentences import Found, names_in_order
from fhir_profiles.wires.sentences import named as words_for
from fhir_profiles.wires.v2_types import concept, subcomponents

AUTHORITIES: Final = {systems.NHS_NUMBER: ("NHS", "NH"), systems.PRISON_NUMBER: ("NOMIS", "PI")}
_DOCTORS: Final = {systems.GMC_NUMBER: "GMC", systems.GMP_NUMBER: "GMP"}
_GENDERS: Final = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_NAME_USES: Final = {"official": "L", "usual": "D", "maiden": "M", "nickname": "N", "old": "BAD", "temp": "TEMP"}
_ADDRESS_USES: Final = {"home": "H", "work": "B", "temp": "C", "old": "BA", "billing": "BI"}
_EQUIPMENT: Final = {"phone": "PH", "fax": "FX", "pager": "BP", "email": "Internet", "other": "MD"}
_NOT_LASTING: Final = frozenset({"old", "temp"})
_CONTACT_USES: Final = {"home": "PRN", "work": "WPN", "temp": "VHN", "mobile": "PRS"}


def pid(patient: Json) -> str:
    """Write the PID of the person of a letter."""
    telecoms = as_objects(patient.get("telecom"))
    return segment(
        "PID",
        {
            1: "1",
            3: repeated(*map(_identifier, as_objects(patient.get("identifier")))),
            5: repeated(*map(_name, names_in_order(as_objects(patient.get("name"))))) or "^",
            7: timestamp(as_text(patient.get("birthDate"))),
            8: _GENDERS.get(as_text(patient.get("gender")), ""),
            11: repeated(*map(_address, as_objects(patient.get("address")))),
            13: repeated(*(_contact(each) for each in telecoms if as_text(each.get("use")) != "work")),
            14: repeated(*(_contact(each) for each in telecoms if as_text(each.get("use")) == "work")),
            15: next((concept(each.get("language")) for each in as_objects(patient.get("communication"))), ""),
            22: _ethnicity(patient),
            29: timestamp(as_text(patient.get("deceasedDateTime"))),
            30: {True: "Y", False: "N"}.get(patient.get("deceasedBoolean", ""), ""),
            32: _verification(patient),
        },
    )


def pd1(patient: Json, found: Found) -> str:
    """Write the PD1 that names the general practice (PD1-3) and the doctor (PD1-4); empty when the letter names neither."""
    named = as_objects(patient.get("generalPractitioner"))
    doctors = [each for each in named if _is_doctor(each, found)]
    practices = repeated(*_practices([each for each in named if each not in doctors], found))
    people = repeated(*(_doctor(each, found) for each in doctors))
    return segment("PD1", {3: practices, 4: people}) if practices or people else ""


def _identifier(identifier: Json) -> str:
    value, system = as_text(identifier.get("value")), as_text(identifier.get("system"))
    # INVARIANT: PID-3 has no word for a number that holds no more: somebody would be found by it, and it may be another's.
    if not value or as_text(identifier.get("use")) in _NOT_LASTING:
        return ""
    authority, kind = AUTHORITIES.get(system, (system.removeprefix(systems.LOCAL_ID), ""))
    kind = kind or next((as_text(each.get("code")) for each in codings(identifier.get("type"))), "")
    return components(value, "", "", authority, kind)


def _name(name: Json) -> str:
    given = [as_text(each) for each in name.get("given") or () if isinstance(each, str)]
    family = as_text(name.get("family")) or ("" if given else as_text(name.get("text")))
    first, rest = (given[0] if given else ""), " ".join(given[1:])
    suffix, prefix = (" ".join(filter(None, map(as_text, name.get(part) or ()))) for part in ("suffix", "prefix"))
    written = components(family, first, rest, suffix, prefix, "", _NAME_USES.get(as_text(name.get("use")), ""))
    return written if family or given else ""


def _address(address: Json) -> str:
    lines = [as_text(each) for each in address.get("line") or () if isinstance(each, str)]
    first, rest = (lines[0] if lines else as_text(address.get("text"))), ", ".join(lines[1:])
    parts = (as_text(address.get(member)) for member in ("city", "state", "postalCode", "country"))
    written = (subcomponents(first), leaf(rest), *map(leaf, parts), _ADDRESS_USES.get(as_text(address.get("use")), ""))
    return "^".join((*written, "", leaf(as_text(address.get("district"))))).rstrip("^")


def _contact(contact: Json) -> str:
    value, system = as_text(contact.get("value")), as_text(contact.get("system"))
    if not value or as_text(contact.get("use")) == "old":  # of a telephone there is no code for that either
        return ""
    if system == "email":
        return components("", "NET", "Internet", value)
    return components(value, _CONTACT_USES.get(as_text(contact.get("use")), ""), _EQUIPMENT.get(system, "PH"))


def _practices(practices: Sequence[Json], found: Found) -> Iterator[str]:
    for practice in practices:
        held = as_object(found.get(referenced(practice)))
        system, value = _number(practice, held)
        named = as_text(practice.get("display")) or as_text(held.get("name"))
        if value or named:
            yield components(named, "", value, "", "", "ODS" if value and system in {systems.ODS, ""} else "")


def _is_doctor(named: Json, found: Found) -> bool:
    """Is it a person and no practice? A doctor's number in the place of an ODS code would name an organisation that there is not."""
    held = as_object(found.get(referenced(named)))
    kinds = {as_text(named.get("type")), as_text(held.get("resourceType"))}
    return bool(kinds & {"Practitioner", "PractitionerRole"}) or _number(named, held)[0] in _DOCTORS


def _doctor(named: Json, found: Found) -> str:
    held = as_object(found.get(referenced(named)))
    system, value = _number(named, held)
    name = words_for(named, found)
    return components(value, name, "", "", "", "", "", "", _DOCTORS.get(system, "")) if value or name else ""


def _number(named: Json, held: Json) -> tuple[str, str]:
    """The system and the value of the first number of who is named."""
    numbers = (*as_objects(named.get("identifier")), *as_objects(held.get("identifier")))
    return next(((as_text(each.get("system")), as_text(each.get("value"))) for each in numbers), ("", ""))


def _ethnicity(patient: Json) -> str:
    for extension in as_objects(patient.get("extension")):
        if extension.get("url") == systems.UK_CORE_ETHNIC_CATEGORY:
            coding = next(codings(extension.get("valueCodeableConcept")), {})
            return components(as_text(coding.get("code")), as_text(coding.get("display")))
    return ""


def _verification(patient: Json) -> str:
    for identifier in as_objects(patient.get("identifier")):
        for extension in as_objects(identifier.get("extension")):
            if extension.get("url") == systems.UK_CORE_VERIFICATION:
                held = extension.get("valueCodeableConcept")
                return next((leaf(as_text(each.get("code"))) for each in codings(held)), leaf(words_of(held)))
    return ""
