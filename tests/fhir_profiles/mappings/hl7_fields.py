"""Each field that HL7's own segment maps give a place in FHIR (v2-to-FHIR implementation guide), and what becomes of it here.

A message with a value of the field's type goes through its mapping, and the ledger is asked. `python -m tests.fhir_profiles.mappings.hl7_fields`
writes `hl7_fields.csv` again: the fields that we leave in the message, with the reasons that were there; a new row has none, and the test fails.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fhir_profiles.mappings import MAPPINGS
from fhir_profiles.shapes import Channel, Fate
from tests.samples import samples_folder

LEFT: Final = Path(__file__).parent / "hl7_fields.csv"
COLUMNS: Final = ("field", "name", "hl7", "reason")
CHANNEL: Final = Channel(name="fields", format="hl7v2")
_HEAD: Final = "MSH|^~\\&|EHR|ZFG|TG|GATE|20260115100000+0000||{kind}|M-1|P|2.8"
_EVN: Final = "EVN||20260115100000+0000"
_PID: Final = "PID|1||9990000018^^^NHS^NH||Birkett-Test^Alex"
_PV1: Final = "PV1|1|I|B1^^^ZFG"
_TEST: Final = "OBR|1|O-1||26604007^FBC^SCT"
_RESULT: Final = "OBX|1|NM|718-7^Hb^LN||140|g/L|||||F"
_DRUG: Final = "D1^Methadone"
_VALUES: Final = {
    "CNE": "ABC^Abc words^L", "CNN": "C77^Fam^Giv", "CQ": "5^mL", "CWE": "ABC^Abc words^L", "CX": "77^^^AUTH^AN", "DLD": "HOME", "DR": "20260102030405",
    "DT": "20260102", "DTM": "20260102030405", "EI": "E77^NS", "EIP": "P77^NS&F77^NS2", "HD": "NS", "ID": "Y", "IS": "ABC", "NDL": "C77&Fam&Giv", "NM": "7",
    "PL": "W^R^B^ZFG", "RI": "BID", "RPT": "BID", "SI": "1", "TM": "0900", "TS": "20260102030405", "XAD": "1 Street^^City", "XCN": "C77^Fam^Giv",
    "XON": "Org^^77", "XPN": "Fam^Giv", "XTN": "^PRN^PH^^^^555",
}  # fmt: skip
_SAID: Final = {
    "AL1-2": "DA", "EVN-7": "ZFG", "AL1-4": "SV", "DG1-6": "F", "DG1-21": "D", "IAM-2": "DA", "IAM-4": "SV", "IAM-17": "C", "NK1-15": "F", "OBR-5": "S",
    "OBR-25": "F", "ORC-28": "R", "PID-8": "F", "RXO-9": "G", "RXA-20": "CP", "TQ1-9": "S", "TXA-18": "R",
}  # fmt: skip
"""A word of the field's own table, where we carry no other."""
_IGNORED: Final = frozenset({"Immunization", "Appointment", "Appointment-Comment"})
"""Vaccinations and bookings are no messages of the issue; RXA's map is written for the first alone, and is compared all the same."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A message with `@` where the segment stands, and the fields without which it says nothing."""

    kind: str
    lines: tuple[str, ...]
    known: Mapping[int, str]


def _adt(known: Mapping[int, str], *lines: str) -> Place:
    return Place(kind="ADT^A08", lines=lines or (_EVN, _PID, _PV1, "@"), known=known)


_OBX: Final = {2: "NM", 3: "718-7^Hb^LN", 5: "140", 11: "F"}
PLACES: Final[Mapping[str, Place]] = {
    "AL1": _adt({3: "^Penicillin"}),
    "DG1": _adt({3: "F11.2^Opioid^I10"}),
    "EVN": _adt({2: "20260115100000+0000"}, "@", _PID, _PV1),
    "IAM": _adt({3: "^Penicillin"}),
    "NK1": _adt({2: "Other^Sam"}),
    "NTE": Place(kind="ORU^R01", lines=(_PID, "ORC|RE|O-1", _TEST, _RESULT, "@"), known={3: "text"}),
    "OBR": Place(kind="OML^O21", lines=(_PID, "ORC|NW|O-1", "@"), known={2: "O-1", 4: "26604007^FBC^SCT"}),
    "OBX": Place(kind="ORU^R01", lines=(_PID, "ORC|RE|O-1", _TEST, "@"), known=_OBX),
    "ORC": Place(kind="OML^O21", lines=(_PID, "@", _TEST), known={1: "NW", 2: "O-1"}),
    "PD1": _adt({}, _EVN, _PID, "@", _PV1),
    "PID": _adt({3: "9990000018^^^NHS^NH", 5: "Birkett-Test^Alex"}, _EVN, "@", _PV1),
    "PV1": _adt({2: "I", 3: "B1^^^ZFG"}, _EVN, _PID, "@"),
    "PV2": _adt({}),
    "RXA": Place(kind="RAS^O17", lines=(_PID, "ORC|RE|O-1", "@"), known={1: "0", 2: "1", 3: "20260115090000", 5: _DRUG, 6: "30", 7: "mg", 20: "CP"}),
    "RXO": Place(kind="OMP^O09", lines=(_PID, "ORC|NW|O-1", "@"), known={1: _DRUG, 2: "30", 4: "mg", 11: "5", 18: "10", 25: "5"}),
    "RXR": Place(kind="RDE^O11", lines=(_PID, "ORC|NW|O-1", f"RXE||{_DRUG}|30||mg", "@"), known={1: "PO"}),
    "SPM": Place(kind="ORU^R01", lines=(_PID, "ORC|RE|O-1", _TEST, _RESULT, "@"), known={2: "S-1", 4: "BLD"}),
    "TQ1": Place(kind="RDE^O11", lines=(_PID, "ORC|NW|O-1", f"RXE||{_DRUG}|30||mg", "@"), known={3: "BID"}),
    "TXA": Place(kind="MDM^T02", lines=(_EVN, _PID, _PV1, "@", "OBX|1|TX|^Note||seen"), known={2: "DS", 3: "TX", 12: "D-1"}),
}  # fmt: skip


