"""HL7 v2 data types as FHIR data types (HL7 v2-to-FHIR implementation guide, data type maps). It must never invent a code or a system.

Every function reads through a `Row`, so what it takes is in the ledger. Texts are cut of surrounding blanks; an absent value gives None.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, NamedTuple

from fhir_profiles import systems
from fhir_profiles.hl7v2 import NULL, Delimiters
from fhir_profiles.mappings.field_ledger import Key, Mark, Row, component_text, went_to
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import lookup

_SYSTEMS: Final = {
    "LN": systems.LOINC,
    "LOINC": systems.LOINC,
    "2.16.840.1.113883.6.1": systems.LOINC,
    "SCT": systems.SNOMED,
    "SNM": systems.SNOMED,
    "SNM3": systems.SNOMED,
    "SNOMED": systems.SNOMED,
    "SNOMED-CT": systems.SNOMED,
    "SNOMED CT": systems.SNOMED,
    "SNOMEDCT": systems.SNOMED,
    "2.16.840.1.113883.6.96": systems.SNOMED,
    "2.16.840.1.113883.2.1.3.2.4.15": systems.SNOMED,
    "DMD": systems.DMD,
    "DM+D": systems.DMD,
    "UCUM": systems.UCUM,
    "ODS": systems.ODS,
    "NOMIS": "NOMIS",
}
_CODINGS: Final = ((0, 6), (3, 7), (9, 12))
"""Of each coding of a CWE, the index of its first component and of its version."""
_V2_TABLE: Final = re.compile(r"(?:HL7)?([0-9]{4})")
_ORDER_NUMBERS: Final = {"PLAC": "placer-order", "FILL": "filler-order", "PGN": "placer-group"}
_NOT_IN_URI: Final = re.compile(r"[^a-z0-9.+-]+")
_NUMBER: Final = re.compile(r"([+-]?)([0-9]{0,30})(?:\.([0-9]{0,30}))?")
_CHECK_DIGIT: Final = "http://hl7.org/fhir/StructureDefinition/"
_ODS_AUTHORITIES: Final = frozenset({"ODS", systems.ODS.upper()})
_UNIVERSAL: Final = {"ISO": "urn:oid:", "UUID": "urn:uuid:", "GUID": "urn:uuid:"}
"""HL7 table 0301: the kinds of universal id that are URIs."""
_UNITS: Final = lookup("units").by("written")
_SHORT: Final = 256
"""Characters. A longer text is read anew each time: those that were read last must not fill memory."""
Place = tuple[Row, int, int, int]
"""Where a value stands: segment, field, repetition, component."""
_ODS_CODE: Final = re.compile(r"(?=[A-Z0-9]*[0-9])[A-Z][A-Z0-9]{2,9}")


def slug(text: str) -> str:
    """Write a name as a part of a URI."""
    return _NOT_IN_URI.sub("-", text.lower()).strip("-") or "unnamed"


@lru_cache(maxsize=1_024)
def code_system(name: str) -> str | None:
    """Give the URI of a coding system as HL7 v2 names it (table 0396); a system that is not known gets a local URI, none gives None."""
    if not name:
        return None
    known = _SYSTEMS.get(name.upper())
    if known is not None:
        return known if known != "NOMIS" else systems.LOCAL_CODE + "nomis"
    table = _V2_TABLE.fullmatch(name.upper())
    if table is not None:
        return systems.V2_TABLE + table.group(1)
    return (
        name
        if name.startswith(("http://", "https://", "urn:oid:")) and " " not in name
        else systems.LOCAL_CODE + slug(name)
    )


def code(text: str) -> str:
    """Write a FHIR code: single blanks inside, none around."""
    return " ".join(text.split())


def coding(system: str | None, value: str, display: str = "") -> Json:
    """Make a Coding; what is empty is left out."""
    result: Json = {}
    if system:
        result["system"] = system
    if value:
        result["code"] = code(value)
    if display:
        result["display"] = display
    return result


@lru_cache(maxsize=256)
def _concept_marks(to: str) -> tuple[Mark, ...]:
    """Give where each of the components 1 to 13 of a CE or CWE goes; those after it go nowhere."""
    suffixes = ("coding.code", "coding.display", "coding.system")
    version = went_to(f"{to}.coding.version")
    return (
        *(went_to(f"{to}.{suffixes[position % 3]}") for position in range(6)),
        version,
        version,
        went_to(f"{to}.text"),
        *(went_to(f"{to}.{suffix}") for suffix in suffixes),
        version,
    )


class _Read(NamedTuple):
    """What a CE or CWE says: its codings (as members of a Coding), its text, and for each component that is carried where its mark stands."""

    codings: tuple[tuple[tuple[str, str], ...], ...]
    text: str
    carried: tuple[tuple[int, int], ...]


def _read(raw: str, delimiters: Delimiters, charset: str) -> _Read:
    parts = [
        component_text(part, delimiters, charset) if part else "" for part in raw.split(delimiters.component, 13)[:13]
    ]
    parts += [""] * (13 - len(parts))
    codings: list[Json] = []
    carried: list[tuple[int, int]] = []
    for first, version in _CODINGS:
        if parts[first]:
            made = coding(code_system(parts[first + 2]), parts[first], parts[first + 1])
            carried += [(place + 1, place) for place in range(first, first + 3) if parts[place]]
            if parts[version]:
                carried.append((version + 1, version))
                made["version"] = parts[version]
            codings.append(made)
    said = next((place for place in (8, 1, 4) if parts[place]), None)
    if said is not None and (said == 8 or not parts[said - 1]):
        carried.append((said + 1, 8))
    text = parts[said] if said is not None else (codings[0]["code"] if codings else "")
    return _Read(tuple(tuple(made.items()) for made in codings), text, tuple(carried))


_lately_read = lru_cache(maxsize=4_096)(_read)


@lru_cache(maxsize=4_096)
def _carried(number: int, repetition: int, to: str, carried: tuple[tuple[int, int], ...]) -> Mapping[Key, Mark]:
    marks = _concept_marks(to)
    return {(number, repetition, position, 0): marks[place] for position, place in carried}


def concept(row: Row, number: int, repetition: int = 1, *, to: str) -> Json | None:
    """Read a CE, CWE, CNE, IS or ID as a CodeableConcept: every coding, and the text that a person read."""
    raw = row.repetition(number, repetition)
    if not raw or raw == NULL:
        return None
    # The same few codes come again and again: a short one is read once, whoever sends it.
    read = _lately_read if len(raw) <= _SHORT else _read
    found = read(raw, row.segment.delimiters, row.message.charset)
    row.mark_firsts(_carried(number, repetition, to, found.carried))
    if not found.text:
        return None
    if not found.codings:
        return {"text": found.text}
    return {"coding": [dict(members) for members in found.codings], "text": found.text}


def words(row: Row, number: int, repetition: int = 1, *, to: str) -> str:
    """Read a CE or CWE as one reads it, where only its words are carried: the original text, else its name, else its code."""
    said = (row.text(number, component, repetition, to=to) for component in (9, 2, 5, 1))
    return next((each for each in said if each), "")


def name_of_code(found: Json) -> str:
    """Give what names an allergy or a diagnosis among those of one sender: its first code, else its text."""
    first: Json = found.get("coding", [{}])[0]
    return f"{first.get('system', '')}|{first['code']}" if "code" in first else found["text"].lower()


def number_of(text: str) -> int | Decimal | None:
    """Read an NM: a whole number stays one, a fraction keeps its digits; None when it is no number of at most 30 digits each side."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None or not (found.group(2) or found.group(3)):
        return None
    sign, whole, fraction = found.groups()
    try:
        if not fraction:
            return int(f"{sign}{whole or '0'}")
        return Decimal(f"{sign if sign == '-' else ''}{int(whole or '0')}.{fraction}")
    except (ValueError, InvalidOperation):
        return None


