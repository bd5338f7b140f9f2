"""What was issued of a medicine: its last dispense, and what is in doubt after it. It must never take an order for a supply.

Times are FHIR text with an offset; the caller gives the whole current file.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from fhir_profiles.days import instant_of
from fhir_profiles.elements import as_object, as_objects, as_text, name_of, of_type, well_formed
from fhir_profiles.medicines import Same, is_depot, same_medicine
from fhir_profiles.order_numbers import assigner_of, names_no_authority
from fhir_profiles.shapes import Json

_ISSUED: Final = frozenset({"completed", "in-progress"})
"""In progress: made ready and not yet collected."""
_IN_DOUBT: Final = frozenset({"stopped", "on-hold", "unknown"})


def last_issued(request: Json, resources: Sequence[Json], as_of: str) -> tuple[Json, ...]:
    """Give what was issued last of a prescription or of its medicine up to `as_of`, and what may have been in part after it, by time.

    What was issued under an earlier prescription counts: the person has it too. A dispense without a time may be the last. A prolonged-release
    injection and what is taken daily are told apart: the last of the one says nothing of the other.
    """
    file = well_formed(resources)
    dated: list[tuple[datetime, Json]] = []
    undated: list[Json] = []
    for moment, dispense in _issues(file, as_of):
        if not is_issued_under(dispense, request) and same_medicine(dispense, request, file) is not Same.YES:
            continue
        if moment is None:
            undated.append(dispense)
        else:
            dated.append((moment, dispense))
    dated.sort(key=lambda each: each[0])
    depots = [each for each in dated if is_depot(each[1], file)]
    others = [each for each in dated if each not in depots]
    last = sorted((*_from_the_last(depots), *_from_the_last(others)), key=lambda each: each[0])
    return (*undated, *(dispense for _, dispense in last))


def _from_the_last(dated: list[tuple[datetime, Json]]) -> list[tuple[datetime, Json]]:
    whole = [at for at, (_, dispense) in enumerate(dated) if as_text(dispense.get("status")) in _ISSUED]
    return dated[whole[-1] if whole else 0 :]


def may_be_issued(request: Json, resources: Sequence[Json], as_of: str) -> bool:
    """Say whether an issue up to `as_of` may be of a prescription's medicine: nobody may read then that nothing was issued of it."""
    file = well_formed(resources)
    return any(_may_be_of(dispense, request, file) for _, dispense in _issues(file, as_of))


def _issues(file: Sequence[Json], as_of: str) -> Iterator[tuple[datetime | None, Json]]:
    """What was issued, or may have been in part, up to `as_of`; of what has no time, None."""
    until = instant_of(as_of)
    for dispense in of_type(file, "MedicationDispense"):
        moment = instant_of(issued_at(dispense))
        if as_text(dispense.get("status")) in _ISSUED | _IN_DOUBT and (not until or not moment or moment <= until):
            yield moment, dispense


def _may_be_of(dispense: Json, request: Json, file: Sequence[Json]) -> bool:
    """By a number whose authority is not said, or because one of the two medicines is not known; the order that it is under tells its medicine."""
    if is_issued_under(dispense, request) or _numbers_alike(dispense, request):
        return True
    orders = [each for each in of_type(file, "MedicationRequest") if is_issued_under(dispense, each)]
    return all(same_medicine(each, request, file) is not Same.NO for each in (dispense, *orders))


def _numbers_alike(dispense: Json, request: Json) -> bool:
    """Is a number of the prescription named, where one of the two says no authority?"""
    named = [as_object(each.get("identifier")) for each in as_objects(dispense.get("authorizingPrescription"))]
    return any(
        as_text(one.get("value")) == as_text(other.get("value")) != ""
        and (names_no_authority(one) or names_no_authority(other))
        for one in named
        for other in as_objects(request.get("identifier"))
    )


def is_issued_under(dispense: Json, request: Json) -> bool:
    """Say whether a dispense names the prescription: by reference, or by one of its numbers.

    INVARIANT: two equal numbers without an authority are not one order for certain, unless one sender said both: two senders count alike.
    """
    numbers = {key for each in as_objects(request.get("identifier")) if (key := _key(each)) is not None}
    return any(
        as_text(named.get("reference")) == name_of(request) or _key(as_object(named.get("identifier"))) in numbers
        for named in as_objects(dispense.get("authorizingPrescription"))
    )


def _key(number: Json) -> tuple[str, ...] | None:
    """What names an order for certain: the number under its authority, else as its sender's own; None where it is not said whose it is."""
    system, value = as_text(number.get("system")), as_text(number.get("value"))
    if not value:
        return None
    if not names_no_authority(number):
        return system, value
    assigner = assigner_of(number)
    return (system, value, *assigner) if all(assigner) else None


def issued_at(dispense: Json) -> str:
    """Give when something was issued, as written: when it was handed over, else when it was made ready."""
    for value in (dispense.get("whenHandedOver"), dispense.get("whenPrepared")):
        if instant_of(value) is not None:
            return as_text(value)
    return ""
