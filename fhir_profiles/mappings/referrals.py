"""Which requests are referrals, and what a person has to do about one. It must never start care by itself, nor take an order of a laboratory for one."""

from collections.abc import Iterable, Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.fhir_message import objects_of, text_of
from fhir_profiles.shapes import Json, Task
from fhir_profiles.tasks import TASKS

_CATEGORIES: Final = frozenset(
    {
        ("https://fhir.nhs.uk/CodeSystem/message-category-servicerequest", "referral"),
        (systems.LOCAL_CODE + "message-event", "referral"),
    }
)
"""`ServiceRequest.category`: of the Booking and Referral Standard (BARSServiceRequest-request-referral), and ours, in its style."""
_WITHDRAWN: Final = frozenset({"revoked", "entered-in-error"})


def task_of_referral(status: str) -> str:
    """Give the code of the work that a referral with this status makes; R4 request-status. BaRS cancels with `revoked`, deletes with `entered-in-error`."""
    return "referral-withdrawn" if status in _WITHDRAWN else "referral-received"


def referral_tasks(resources: Iterable[Json]) -> Iterator[Task]:
    """Give the work that the referrals among these resources make, once for each kind."""
    codes = {task_of_referral(text_of(each.get("status"))) for each in resources if _is_referral(each)}
    yield from (TASKS[code] for code in sorted(codes))


def _is_referral(resource: Json) -> bool:
    if text_of(resource.get("resourceType")) != "ServiceRequest":
        return False
    concepts = objects_of(resource.get("category") or [])
    codings = (coding for concept in concepts for coding in objects_of(concept.get("coding") or []))
    return any((coding.get("system"), coding.get("code")) in _CATEGORIES for coding in codings)
