"""What a prescriber should hear of a prescription for supply outside (Misuse of Drugs Regulations 2001; PSNC on FP10MDA). Advice, never a condition.

INVARIANT: the copy leaves whatever is found here: the gateway carries and tells, it does not treat. It must never change a prescription.
A controlled drug is known by its substance (`terminology/controlled_drugs.csv`), under its current and its earlier dm+d codes; what no row knows
is not judged.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fhir_profiles.days import days_of
from fhir_profiles.elements import as_object, as_objects, as_text, codes
from fhir_profiles.instalments import MOST_DAYS, Instalments, days_in, form_of, instalments_of
from fhir_profiles.medicines import contents_of
from fhir_profiles.profiles.prescription_copy import ORDER_SYSTEMS
from fhir_profiles.shapes import Json
from fhir_profiles.systems import MEDICATION_REQUEST_CATEGORY
from fhir_profiles.terminology import lookup

_OUTSIDE: Final = frozenset({"discharge", "outpatient", "community"})
_STANDING: Final = frozenset({"active", "draft", "on-hold", "unknown", ""})
_VALID_DAYS: Final = 28
_SUPPLY_DAYS: Final = 30


def advice(resources: Sequence[Json]) -> tuple[str, ...]:
    """Give the codes of `fhir_profiles.tasks` that the prescriptions among these resources ask for, each once. Never raises on data."""
    found: dict[str, None] = {}
    for request in resources:
        if request.get("resourceType") == "MedicationRequest" and _is_for_outside(request):
            found |= dict.fromkeys(_advice(request, resources))
    return tuple(found)


def _is_for_outside(request: Json) -> bool:
    """Say whether it is clearly for a pharmacy outside: what is administered in custody is not judged by these rules."""
    if as_text(request.get("status")) not in _STANDING:
        return False
    said = set(codes(request.get("category"), MEDICATION_REQUEST_CATEGORY)) & _OUTSIDE
    return bool(said or form_of(request) or instalments_of(request) or _is_electronic(request))


def _is_electronic(request: Json) -> bool:
    numbers = (*as_objects(request.get("identifier")), as_object(request.get("groupIdentifier")))
    return any(as_text(number.get("system")) in ORDER_SYSTEMS for number in numbers)


def _advice(request: Json, resources: Sequence[Json]) -> Iterator[str]:
    rows = lookup("controlled_drugs").by("substance")
    known = [rows[name] for name in contents_of(request, resources).names if name in rows]
    supply = as_object(request.get("dispenseRequest"))
    instalments = instalments_of(request)
    if instalments is not None:
        yield from _of_instalments(instalments, known)
        if _is_electronic(request):
            yield "instalments-electronic"
    if known and any(row["schedule"] in "23" for row in known):
        if not as_object(supply.get("quantity")).get("value"):
            yield "controlled-quantity-missing"
        if not _says_a_dose(request):
            yield "controlled-dose-missing"
    if known:
        days = days_in(supply.get("expectedSupplyDuration"))
        if days is not None and days > _SUPPLY_DAYS:
            yield "controlled-long-supply"
        if _is_valid_for_longer(supply.get("validityPeriod")):
            yield "controlled-long-validity"


def _of_instalments(said: Instalments, known: Sequence[Any]) -> Iterator[str]:
    if said.days is not None and said.days > MOST_DAYS:
        yield "instalments-too-long"
    if said.days is None and said.count and said.interval_days and said.count * said.interval_days > MOST_DAYS:
        yield "instalments-too-long"
    if not said.each.get("value") or said.interval_days is None:
        yield "instalments-incomplete"
    if known and said.form != "WP10MDA" and any(row["instalments"] == "no" for row in known):
        yield "instalments-not-allowed"
    if not said.wordings:
        yield "instalments-wording"


def _says_a_dose(request: Json) -> bool:
    """Say whether a dose is stated: `as directed` alone is none."""
    for dosage in as_objects(request.get("dosageInstruction")):
        if any(each.get("doseQuantity") or each.get("doseRange") for each in as_objects(dosage.get("doseAndRate"))):
            return True
        text = as_text(dosage.get("text")).lower().strip(" .")
        if text and "as directed" not in text:
            return True
    return False


def _is_valid_for_longer(period: Any) -> bool:
    start, end = days_of(as_object(period).get("start")), days_of(as_object(period).get("end"))
    return start is not None and end is not None and (end.first - start.last).days > _VALID_DAYS
