"""Check the terminology's own data files: form of codes, rows twice, retired codes in use, unverified rows; and what only a server could tell.

Pure: it judges the rows that it is given. It must never say that a code is active or that its display is right: that needs a terminology server.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources as package_files
from typing import Final

from fhir_profiles import systems
from fhir_profiles.terminology.concepts import plain
from fhir_profiles.terminology.tables import table

Rows = Sequence[Mapping[str, str]]

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "acute_hazards": ("code", "part"),
    "assay_names": ("name",),
    "assays": ("system", "code"),
    "care_plans": ("system", "code"),
    "consent_codes": ("system", "code"),
    "consent_topics": ("topic",),
    "controlled_drugs": ("substance",),
    "dispositions": ("code",),
    "dose_units": ("written",),
    "drug_panels": ("name",),
    "ethnic_categories": ("code",),
    "formulary": ("code",),
    "home_office_wordings": ("code",),
    "prohibitions": ("code",),
    "record_items": ("item", "system", "code", "word"),
    "result_words": ("word",),
    "routes": ("written",),
    "substances": ("substance",),
    "test_purposes": ("name",),
    "timings": ("written",),
    "units": ("written",),
}
"""The columns that name a row of each file: two rows with the same text there contradict each other."""
_CODED: Final[Mapping[str, Mapping[str, str]]] = {
    "dose_units": {"code": systems.SNOMED},
    "ethnic_categories": {"code": systems.UK_CORE_ETHNIC_CODES},
    "formulary": {"code": systems.DMD, "earlier": systems.DMD, "brand_code": systems.DMD},
    "routes": {"code": systems.SNOMED},
}
"""Files without a column `system`: the code system of each column that holds codes."""
_READ_PLAIN: Final = frozenset({"assay_names", "drug_panels", "result_words", "test_purposes"})
_CONFIDENCES: Final = frozenset("ABCU")
_UNVERIFIED: Final = "U"

_MULTIPLY: Final = tuple(
    tuple((a + b) % 5 if b < 5 else (a + b) % 5 + 5 for b in range(10))
    if a < 5
    else tuple((a - b) % 5 + 5 if b < 5 else (a - b) % 5 for b in range(10))
    for a in range(10)
)
_PERMUTE: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def verhoeff_holds(number: str) -> bool:
    """Say whether digits end in their Verhoeff check digit (SNOMED CT release file specification, SCTID)."""
    check = 0
    for place, written in enumerate(reversed(number)):
        digit = int(written)
        for _ in range(place % 8):
            digit = _PERMUTE[digit]
        check = _MULTIPLY[check][digit]
    return check == 0


def _is_sctid(code: str) -> bool:
    """Say whether it is the id of a concept: 6 to 18 digits, partition 00 or 10, check digit."""
    return bool(re.fullmatch(r"[1-9]\d{2,14}[01]0\d", code)) and verhoeff_holds(code)


def _is_loinc(code: str) -> bool:
    """Say whether it is a LOINC number: up to seven digits, a hyphen and their mod 10 check digit."""
    if not re.fullmatch(r"\d{1,7}-\d", code):
        return False
    total = 0
    for place, written in enumerate(reversed(code.replace("-", ""))):
        doubled = int(written) * (place % 2 + 1)
        total += doubled // 10 + doubled % 10
    return total % 10 == 0


_FORMS: Final[Mapping[str, Callable[[str], bool]]] = {
    systems.SNOMED: _is_sctid,
    systems.DMD: _is_sctid,
    systems.LOINC: _is_loinc,
    systems.UK_CORE_ETHNIC_CODES: re.compile("[A-Z]|99").fullmatch,  # type: ignore[dict-item]  # a match counts as true
}
"""The national code systems of the files, and what a code of each looks like."""


class Rule(StrEnum):
    """What a row breaks."""

    FORM = "form"
    DUPLICATE = "duplicate"
    RETIRED = "retired"
    UNVERIFIED = "unverified"
    PROVENANCE = "provenance"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One row of one file: `line` as an editor counts it; `code` the code or the key that is meant."""

    file: str
    line: int
    code: str


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong at a place, with what to do."""

    place: Place
    rule: Rule
    text: str


@dataclass(frozen=True, kw_only=True)
class Unchecked:
    """A national code of which only a terminology server knows whether it is active and means what the row says."""

    system: str
    code: str
    display: str
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Faults, and what is no fault but should be known: retired codes that are still understood, unverified rows, what needs a server."""

    rows: int
    faults: tuple[Fault, ...]
    retired: tuple[Place, ...]
    unverified: tuple[Place, ...]
    needs_server: tuple[Unchecked, ...]


