"""A person's names, addresses and telecoms: XPN, XAD and XTN as HumanName, Address and ContactPoint. It must never guess which address is home."""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.mappings.datatypes import number_of, validity
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.shapes import Json

_NAME_USES: Final = {
    "L": "official",
    "R": "official",
    "D": "usual",
    "CURRENT": "usual",
    "M": "maiden",
    "N": "nickname",
    "BAD": "old",
    "TEMP": "temp",
    "NAV": "temp",
    "MSK": "anonymous",
}
_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/"
_ADDRESS_USES: Final = {
    "H": "home",
    "HOME": "home",
    "B": "work",
    "O": "work",
    "WORK": "work",
    "C": "temp",
    "BA": "old",
    "BI": "billing",
}
_POSTAL: Final = frozenset({"M", "SH"})
_TELECOM_USES: Final = {
    "PRN": "home",
    "HOME": "home",
    "ORN": "home",
    "WPN": "work",
    "WORK": "work",
    "VHN": "temp",
    "PRS": "mobile",
    "MOBILE": "mobile",
}
_TELECOM_SYSTEMS: Final = {
    "PH": "phone",
    "CP": "phone",
    "SAT": "other",
    "FX": "fax",
    "BP": "pager",
    "INTERNET": "email",
    "X.400": "email",
    "TDD": "other",
    "TTY": "other",
    "MD": "other",
}


def names(row: Row, number: int = 5, *, to: str = "Patient.name") -> list[Json]:
    """Read PID-5, or another XPN."""
    found = []
    for repetition in range(1, row.count(number) + 1):
        name: Json = {}
        use = _NAME_USES.get(row.peek(number, 7, repetition).upper())
        if use is not None:
            row.mapped(number, 7, repetition, to=f"{to}.use")
            name["use"] = use
        family = row.text(number, 1, repetition, to=f"{to}.family")
        given = [row.text(number, position, repetition, to=f"{to}.given") for position in (2, 3)]
        prefix = row.text(number, 5, repetition, to=f"{to}.prefix")
        suffix = [row.text(number, position, repetition, to=f"{to}.suffix") for position in (4, 6)]
        suffix.append(row.text(number, 14, repetition, to=f"{to}.suffix"))
        if family:
            name["family"] = family
            parts = _parts_of_family(row, number, repetition, to)
            if parts:
                name["_family"] = {"extension": parts}
        for part, values in (("given", given), ("prefix", [prefix]), ("suffix", suffix)):
            written = [value for value in values if value]
            if written:
                name[part] = written
        if len(name) > (1 if "use" in name else 0):
            found.append(_rest_of_name(row, number, repetition, to) | name)
        called = row.text(number, 15, repetition, to=f"{to}.given")
        if called:
            found.append({"use": "nickname", "given": [called]})
    return found


def _parts_of_family(row: Row, number: int, repetition: int, to: str) -> list[Json]:
    """Read what an FN says beside the surname as it is used: prefix, own name, partner's prefix and name."""
    if len(row.raw_components(number, repetition)[0]) == len(row.peek(number, 1, repetition)):
        return []
    parts = zip(("own-prefix", "own-name", "partner-prefix", "partner-name"), (2, 3, 4, 5), strict=True)
    return [
        {"url": f"{_EXTENSION}humanname-{part}", "valueString": value}
        for part, position in parts
        if (value := row.text(number, 1, repetition, position, to=f"{to}.family.extension"))
    ]


def _rest_of_name(row: Row, number: int, repetition: int, to: str) -> Json:
    """Read when a name holds, and in which order its parts are said."""
    if len(row.raw_components(number, repetition)) < 8:
        return {}
    found: Json = {}
    order = row.text(number, 11, repetition, to=f"{to}.extension").upper()
    if order in {"F", "G"}:
        found["extension"] = [{"url": f"{_EXTENSION}humanname-assembly-order", "valueCode": order}]
    return found | validity(row, number, repetition, 12, 13, to=to)


def addresses(row: Row, number: int = 11, *, to: str = "Patient.address") -> list[Json]:
    """Read PID-11, or another XAD. Type `H` is the release address (DESIGN section 6) and the only one that becomes `home`."""
    found = []
    for repetition in range(1, row.count(number) + 1):
        address = _address(row, number, repetition, to)
        if address:
            found.append(address)
    return found


