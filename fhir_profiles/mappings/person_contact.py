"""A person's names, addresses and telecoms: XPN, XAD and XTN as HumanName, Address and ContactPoint. It must never guess which address is home."""

from typing import Final

from fhir_profiles.hl7_times import fhir_date_time
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
    "SAT": "phone",
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
        if family:
            name["family"] = family
        for part, values in (("given", given), ("prefix", [prefix]), ("suffix", suffix)):
            written = [value for value in values if value]
            if written:
                name[part] = written
        if len(name) > (1 if "use" in name else 0):
            found.append(name)
    return found


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
    elif kind == "M":
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
    content = set(address) - {"use", "type"}
    period: Json = {}
    for edge, position in (("start", 13), ("end", 14)):
        moment = fhir_date_time(row.peek(number, position, repetition))
        if moment is not None and content:
            row.mapped(number, position, repetition, to=f"{to}.period.{edge}")
            period[edge] = moment
    if period and not ("start" in period and "end" in period and period["start"][:10] > period["end"][:10]):
        address["period"] = period
    return address if content else {}


def telecoms(row: Row, numbers: tuple[int, int] = (13, 14), *, to: str = "Patient.telecom") -> list[Json]:
    """Read PID-13 (home unless it says otherwise) and PID-14 (work), or another pair of XTN."""
    found = []
    for number, default in zip(numbers, ("home", "work"), strict=True):
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
    if not value and row.peek(number, 7, repetition):
        parts = [row.text(number, position, repetition, to=to) for position in (5, 6, 7)]
        extension = row.text(number, 8, repetition, to=to)
        value = " ".join(part for part in parts if part) + (f" x{extension}" if extension else "")
    if not value:
        return None
    if use_code in _TELECOM_USES or use_code == "NET":
        row.mapped(number, 2, repetition, to=f"{target}.use")
    if equipment in _TELECOM_SYSTEMS:
        row.mapped(number, 3, repetition, to=f"{target}.system")
    use = "mobile" if equipment == "CP" else _TELECOM_USES.get(use_code, default)
    return {"system": system, "value": value, "use": use}