def read_tables() -> dict[str, Rows]:
    """Give the rows of every data file of this folder."""
    names = sorted(file.name for file in package_files.files("fhir_profiles.terminology").iterdir())
    return {name[:-4]: table(name[:-4]).rows for name in names if name.endswith(".csv")}


def _codes(file: str, row: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Give (column, system, code) of every national code of a row."""
    columns = _CODED.get(file, {"code": row.get("system", "")})
    for column, system in columns.items():
        if system in _FORMS:
            yield from ((column, system, code) for code in row.get(column, "").split())


def _name(file: str, row: Mapping[str, str]) -> str:
    return " ".join(row.get(column, "") for column in KEYS.get(file, ())).strip()


def _row_faults(file: str, row: Mapping[str, str], line: int, retired: frozenset[str]) -> Iterator[Fault]:
    named = Place(file=file, line=line, code=_name(file, row))
    if not row.get("source", "").strip() or row.get("confidence") not in _CONFIDENCES:
        yield Fault(
            place=named, rule=Rule.PROVENANCE, text="say where the row comes from, and A, B, C or U how sure it is"
        )
    for column, system, code in _codes(file, row):
        place = Place(file=file, line=line, code=code)
        if not _FORMS[system](code):
            yield Fault(
                place=place, rule=Rule.FORM, text=f"not a code of {system}: length, partition or check digit is wrong"
            )
        if code in retired and column != "earlier":
            yield Fault(
                place=place,
                rule=Rule.RETIRED,
                text="this code was replaced: it may be read, in `earlier`, never written",
            )
        if row.get("confidence") == _UNVERIFIED:
            text = "unverified: carry it as a local code with its text, never as a national code"
            yield Fault(place=place, rule=Rule.UNVERIFIED, text=text)


def _as_read(file: str, text: str) -> str:
    """Give a key as the look-up reads it: names and words without case and punctuation, everything else exactly."""
    return plain(text) if file in _READ_PLAIN else text


def _duplicates(file: str, rows: Rows) -> Iterator[Fault]:
    if file not in KEYS:
        place = Place(file=file, line=1, code="")
        yield Fault(place=place, rule=Rule.FORM, text="a file that is not known: say in KEYS what names its rows")
        return
    first: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(rows, 2):
        key = tuple(_as_read(file, row.get(column, "")) for column in KEYS[file])
        if first.setdefault(key, line) != line:
            place = Place(file=file, line=line, code=_name(file, row))
            yield Fault(
                place=place,
                rule=Rule.DUPLICATE,
                text=f"the same as line {first[key]}: the first counts, this one says nothing",
            )


def check(tables: Mapping[str, Rows]) -> Report:
    """Judge the files. Total: a column that is missing is read as empty."""
    everything = [(file, line, row) for file, rows in tables.items() for line, row in enumerate(rows, 2)]
    known = [
        (Place(file=file, line=line, code=code), column, system, row)
        for file, line, row in everything
        for column, system, code in _codes(file, row)
    ]
    retired = tuple(place for place, column, _, _ in known if column == "earlier")
    old = frozenset(place.code for place in retired)
    faults = [fault for file, rows in tables.items() for fault in _duplicates(file, rows)]
    faults += [fault for file, line, row in everything for fault in _row_faults(file, row, line, old)]
    unchecked: dict[tuple[str, str], Unchecked] = {}
    for place, column, system, row in known:
        display = row.get("brand" if column == "brand_code" else "display", "") or row.get("name", "")
        seen = unchecked.get((system, place.code))
        files = (*seen.files, place.file) if seen else (place.file,)
        unchecked[system, place.code] = Unchecked(
            system=system, code=place.code, display=seen.display if seen else display, files=tuple(dict.fromkeys(files))
        )
    return Report(
        rows=len(everything),
        faults=tuple(faults),
        retired=retired,
        unverified=tuple(
            Place(file=file, line=line, code=_name(file, row))
            for file, line, row in everything
            if row.get("confidence") == _UNVERIFIED
        ),
        needs_server=tuple(unchecked[key] for key in sorted(unchecked)),
    )