def unit(written: str, display: str = "", system: str = "") -> Json:
    """Give unit, system and code of a Quantity: UCUM where the sender says so or the list of units knows the spelling; else the text alone."""
    if not written and not display:
        return {}
    result: Json = {"unit": display or written}
    ucum = written if code_system(system) == systems.UCUM else ""
    row = _UNITS.get(written)
    if not ucum and row is not None and system.upper() in {"", "L", "ISO+", "UCUM"}:
        ucum = row["ucum"]
    if ucum and " " not in ucum:
        result["system"], result["code"] = systems.UCUM, ucum
    return result


def unit_of(row: Row, number: int, *, to: str) -> Json:
    """Read the CE or CWE that names a unit, as `unit` does: what has no code is carried by its name alone."""
    made = unit(row.peek(number), row.peek(number, 2), row.peek(number, 3))
    if "code" in made:
        for component, name in ((1, "code"), (2, "unit"), (3, "system")):
            row.text(number, component, to=f"{to}.{name}")
    elif made:
        row.text(number, 2 if row.peek(number, 2) else 1, to=f"{to}.unit")
    return made


def quantity(value: int | Decimal, row: Row, number: int, *, to: str) -> Json:
    """Make a Quantity of a number and the CE or CWE that names its unit."""
    return {"value": value, **unit_of(row, number, to=to)}