def _address(row: Row, number: int, repetition: int, to: str) -> Json:
    address: Json = {}
    kind = row.peek(number, 7, repetition).upper()
    if kind in _ADDRESS_USES:
        row.mapped(number, 7, repetition, to=f"{to}.use")
        address["use"] = _ADDRESS_USES[kind]
    elif kind in _POSTAL:
        row.mapped(number, 7, repetition, to=f"{to}.type")
        address["type"] = "postal"
    street = (row.text(number, 1, repetition, part, to=f"{to}.line") for part in (3, 1, 2))
    lines = [" ".join(part for part in street if part), row.text(number, 2, repetition, to=f"{to}.line")]
    lines = [line for line in lines if line]
    if lines:
        address["line"] = lines
    parts = (("city", 3), ("district", 9), ("state", 4), ("postalCode", 5), ("country", 6))
    for part, position in parts:
        value = row.text(number, position, repetition, to=f"{to}.{part}")
        if value:
            address[part] = value
    if not set(address) - {"use", "type"}:
        return {}
    if len(row.raw_components(number, repetition)) > 11:
        addressee = row.text(number, 19, repetition, to=f"{to}.line")
        if addressee:
            address["line"] = [*address.get("line", ()), addressee]
        address |= _old_validity(row, number, repetition, to) or validity(row, number, repetition, 13, 14, to=to)
    return address


def _old_validity(row: Row, number: int, repetition: int, to: str) -> Json:
    """Read XAD-12, a range of dates in subcomponents, as HL7 v2.3 to v2.6 write when an address holds."""
    edges = {
        edge: moment
        for edge, part in (("start", 1), ("end", 2))
        if (moment := row.moment(number, 12, repetition, part)) is not None
    }
    if not edges or (len(edges) == 2 and edges["start"][:10] > edges["end"][:10]):
        return {}
    row.mapped(number, 12, repetition, to=f"{to}.period")
    return {"period": edges}


def telecoms(row: Row, numbers: Sequence[int] = (13, 14), *, to: str = "Patient.telecom") -> list[Json]:
    """Read PID-13 (home where it says nothing) and PID-14 (work), or another pair of XTN; a single XTN is home where it says nothing."""
    found: list[Json] = []
    for number, default in zip(numbers, ("home", "work"), strict=False):
        for repetition in range(1, row.count(number) + 1):
            telecom = _telecom(row, number, repetition, default, to)
            if telecom is not None and telecom not in found:
                found.append(telecom)
    return found


def _telecom(row: Row, number: int, repetition: int, default: str, target: str) -> Json | None:
    use_code = row.peek(number, 2, repetition).upper()
    equipment = row.peek(number, 3, repetition).upper()
    system = "email" if use_code == "NET" else _TELECOM_SYSTEMS.get(equipment, "phone")
    to = f"{target}.value"
    value = ""
    for position in (4, 1, 12) if system == "email" else (1, 12):
        value = value or row.text(number, position, repetition, to=to)
    written_whole = bool(value)
    if not value and row.peek(number, 7, repetition):
        parts = [row.text(number, position, repetition, to=to) for position in (5, 6, 7)]
        extension = row.text(number, 8, repetition, to=to)
        value = " ".join(part for part in parts if part) + (f" x{extension}" if extension else "")
    if not value:
        return None
    if use_code in _TELECOM_USES:
        row.mapped(number, 2, repetition, to=f"{target}.use")
    elif use_code == "NET":
        row.mapped(number, 2, repetition, to=f"{target}.system")
    if equipment in _TELECOM_SYSTEMS:
        row.mapped(number, 3, repetition, to=f"{target}.system")
    # What the field is for counts where the number itself says nothing: one for emergencies, or for messages, is not the home's.
    use = "mobile" if equipment == "CP" else _TELECOM_USES.get(use_code, "" if use_code else default)
    rest = _rest_of_telecom(row, number, repetition, target, with_parts=written_whole)
    return {**rest, "system": system, "value": value} | ({"use": use} if use else {})


def _rest_of_telecom(row: Row, number: int, repetition: int, target: str, *, with_parts: bool) -> Json:
    """Read the parts of a number that is also written whole (`with_parts`), when it holds, and which is tried first."""
    if len(row.raw_components(number, repetition)) < 5:
        return {}
    found: Json = {}
    parts = [
        {"url": f"{_EXTENSION}contactpoint-{part}", "valueString": text}
        for part, position in (("country", 5), ("area", 6), ("local", 7), ("extension", 8))
        if with_parts and (text := row.text(number, position, repetition, to=f"{target}.extension"))
    ]
    if parts:
        found["extension"] = parts
    rank = number_of(row.peek(number, 18, repetition))
    if isinstance(rank, int) and rank > 0:
        row.mapped(number, 18, repetition, to=f"{target}.rank")
        found["rank"] = rank
    return found | validity(row, number, repetition, 13, 14, to=target)
