"""Instalment prescriptions (FP10MDA): what a MedicationRequest says of them. It must never compute an amount, fill in an interval or choose a wording.

An instalment prescription is one `original-order`: `dispenseRequest.quantity` is the total, `initialFill.quantity` the amount of an instalment,
`dispenseInterval` how often, `numberOfRepeatsAllowed` how many follow the first, `expectedSupplyDuration` for how long. The Electronic
Prescription Service carries none of them: it is on paper (GMS contract regulations; NHSBSA).
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codes, codings, identifier_value
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import lookup

COURSE: Final = systems.LOCAL_CODE + "course-of-therapy"
FORM: Final = systems.LOCAL_CODE + "prescription-form"
"""`MedicationRequest.category`: `FP10MDA`, `WP10MDA`, `FP10`, where the sender says on which form."""
SERIAL: Final = systems.LOCAL_ID + "prescription-serial"
"""`MedicationRequest.identifier`: the serial number of a paper form."""
INSTALMENTS: Final = "instalment-dispensing"
MOST_DAYS: Final = 14
_FORMS: Final = frozenset({"FP10MDA", "WP10MDA"})
_DAYS: Final = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7}
_NOT_WORDS: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Instalments:
    """What is said; None and empty for what is not. `total` and `each` are Quantities as they were written, days are whole or None."""

    total: Json
    each: Json
    interval_days: int | None
    count: int | None
    days: int | None
    form: str
    serial: str
    wordings: tuple[str, ...]


def form_of(request: Json) -> str:
    """The form that the prescription is written on; empty where nobody says."""
    return next(iter(codes(request.get("category"), FORM)), "").upper()


def serial_of(request: Json) -> str:
    """The serial number of the paper form; empty where nobody says."""
    return identifier_value(request.get("identifier"), SERIAL)


def says_instalments(request: Json) -> bool:
    """Say whether its course or its form says that it is one; an interval or a first supply alone may be of a repeat."""
    course = any(as_text(each.get("code")) == INSTALMENTS for each in codings(request.get("courseOfTherapyType")))
    return course or form_of(request) in _FORMS


def instalments_of(request: Json) -> Instalments | None:
    """Read an instalment prescription; None where nothing says that it is one."""
    supply = as_object(request.get("dispenseRequest"))
    first = as_object(supply.get("initialFill"))
    if not (says_instalments(request) or supply.get("dispenseInterval") or first.get("quantity")):
        return None
    repeats = supply.get("numberOfRepeatsAllowed")
    return Instalments(
        total=as_object(supply.get("quantity")),
        each=as_object(first.get("quantity")),
        interval_days=days_in(supply.get("dispenseInterval")),
        count=repeats + 1 if isinstance(repeats, int) and not isinstance(repeats, bool) else None,
        days=days_in(supply.get("expectedSupplyDuration")),
        form=form_of(request),
        serial=serial_of(request),
        wordings=wordings_of(request),
    )


def days_in(duration: Any) -> int | None:
    """Read a Duration as whole days; None for another unit or a part of a day."""
    held = as_object(duration)
    value = held.get("value")
    unit = as_text(held.get("code")) or as_text(held.get("unit"))
    factor = _DAYS.get(unit.lower())
    if factor is None or isinstance(value, bool) or not isinstance(value, int | Decimal) or value != int(value):
        return None
    return int(value) * factor


def wordings_of(request: Json) -> tuple[str, ...]:
    """Give the codes of the Home Office wordings that stand anywhere in the instructions or notes, each once, in the order of the table."""
    texts = [as_text(note.get("text")) for note in as_objects(request.get("note"))]
    for dosage in as_objects(request.get("dosageInstruction")):
        texts += [as_text(dosage.get("text")), as_text(dosage.get("patientInstruction"))]
        texts += [as_text(each.get("text")) for each in as_objects(dosage.get("additionalInstruction"))]
    said = " ".join(_NOT_WORDS.sub(" ", text.lower()) for text in texts)
    return tuple(row["code"] for row in lookup("home_office_wordings").rows if row["begins"] in said)
