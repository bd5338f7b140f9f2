"""ORC-28, how confidential an order is (HL7 table 0177), as labels of all that is made of the order. It must never lower a label, nor guess one."""

from collections.abc import Iterable, Sequence
from typing import Final

from fhir_profiles import systems
from fhir_profiles.label import CONFIDENTIALITY_ORDER
from fhir_profiles.mappings.datatypes import coding
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json

_LABELS: Final = {
    "V": (systems.CONFIDENTIALITY, "V"),
    "R": (systems.CONFIDENTIALITY, "R"),
    "PSY": (systems.ACT_CODE, "PSY"),
    "AID": (systems.ACT_CODE, "HIV"),
    "HIV": (systems.ACT_CODE, "HIV"),
    "ETH": (systems.ACT_CODE, "ETH"),
}
"""The codes that ask for more care than usual. What the others say (an employee, a courtesy) keeps nothing back, and stays in the message."""
_WORDS: Final = {
    "VERY RESTRICTED": "V",
    "RESTRICTED": "R",
    "PSYCHIATRIC PATIENT": "PSY",
    "AIDS PATIENT": "AID",
    "HIV(+) PATIENT": "HIV",
    "ALCOHOL/DRUG TREATMENT PATIENT": "ETH",
}
"""The same in the words of the table, where a sender has no code."""
_ORDINARY: Final = frozenset({"N", "NORMAL", "U", "USUAL CONTROL", "UNRESTRICTED"})
_SAID: Final = (1, 2, 4, 5, 9)
"""CWE: code and words, the alternate ones, and the original words."""


class Confidential:
    """What the ORC of a message say of its orders. An order is its ORC, and the OBR that names it; the same number names the same order."""

    def __init__(self, orders: Iterable[Sequence[Row | None]]) -> None:
        self._said: dict[tuple[int, str], list[Row]] = {}
        self._all: list[Row] = []
        for rows in orders:
            marking = [row for row in rows if row is not None and row.segment.name == "ORC" and _labels(row)]
            self._all += marking
            for name in _numbers(rows):
                self._said.setdefault(name, []).extend(marking)

    def labels(self, *rows: Row | None, to: str) -> list[Json]:
        """Give the labels of the order that `rows` name; `to` is the resource that carries them. Empty where nothing keeps anything back."""
        numbers = _numbers(rows)
        own = [row for row in rows if row is not None and row.segment.name == "ORC"]
        # INVARIANT: an order that nothing names may be any of the message's: absent never widens.
        said = own + [row for name in numbers for row in self._said.get(name, ())] if own or numbers else self._all
        found = {label: None for row in said for label in _read(row, to=to)}
        levels = [code for system, code in found if system == systems.CONFIDENTIALITY]
        highest = max(levels, key=CONFIDENTIALITY_ORDER.index, default="")
        return [coding(system, code) for system, code in found if system != systems.CONFIDENTIALITY or code == highest]


def _numbers(rows: Iterable[Row | None]) -> dict[tuple[int, str], None]:
    """Placer and filler number, of whichever row says them. Who gave the number is not compared: it is often left out of one of the two."""
    named = ((number, row.peek(number)) for row in rows if row is not None for number in (2, 3))
    return {(number, value): None for number, value in named if value}


def _labels(row: Row, number: int = 28) -> list[tuple[str, str]]:
    written = (row.peek(number, component).upper() for component in _SAID)
    codes = (_WORDS.get(each, each) for each in written)
    return list(dict.fromkeys(_LABELS[code] for code in codes if code in _LABELS))


def _read(orc: Row, *, to: str) -> list[tuple[str, str]]:
    found = _labels(orc)
    if found:
        for component in (1, 2, 3, 4, 5, 6, 9):
            orc.text(28, component, to=f"{to}.meta.security")
    return found


def labels_of_problem(reading: Reading, row: Row, number: int, *, to: str) -> list[Json]:
    """Read how sensitive a problem is (PRB-25, a table of each site), by the same words.

    INVARIANT: a word that nobody knows is no word for "normal": the problem is restricted, and the message has an issue.
    """
    found = _labels(row, number)
    if not found and row.has(number) and not _ORDINARY & {row.peek(number, component).upper() for component in _SAID}:
        reading.warn(
            row.place(number), "how sensitive the problem is is said in words that are not known: it is restricted"
        )
        found = [_LABELS["R"]]
    if found:
        row.mapped_field(number, to=f"{to}.meta.security")
    return [coding(system, code) for system, code in found]


def labelled(resource: Json, labels: Sequence[Json]) -> Json:
    """Give the resource with these labels beside its own; the same where there are none."""
    if not labels:
        return resource
    meta = resource.get("meta", {})
    marked = {**meta, "security": [*meta.get("security", ()), *labels]}
    return {"resourceType": resource["resourceType"], "id": resource["id"], "meta": marked} | {
        key: value for key, value in resource.items() if key != "meta"
    }