def ods_code(row: Row, number: int, repetition: int, authority: str) -> str | None:
    """Say whether the first component is an ODS code: the authority says so, or none is named and it looks like one."""
    value = row.peek(number, 1, repetition).upper()
    if _ODS_CODE.fullmatch(value) is None:
        return None
    return value if not authority or authority.upper() in _ODS_AUTHORITIES else None


def display_name(row: Row, number: int, repetition: int, *, first: int, to: str) -> str:
    """Join the parts of an XCN name that begin at `first` (family, given, middle, suffix, prefix) as a person would say them."""
    family, given, middle, suffix, prefix = (
        row.text(number, position, repetition, to=to) for position in range(first, first + 5)
    )
    return " ".join(part for part in (prefix, given, middle, family, suffix) if part)


def practitioner(row: Row, number: int, repetition: int = 1, *, to: str) -> Json | None:
    """Read an XCN as a Reference to a Practitioner by identifier and name; the person is not a resource of the bundle.

    What else it says of a member of staff is not carried (`minimised.toml`, rule `staff`).
    """
    row.minimise(number, 0, repetition, rule="staff")
    value = row.text(number, 1, repetition, to=f"{to}.identifier.value")
    display = display_name(row, number, repetition, first=2, to=f"{to}.display")
    if not value and not display:
        return None
    result: Json = {"type": "Practitioner"}
    if value:
        authority = row.text(number, 9, repetition, to=f"{to}.identifier.system")
        kind = row.text(number, 13, repetition, to=f"{to}.identifier.type")
        typed: Json = {"type": {"coding": [coding(systems.V2_TABLE + "0203", kind)]}} if kind else {}
        result["identifier"] = {**typed, "system": practitioner_system(authority), "value": value}
    if display:
        result["display"] = display
    return result


def practitioners(row: Row, number: int, *, to: str) -> list[Json]:
    """Read every repetition of an XCN."""
    found = (practitioner(row, number, repetition, to=to) for repetition in range(1, row.count(number) + 1))
    return [each for each in found if each is not None]


def organisation(row: Row, number: int, repetition: int = 1, *, to: str) -> Json | None:
    """Read an XON as a Reference to an Organization by identifier and name."""
    display = row.text(number, 1, repetition, to=f"{to}.display")
    value = row.text(number, 10, repetition, to=f"{to}.identifier.value") or row.text(
        number, 3, repetition, to=f"{to}.identifier.value"
    )
    if not display and not value:
        return None
    result: Json = {"type": "Organization"}
    if value:
        authority = row.text(number, 6, repetition, to=f"{to}.identifier.system")
        kind = row.text(number, 7, repetition, to=f"{to}.identifier.type")
        typed: Json = {"type": {"coding": [coding(systems.V2_TABLE + "0203", kind)]}} if kind else {}
        assigned = assigner(row, number, 6, repetition, to=f"{to}.identifier.assigner")
        system = (
            systems.ODS
            if authority.upper() in _ODS_AUTHORITIES
            else systems.LOCAL_ID + slug(authority or "organisation")
        )
        result["identifier"] = {**typed, "system": system, "value": value, **assigned}
    return result | ({"display": display} if display else {})


