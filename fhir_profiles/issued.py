"""What was issued of a medicine: its last dispense, and what is in doubt after it. It must never take an order for a supply.

Times are FHIR text with an offset; the caller gives the whole current file.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fhir_profiles.days import instant_of
from fhir_profiles.elements import as_object, as_objects, as_text, name_of, of_type, well_formed
from fhir_profiles.medicines import contents_of
from fhir_profiles.shapes import Json

_ISSUED: Final = frozenset({"completed", "in-progress"})
"""In progress: made ready and not yet collected."""
_IN_DOUBT: Final = frozenset({"stopped", "on-hold", "unknown"})


def last_issued(request: Json, resources: Sequence[Json], as_of: str) -> tuple[Json, ...]:
    """Give what was issued last of a prescription or of its substances up to `as_of`, and what may have been in part after it, by time.

    What was issued under an earlier prescription counts: the person has it too. A dispense without a time may be the last.
    """
    file = well_formed(resources)
    until = instant_of(as_of)
    names = contents_of(request, file).names
    dated: list[tuple[datetime, Json]] = []
    undated: list[Json] = []
    for dispense in of_type(file, "MedicationDispense"):
        if as_text(dispense.get("status")) not in _ISSUED | _IN_DOUBT:
            continue
        if not is_issued_under(dispense, request) and not contents_of(dispense, file).names & names:
            continue
        moment = instant_of(issued_at(dispense))
        if moment is None:
            undated.append(dispense)
        elif until is None or moment <= until:
            dated.append((moment, dispense))
    dated.sort(key=lambda each: each[0])
    whole = [at for at, (_, dispense) in enumerate(dated) if as_text(dispense.get("status")) in _ISSUED]
    return (*undated, *(dispense for _, dispense in dated[whole[-1] if whole else 0 :]))


def is_issued_under(dispense: Json, request: Json) -> bool:
    """Say whether a dispense names the prescription: by reference, or by one of its numbers."""
    numbers = {(as_text(n.get("system")), as_text(n.get("value"))) for n in as_objects(request.get("identifier"))}
    for named in as_objects(dispense.get("authorizingPrescription")):
        number = as_object(named.get("identifier"))
        if as_text(named.get("reference")) == name_of(request):
            return True
        if as_text(number.get("value")) and (as_text(number.get("system")), as_text(number.get("value"))) in numbers:
            return True
    return False


def issued_at(dispense: Json) -> str:
    """Give when something was issued, as written: when it was handed over, else when it was made ready."""
    for value in (dispense.get("whenHandedOver"), dispense.get("whenPrepared")):
        if instant_of(value) is not None:
            return as_text(value)
    return ""
