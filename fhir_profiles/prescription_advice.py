"""What a prescriber should hear of a prescription for supply outside (Misuse of Drugs Regulations 2001; PSNC; NICE QS156). Advice, never a condition.

INVARIANT: the copy leaves whatever is found here: the gateway carries and tells, it does not treat. It must never change a prescription.
A controlled drug is known by its substance (`terminology/controlled_drugs.csv`), under its current and its earlier dm+d codes; what no row knows
is not judged.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fhir_profiles.days import days_of
from fhir_profiles.elements import as_object, as_objects, as_text, codes
from fhir_profiles.instalments import MOST_DAYS, Instalments, days_in, form_of, instalments_of
from fhir_profiles.medicines import contents_of, is_substitute, medication_concepts
from fhir_profiles.profiles.prescription_copy import ORDER_SYSTEMS
from fhir_profiles.shapes import Json
from fhir_profiles.systems import DMD, MEDICATION_REQUEST_CATEGORY, SNOMED
from fhir_profiles.terminology import lookup

_OUTSIDE: Final = frozenset({"discharge", "outpatient", "community"})
_STANDING: Final = frozenset({"active", "draft", "on-hold", "unknown", ""})
_VALID_DAYS: Final = 28
_SUPPLY_DAYS: Final = 30
_WEEK: Final = 7
"""NICE QS156, statement 5: medicines for 7 days at least, or a form, for whoever leaves; substitute medication is apart."""
_FORM: Final = re.compile(
    r"\b(ampoule|capsule|elixir|film|granule|implant|injection|liquid|lozenge|lyophilisate|mixture|patch|powder|solution|spray|suspension|syrup|tablet|wafer)"
)
"""What medicines of schedule 2 and 3 come as, in the words of dm+d and of whoever writes them."""


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
    if any(row["schedule"] in "23" for row in known):
        yield from _of_what_it_must_say(request, resources)
        if instalments is None and _may_be_repeated(supply):
            yield "controlled-repeats"
    if known:
        days = days_in(supply.get("expectedSupplyDuration"))
        if days is not None and days > _SUPPLY_DAYS:
            yield "controlled-long-supply"
        if _is_valid_for_longer(supply.get("validityPeriod")):
            yield "controlled-long-validity"
    if _is_short(request, supply) and not is_substitute(request, resources):
        yield "discharge-short-supply"


def _of_what_it_must_say(request: Json, resources: Sequence[Json]) -> Iterator[str]:
    """What a prescription of schedule 2 or 3 has to say of itself; whose it is and where they live, the copy names as missing."""
    if not as_object(as_object(request.get("dispenseRequest")).get("quantity")).get("value"):
        yield "controlled-quantity-missing"
    if not _says_a_dose(request):
        yield "controlled-dose-missing"
    if not _is_a_preparation(request, resources):
        yield "controlled-preparation-missing"
    if not any(as_object(request.get("requester")).get(each) for each in ("reference", "identifier", "display")):
        yield "controlled-prescriber-missing"
    if not as_text(request.get("authoredOn")):
        yield "controlled-date-missing"


def _is_a_preparation(request: Json, resources: Sequence[Json]) -> bool:
    """Say whether form and strength are stated, by a product's code or in words; a code that no row knows is not judged."""
    concepts = tuple(medication_concepts(request, resources))
    if any(codes(each, SNOMED) or codes(each, DMD) for each in concepts):
        return True
    words = " ".join(as_text(each.get("text")) for each in concepts).lower()
    return any(map(str.isdigit, words)) and _FORM.search(words) is not None


def _may_be_repeated(supply: Json) -> bool:
    """R4 counts what follows the first supply; of instalments the same number is no repeat."""
    repeats = supply.get("numberOfRepeatsAllowed")
    return isinstance(repeats, int) and repeats > 0


def _is_short(request: Json, supply: Json) -> bool:
    """For less than a week, of somebody who leaves. A paper form is another way to have the rest."""
    days = days_in(supply.get("expectedSupplyDuration"))
    leaves = "discharge" in codes(request.get("category"), MEDICATION_REQUEST_CATEGORY)
    return leaves and not form_of(request) and days is not None and days < _WEEK


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