def assigner(row: Row, number: int, component: int, repetition: int = 1, *, to: str) -> Json:
    """Read the universal id of an HD inside an identifier as its `assigner`; nothing where the authority is only named."""
    universal = row.text(number, component, repetition, 2, to=f"{to}.identifier.value")
    if not universal:
        return {}
    kind = row.text(number, component, repetition, 3, to=f"{to}.identifier.system")
    name = row.text(number, component, repetition, 1, to=f"{to}.display")
    return {"assigner": universal_id(universal, kind) | ({"display": name} if name else {})}


def universal_id(universal: str, kind: str) -> Json:
    """Name an organisation by the universal id of an HD or EI: `kind` is of table 0301."""
    prefix = "" if universal.startswith("urn:") else _UNIVERSAL.get(kind.upper())
    system = "urn:ietf:rfc:3986" if prefix is not None else systems.LOCAL_ID + slug(kind or "universal-id")
    return {"identifier": {"system": system, "value": f"{prefix or ''}{universal}"}}


def rest_of_identifier(row: Row, number: int, repetition: int, *, to: str) -> Json:
    """Read what a CX says of an identifier beside value, authority and type: check digit, who assigned it, and when it holds."""
    if len(row.raw_components(number, repetition)) < 2:
        return {}
    found: Json = {}
    digit = row.text(number, 2, repetition, to=f"{to}.extension")
    if digit:
        found["extension"] = [{"url": f"{_CHECK_DIGIT}identifier-checkDigit", "valueString": digit}]
        scheme = row.text(number, 3, repetition, to=f"{to}.extension")
        if scheme:
            found["extension"].append({"url": f"{_CHECK_DIGIT}namingsystem-checkDigit", "valueString": scheme})
    assigned = assigner(row, number, 4, repetition, to=f"{to}.assigner")
    place = row.text(number, 6, repetition, to=f"{to}.assigner.display")
    if place:
        assigned = {"assigner": {**assigned.get("assigner", {}), "display": place}}
    return found | assigned | validity(row, number, repetition, 7, 8, to=to)


def validity(row: Row, number: int, repetition: int, first: int, last: int, *, to: str) -> Json:
    """Read two components of a field as the `period` in which something holds."""
    return period_of((row, number, repetition, first), (row, number, repetition, last), to=to)


def period_of(start: Place, end: Place, *, to: str) -> Json:
    """Read two places as the `period` in which something holds; dates that are none, or the wrong way round, are left in the message."""
    places = {"start": start, "end": end}
    edges = {
        edge: moment
        for edge, (row, number, repetition, component) in places.items()
        if (moment := row.moment(number, component, repetition)) is not None
    }
    if not edges or (len(edges) == 2 and edges["start"][:10] > edges["end"][:10]):
        return {}
    for edge in edges:
        row, number, repetition, component = places[edge]
        row.mapped(number, component, repetition, to=f"{to}.period.{edge}")
    return {"period": edges}


def practitioner_system(authority: str) -> str:
    known = {"GMC": systems.GMC_NUMBER, "GMP": systems.GMP_NUMBER}
    return known.get(authority.upper()) or systems.LOCAL_ID + slug(authority or "practitioner")


def order_identifier(row: Row, number: int, *, kind: str, to: str) -> Json | None:
    """Read an EI as an Identifier of type PLAC or FILL, or PGN for a group of orders."""
    value = row.text(number, 1, to=f"{to}.value")
    if not value:
        return None
    namespace = row.text(number, 2, to=f"{to}.system")
    universal = row.text(number, 3, to=f"{to}.assigner.identifier.value")
    kind_of_id = row.text(number, 4, to=f"{to}.assigner.identifier.system") if universal else ""
    assigned: Json = {"assigner": universal_id(universal, kind_of_id)} if universal else {}
    name = _ORDER_NUMBERS[kind]
    return {
        "type": {"coding": [coding(systems.V2_TABLE + "0203", kind)]},
        "system": systems.LOCAL_ID + name + (f"/{slug(namespace)}" if namespace else ""),
        "value": value,
        **assigned,
    }


def establishment_extension(agency: str) -> Json:
    """Say in which establishment something was made."""
    return {
        "url": systems.ESTABLISHMENT_EXTENSION,
        "valueIdentifier": {"system": systems.AGENCY, "value": agency},
    }