ALSO: Final[Mapping[str, Place]] = {
    "OBR": Place(kind="ORU^R01", lines=(_PID, "ORC|RE|O-1", "@", _RESULT), known={2: "O-1", 4: "26604007^FBC^SCT"}),
    "OBX": Place(kind="ORU^R01", lines=(_PID, "ORC|RE|O-1", _TEST, "@"), known={**_OBX, 23: "Example Laboratory^^77"}),
    "PV1": Place(kind="ADT^A03", lines=(_EVN, _PID, "@"), known={2: "I", 3: "B1^^^ZFG"}),
}
"""Another message that has the segment and reads of it what the first does not."""


def hl7_fields(folder: Path) -> Iterator[tuple[str, int, str, str, str]]:
    """Segment, field, name, type, and where HL7 puts it: the first of the places."""
    seen: set[tuple[str, int]] = set()
    for path in sorted((folder / "v2-to-fhir" / "segments").glob("*.csv")):
        segment, target = path.name[:3], path.name[4:].partition("]")[0]
        if segment not in PLACES or (target in _IGNORED and segment != "RXA"):
            continue
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                named = re.fullmatch(rf"{segment}-(\d+)", row[1].strip()) if len(row) > 9 and row[9].strip() else None
                if named is not None and (segment, int(named.group(1))) not in seen:
                    seen.add((segment, int(named.group(1))))
                    kind = (row[3].split() or ["ST"])[0]
                    yield segment, int(named.group(1)), row[2].strip(), kind, f"{target}.{row[9].strip()}"


def fates(segment: str, number: int, kind: str) -> set[Fate]:
    """What becomes of the parts of the field, in whichever message they are read."""
    places = [places[segment] for places in (PLACES, ALSO) if segment in places]
    return {fate for place in places for fate in _fates(place, segment, number, kind)}


def _fates(place: Place, segment: str, number: int, kind: str) -> set[Fate]:
    said = (
        {1: "1", **place.known}
        if segment not in {"ORC", "RXO", "RXR", "RXA", "EVN", "PD1", "PV2"}
        else dict(place.known)
    )
    said[number] = _SAID.get(f"{segment}-{number}") or said.get(number) or _VALUES.get(kind, "Words")
    line = "|".join([segment, *(said.get(each, "") for each in range(1, max(said) + 1))])
    lines = [_HEAD.format(kind=place.kind), *(line if each == "@" else each for each in place.lines)]
    fields = MAPPINGS[place.kind](CHANNEL, ("\r".join(lines) + "\r").encode()).fields
    return {field.fate for field in fields if re.match(rf"{segment}-{number}(?:$|[.\[])", field.source)}


def left(folder: Path) -> list[tuple[str, str, str]]:
    """The fields of which nothing is carried, nor minimised by a rule."""
    found = []
    for segment, number, name, kind, target in sorted(hl7_fields(folder)):
        if not fates(segment, number, kind) & {Fate.MAPPED, Fate.MINIMISED}:
            found.append((f"{segment}-{number}", name, target))
    return found


def listed() -> dict[tuple[str, str, str], str]:
    """The committed fields, each with its reason."""
    with LEFT.open(encoding="utf-8", newline="") as file:
        return {(row["field"], row["name"], row["hl7"]): row["reason"] for row in csv.DictReader(file)}


def write(folder: Path) -> None:
    reasons = {row[0]: reason for row, reason in listed().items()} if LEFT.exists() else {}
    with LEFT.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file, lineterminator="\n")
        written.writerow(COLUMNS)
        written.writerows((*row, reasons.get(row[0], "")) for row in left(folder))


if __name__ == "__main__":
    write(samples_folder())
